# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""The memory of tensors: which bank or core has each page, and which bytes a page has."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch

import ttnn
from ttnn_emulator.errors import UnsupportedOperation
from ttnn_emulator.kernels.chip import Chip

_FACE = 16
_MEMORY = {
    ttnn.float32: torch.float32,
    ttnn.bfloat16: torch.bfloat16,
    ttnn.uint32: torch.int32,
    ttnn.int32: torch.int32,
    ttnn.uint16: torch.int16,
    ttnn.uint8: torch.uint8,
}
_MANTISSA = {ttnn.bfloat8_b: 7, ttnn.bfloat4_b: 3}  # bits of a block float beside its sign


@dataclass(frozen=True)
class Words:
    """The place of a global semaphore on one chip: a word in the L1 of some cores. Its image is uint8 [banks, 1, 4]."""

    address: int
    banks: tuple[int, ...]  # numbers of cores
    rows: int = 1
    page_bytes: int = 4
    in_dram: bool = False


@dataclass(frozen=True, eq=False)
class Layout:
    """The place and the order of a tensor on one chip. The tensor's memory image is uint8 [banks, rows, page bytes]."""

    address: int  # the same in all banks
    page_bytes: int
    in_dram: bool
    banks: tuple[int, ...]  # DRAM banks, or numbers of cores
    rows: int  # pages of a bank
    bank_of: np.ndarray  # for each page an index of `banks`
    row_of: np.ndarray  # for each page its row in the bank
    shape: tuple[int, ...]
    padded_shape: tuple[int, ...]
    dtype: ttnn.DataType
    tile: tuple[int, int] | None  # None: row-major
    page_width: int  # elements of a page, if row-major

    @classmethod
    def of(cls, tensor: ttnn.Tensor, chip: Chip) -> "Layout":
        """Return the layout that the library gave a tensor."""
        config, pages = tensor.memory_config(), tensor.buffer_num_pages()
        in_dram = config.buffer_type == ttnn.BufferType.DRAM
        padded = tuple(tensor.padded_shape)
        tile = tuple(tensor.tile.tile_shape) if tensor.layout == ttnn.TILE_LAYOUT else None
        if tensor.dtype not in _MEMORY and tensor.dtype not in _MANTISSA:
            raise UnsupportedOperation(f"ttnn.generic_op: tensors of {tensor.dtype} are not emulated")
        width = padded[-1]
        if config.is_sharded():
            banks, rows, bank_of, row_of, width = _sharded(config, padded, tile, pages, chip)
        else:
            banks = tuple(range(chip.dram_banks if in_dram else len(chip.cores)))
            number = np.arange(pages)
            rows, bank_of, row_of = -(-pages // len(banks)), number % len(banks), number // len(banks)
        return cls(
            tensor.buffer_address(),
            tensor.buffer_aligned_page_size(),
            in_dram,
            banks,
            rows,
            bank_of,
            row_of,
            tuple(tensor.shape),
            padded,
            tensor.dtype,
            tile,
            width,
        )

    @cached_property
    def key(self) -> tuple:
        """A key that is equal for layouts with equal images of a value."""
        places = (self.bank_of.tobytes(), self.row_of.tobytes()) if len(self.bank_of) < 1 << 16 else (id(self),)
        return (self.page_bytes, len(self.banks), self.padded_shape, self.tile, *places)

    def image(self, value: torch.Tensor, padding: float | None) -> np.ndarray:
        """Return the memory image of a value. `padding` fills up tiles."""
        pages = self._to_pages(value, padding)
        image = np.zeros((len(self.banks), self.rows, self.page_bytes), np.uint8)
        image[self.bank_of, self.row_of, : pages.shape[1]] = pages
        return image

    def value(self, image: np.ndarray) -> torch.Tensor:
        """Return the value of a memory image."""
        pages = torch.from_numpy(image[self.bank_of, self.row_of])
        padded = self._from_pages(pages).reshape(self.padded_shape)
        value = padded[tuple(slice(0, size) for size in self.shape[-len(self.padded_shape) :])]
        return value.reshape(self.shape).contiguous()

    def _to_pages(self, value: torch.Tensor, padding: float | None) -> np.ndarray:
        if self.tile is None:
            rows = value.reshape(-1, self.page_width)
            return rows.to(_MEMORY[self.dtype]).contiguous().view(torch.uint8).numpy()
        full = (
            value.reshape(-1, *self.shape[-len(self.padded_shape) :])[0]
            if value.ndim > len(self.padded_shape)
            else value
        )
        if tuple(full.shape) != self.padded_shape:
            fill = padding if padding is not None else _UNKNOWN.get(self.dtype, float("nan"))
            whole = torch.full(
                self.padded_shape, fill if value.is_floating_point() else int(padding or 0), dtype=value.dtype
            )
            leading = len(self.padded_shape) - full.ndim
            whole[(0,) * leading + tuple(slice(0, size) for size in full.shape)] = full
            full = whole
        tiles = _to_tiles(full.reshape(-1, self.padded_shape[-1]), self.tile)
        if self.dtype in _MANTISSA:
            return _pack_block_floats(tiles, _MANTISSA[self.dtype])
        return tiles.to(_MEMORY[self.dtype]).contiguous().view(torch.uint8).reshape(len(tiles), -1).numpy()

    def _from_pages(self, pages: torch.Tensor) -> torch.Tensor:
        if self.dtype in _MANTISSA:
            elements = _unpack_block_floats(pages, _MANTISSA[self.dtype])
        else:
            memory = _MEMORY[self.dtype]
            if self.tile is None:
                pages = pages[:, : self.page_width * memory.itemsize].contiguous()
            elements = pages.view(memory)
        if not elements.is_floating_point():
            elements = elements.to(torch.int64)
            if self.dtype in (ttnn.uint32, ttnn.uint16):
                elements &= (1 << 8 * memory.itemsize) - 1
        if self.tile is not None:
            elements = _from_tiles(elements, self.padded_shape[-1], self.tile)
        return elements


# Unknown padding is NaN, but for block floats, where NaN would change the block.
_UNKNOWN = {ttnn.bfloat8_b: 0.0, ttnn.bfloat4_b: 0.0}


def _sharded(
    config: ttnn.MemoryConfig, padded: tuple[int, ...], tile: tuple[int, int] | None, pages: int, chip: Chip
) -> tuple[tuple[int, ...], int, np.ndarray, np.ndarray, int]:
    """Return the banks, the pages of a bank, each page's bank and its row there, and the width of a row-major page."""
    spec = config.shard_spec
    if spec is None:
        raise UnsupportedOperation("ttnn.generic_op: tensors that an NdShardSpec places are not emulated")
    by_row = spec.orientation == ttnn.ShardOrientation.ROW_MAJOR
    cores = ttnn.corerange_to_cores(spec.grid, None, row_wise=by_row)
    in_dram = config.buffer_type == ttnn.BufferType.DRAM
    banks = tuple(core.x if in_dram else chip.numbers[core.x, core.y] for core in cores)
    page_high, page_wide = tile or (1, spec.shape[1])
    high, wide = spec.shape[0] // page_high, spec.shape[1] // page_wide  # pages of a shard
    across = -(-padded[-1] // page_wide)  # pages of a row of the tensor
    row, column = np.divmod(np.arange(pages), across)
    shard = row // high * -(-across // wide) + column // wide
    return banks, high * wide, shard, row % high * wide + column % wide, page_wide


def _faces(tile: tuple[int, int]) -> tuple[int, int]:
    return min(tile[0], _FACE), min(tile[1], _FACE)


def _to_tiles(matrix: torch.Tensor, tile: tuple[int, int]) -> torch.Tensor:
    """Return a matrix [rows, columns] as tiles [tiles, values], face by face."""
    (high, wide), (face_high, face_wide) = tile, _faces(tile)
    rows, columns = matrix.shape
    parts = matrix.reshape(rows // high, high // face_high, face_high, columns // wide, wide // face_wide, face_wide)
    return parts.permute(0, 3, 1, 4, 2, 5).reshape(-1, high * wide)


def _from_tiles(tiles: torch.Tensor, columns: int, tile: tuple[int, int]) -> torch.Tensor:
    (high, wide), (face_high, face_wide) = tile, _faces(tile)
    parts = tiles.reshape(-1, columns // wide, high // face_high, wide // face_wide, face_high, face_wide)
    return parts.permute(0, 2, 4, 1, 3, 5).reshape(-1, columns)


def _pack_block_floats(tiles: torch.Tensor, bits: int) -> np.ndarray:
    """Return tiles of exact block floats as bytes: exponents of the tile's half rows, then signs and mantissas."""
    blocks = tiles.reshape(len(tiles), -1, _FACE).float()
    exponents = (blocks.view(torch.int32) >> 23 & 255).amax(-1, keepdim=True)
    unit = _powers_of_two(exponents - 127 - (bits - 1))
    mantissas = (blocks.abs() / unit).round().clamp(max=2**bits - 1).to(torch.int32)
    codes = (mantissas | ((blocks < 0) & (mantissas > 0)).int() << bits).to(torch.uint8).reshape(len(tiles), -1)
    if bits == 3:
        codes = codes[:, 0::2] | codes[:, 1::2] << 4
    return torch.cat([exponents[..., 0].to(torch.uint8), codes], 1).numpy()


def _unpack_block_floats(pages: torch.Tensor, bits: int) -> torch.Tensor:
    values = 8 // (bits + 1)  # in a byte
    blocks = pages.shape[1] * values // (_FACE + values)
    exponents, codes = pages[:, :blocks].int(), pages[:, blocks:].int()
    if bits == 3:
        codes = torch.stack([codes & 15, codes >> 4], -1).flatten(1)
    codes = codes.reshape(len(pages), blocks, _FACE)
    unit = _powers_of_two(exponents - 127 - (bits - 1))[..., None]
    signs = torch.where(codes >> bits == 1, -1.0, 1.0)
    return (signs * (codes & (1 << bits) - 1) * unit).reshape(len(pages), -1)


def _powers_of_two(exponents: torch.Tensor) -> torch.Tensor:
    return torch.ldexp(torch.ones(exponents.shape), exponents)
