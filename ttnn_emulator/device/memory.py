# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""The emulated device's memory: what each address holds, one torch tensor per chip of the mesh.

The library allocates (it owns the addresses, the limits and the out-of-memory errors); this keeps the contents, keyed
by (device, buffer type, address). As on a card, an address that the allocator hands out again loses what it held, and
views of one allocation share its contents.
"""

from typing import Any

import torch

import ttnn
from ttnn_emulator.device.data_types import is_float, storage_dtype
from ttnn_emulator.errors import EmulatorError, MemoryFault, UnsupportedOperation
from ttnn_emulator.library.private import buffers_of, shape_of

_SWEEP_BYTES = 1 << 25  # look for contents of freed tensors after this many new bytes
_POISON = (1 << 31) - 1  # what an unwritten integer reads as


class Buffer:
    """The contents of one allocation."""

    __slots__ = tuple(
        "key owner chips shards dtype shape bank_bytes born lost pending blank shared derived padding prepared".split()
    )

    def __init__(self, key: tuple, owner: int, tensor: ttnn.Tensor, born: int):
        self.key, self.owner, self.born = key, owner, born
        self.dtype, self.shape = tensor.dtype, shape_of(tensor)
        self.bank_bytes = bytes_per_bank(tensor)
        self.chips = tensor.device().get_num_devices()  # of the mesh, all of which it is allocated on
        self.shards: list[torch.Tensor | None] | None = None  # None where only other chips were written
        self.lost: str | None = None  # why the contents are gone
        self.pending: str | None = None  # the operation that writes this once its captured trace is executed
        self.blank = True  # nothing was written here but what an allocation leaves
        self.shared = True  # other buffers, or the host, may hold the very same torch tensors
        self.derived: dict[str, Any] = {}  # forms of the value that are costly to make, dropped at the next write
        self.padding: float | None = None  # what fills the tiles up, or None where that is not known
        self.prepared: dict[int, torch.Tensor] = {}  # each chip's weights, where they were prepared for an operation

    def write(
        self,
        chips: tuple[int, ...],
        shards: list[torch.Tensor],
        shape: tuple[int, ...],
        dtype: ttnn.DataType,
        padding: float | None = None,
    ) -> None:
        """Write these chips' values; the other chips keep what they hold."""
        if len(chips) < self.chips:
            held = [None] * self.chips if self.shards is None or self.lost or self.dtype != dtype else self.shards
            written = dict(zip(chips, shards, strict=True))
            shards = [written.get(chip, value) for chip, value in enumerate(held)]
            if padding != self.padding and any(value is not None for value in held):
                padding = None  # not the same on all chips
        self.shards, self.shape, self.dtype, self.padding = shards, shape, dtype, padding
        self.lost, self.pending, self.blank, self.shared, self.derived = None, None, False, True, {}
        self.prepared = {}

    def prepare(self, chips: tuple[int, ...], weights: list[torch.Tensor]) -> None:
        """Write weights in a form that only the operation reads for which they were prepared."""
        prepared = dict(zip(chips, weights, strict=True))
        if all(self.prepared.get(chip) is value for chip, value in prepared.items()):
            return
        self.shards, self.lost, self.pending, self.blank, self.derived = None, None, None, False, {}
        self.prepared |= prepared

    def own(self) -> list[torch.Tensor]:
        """Return the contents for a change in place. From then on no other buffer shares them."""
        if self.shards is None:
            self.read(0, self.shape)
        if self.shared:
            form = torch.contiguous_format
            self.shards = [None if shard is None else shard.clone(memory_format=form) for shard in self.shards]
            self.shared = False
        self.blank, self.derived = False, {}
        return self.shards

    def read(self, chip: int, shape: tuple[int, ...]) -> torch.Tensor:
        if self.lost:
            raise MemoryFault(f"{self.describe()} is gone: {self.lost}")
        if self.prepared:
            raise UnsupportedOperation(
                f"{self.describe()} holds weights that were prepared for a convolution; their order in memory is not "
                "emulated, and only convolutions read them"
            )
        if self.shards is None:
            raise MemoryFault(f"{self.describe()} was never written; write it before it is read")
        value = self.shards[chip]
        if value is None:
            raise MemoryFault(f"{self.describe()} was never written on chip {chip} of the mesh, only on others")
        if value.shape == shape:
            return value
        if value.numel() == torch.Size(shape).numel():
            return value.reshape(shape)
        return self._crop(value, shape)

    def read_or_unwritten(self, chip: int, shape: tuple[int, ...]) -> torch.Tensor:
        """Return what a chip holds, or what unwritten memory reads as where nothing was written."""
        if self.shards is None or self.shards[chip] is None:
            return unwritten(self.dtype, shape)
        return self.read(chip, shape)

    def view_as(self, shape: tuple[int, ...]) -> None:
        """Note a view of all values. Later views, which may leave parts out, are read from its shape."""
        if self.shards is not None:
            size = torch.Size(shape).numel()
            self.shards = [
                value.reshape(shape) if value is not None and value.numel() == size else value for value in self.shards
            ]

    def _crop(self, value: torch.Tensor, shape: tuple[int, ...]) -> torch.Tensor:
        """Return a view without the tile padding that another view, or the operation that wrote, included."""
        rank = max(value.ndim, len(shape))
        own, wanted = ((1,) * (rank - len(sizes)) + tuple(sizes) for sizes in (value.shape, shape))
        if any(size < part for size, part in zip(own, wanted)):
            raise MemoryFault(f"{self.describe()} is read as shape {list(shape)}, which holds another number of values")
        return value.reshape(own)[tuple(slice(0, size) for size in wanted)].reshape(shape)

    def describe(self) -> str:
        place = str(self.key[1]).rsplit(".", 1)[-1]
        name = str(self.dtype).rsplit(".", 1)[-1].lower()
        return f"the {name} tensor {list(self.shape)} at {place} address {self.key[2]}"


class Memory:
    """All buffers of all open devices."""

    def __init__(self):
        self._buffers: dict[tuple, Buffer] = {}
        self._births = 0
        self._new_bytes = 0
        self._closed: set[int] = set()

    def find(self, tensor: ttnn.Tensor) -> Buffer:
        """Return the buffer behind a device tensor."""
        key, owner = _key(tensor)
        if key[0] in self._closed:
            raise EmulatorError(
                f"the tensor {list(tensor.shape)} lies on a device that was closed; open one and move it there"
            )
        buffer = self._buffers.get(key)
        if buffer is not None and buffer.owner == owner:
            return buffer
        if not key[2] and 0 in shape_of(tensor):
            return _nothing(key, owner, tensor)
        return self._add(key, owner, tensor)

    def _add(self, key: tuple, owner: int, tensor: ttnn.Tensor) -> Buffer:
        self._births += 1
        buffer = self._buffers[key] = Buffer(key, owner, tensor, self._births)
        self._new_bytes += buffer.bank_bytes
        if self._new_bytes * 8 > _SWEEP_BYTES:
            self._sweep(tensor.device())
        return buffer

    def _sweep(self, device: ttnn.MeshDevice) -> None:
        """Forget the contents of freed tensors: Python's garbage collector frees them without telling us."""
        live = {(b.buffer_type, b.address) for b in buffers_of(device)}
        number = device.id()
        self._buffers = {k: b for k, b in self._buffers.items() if k[0] != number or k[1:] in live}
        self._new_bytes = 0

    @property
    def births(self) -> int:
        """The number of allocations so far, which traces use as a clock."""
        return self._births

    def born_after(self, clock: int, device: int) -> list[Buffer]:
        return [b for b in self._buffers.values() if b.born > clock and b.key[0] == device]

    def holds(self, buffer: Buffer) -> bool:
        """Return whether the buffer's address still belongs to it."""
        return self._buffers.get(buffer.key) is buffer

    def free(self, tensor: ttnn.Tensor) -> None:
        if tensor.buffer_unique_id() is not None:
            key, owner = _key(tensor)
            buffer = self._buffers.get(key)
            if buffer is not None and buffer.owner == owner:
                del self._buffers[key]

    def is_closed(self, device: ttnn.MeshDevice) -> bool:
        return device.id() in self._closed

    def close(self, device: int) -> None:
        self._buffers = {k: b for k, b in self._buffers.items() if k[0] != device}
        self._closed.add(device)


def _key(tensor: ttnn.Tensor) -> tuple[tuple, int]:
    owner = tensor.buffer_unique_id()
    if owner is None:  # for a view too, when what it views was deallocated
        raise MemoryFault(f"the tensor {list(tensor.shape)} was deallocated; it has no value any more")
    device = tensor.device()
    if device is None:
        raise EmulatorError(f"the tensor {list(tensor.shape)} is on no open device")
    return (device.id(), tensor.memory_config().buffer_type, tensor.buffer_address()), owner


def bytes_per_bank(tensor: ttnn.Tensor) -> int:
    """Return how far the allocation reaches in each bank or core. All banks keep the same addresses free for it."""
    config = tensor.memory_config()
    page, pages = tensor.buffer_aligned_page_size(), tensor.buffer_num_pages()
    shards = config.shard_spec.grid.num_cores() if config.shard_spec is not None else _banks(tensor)
    return -(-pages // shards) * page


def chips_of(tensor: ttnn.Tensor) -> tuple[int, ...]:
    """Return the numbers of the chips that a tensor lies on, row by row of the mesh."""
    device = tensor.device()
    chips = device.get_num_devices()
    if chips == 1:
        return (0,)
    coordinates = tensor.device_coords()
    if len(coordinates) == chips:
        return tuple(range(chips))
    columns = device.shape[1]
    return tuple(sorted(coordinate[0] * columns + coordinate[1] for coordinate in coordinates))


def in_dram(tensor: ttnn.Tensor) -> bool:
    return tensor.memory_config().buffer_type == ttnn.BufferType.DRAM


def _banks(tensor: ttnn.Tensor) -> int:
    device = tensor.device()
    grid = device.dram_grid_size() if in_dram(tensor) else _l1_grid(device)
    return grid.x * grid.y


def _l1_grid(device: ttnn.MeshDevice) -> ttnn.CoreCoord:
    return device.compute_with_storage_grid_size()


def _nothing(key: tuple, owner: int, tensor: ttnn.Tensor) -> Buffer:
    """Return the contents of a tensor without elements. All such tensors lie at address 0."""
    buffer = Buffer(key, owner, tensor, 0)
    nothing = unwritten(tensor.dtype, shape_of(tensor))
    buffer.write(tuple(range(buffer.chips)), [nothing] * buffer.chips, buffer.shape, buffer.dtype)
    return buffer


def unwritten(dtype: ttnn.DataType, shape: tuple[int, ...]) -> torch.Tensor:
    """Return what memory reads as before anything was written: one repeated number, NaN or an absurd integer."""
    return torch.tensor(float("nan") if is_float(dtype) else _POISON, dtype=storage_dtype(dtype)).expand(shape)
