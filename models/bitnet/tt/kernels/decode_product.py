# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""Decode's program: norm, int8 codes, ternary product and what follows it, for one tile of rows.

A core has a part of the rows to measure and quantise, and some columns of the product. The weights of those columns fit
its L1 whole, so that they stream in while the rows are on their way. See decode_product.cpp for the steps.
"""

import struct
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import torch
import ttnn

from models.bitnet.tt.kernels import golden
from models.bitnet.tt.kernels.epilogue import Epilogue
from models.bitnet.tt.kernels.shares import Shares
from models.bitnet.tt.kernels.ternary_tiles import TILE, TILE_BYTES, TernaryPages, largest_divisor

_FOLDER = Path(__file__).parent
_FLOAT_TILE, _HALF_TILE = 4096, 2048  # bytes: float32, bfloat16
_ALL_CODES = 9  # the buffer whose tiles may be half as high
WIDE = 8  # cores in a row: what every supported chip has
_PAGES_AT_ONCE = 8  # reads in flight


@dataclass(frozen=True)
class DecodeProduct:
    """One product's shape and places. `result_memory` is where its `users` rows of results go."""

    users: int
    parts: Shares  # of the rows' columns
    columns: Shares  # of the results'
    pages: TernaryPages
    epilogue: Epilogue
    result_dtype: ttnn.DataType
    result_memory: ttnn.MemoryConfig
    head_tiles: int = 0  # rows come as attention leaves them, by users and heads of this width; 0: as rows

    def __call__(
        self,
        x: ttnn.Tensor,
        gamma: ttnn.Tensor,
        weights: ttnn.Tensor,
        residual: ttnn.Tensor | None = None,
        *,
        eps: float,
    ) -> ttnn.Tensor:
        """x: [1, 1, users, K], or [1, users, heads, head width]; gamma: float32 [.., K / 32, 32] row by row; weights:
        `pages` of K by N; residual: float32, as the result. Keeps all."""
        return decode_product(x, gamma, weights, residual, program=self, eps=eps)

    def run(
        self, x: ttnn.Tensor, gamma: ttnn.Tensor, weights: ttnn.Tensor, residual: ttnn.Tensor | None, eps: float
    ) -> ttnn.Tensor:
        shape = ttnn.Shape([1, 1, self.users, self.columns.tiles * TILE])
        result = ttnn.allocate_tensor_on_device(
            shape, self.result_dtype, ttnn.TILE_LAYOUT, x.device(), self.result_memory
        )
        tensors = [x, gamma, weights, result] if residual is None else [x, gamma, weights, residual, result]
        added = result if residual is None else residual
        if not self._descriptors:
            self._descriptors.append(self._describe(x, gamma, weights, added, result))
        descriptor = self._descriptors[0]
        reader, writer, compute = descriptor.kernels
        reader.common_runtime_args = [weights.buffer_address()]
        writer.common_runtime_args = [tensor.buffer_address() for tensor in (x, gamma, added, result)]
        compute.common_runtime_args = [_bits(eps)]
        return ttnn.generic_op(tensors, descriptor)

    @cached_property
    def _descriptors(self) -> list[ttnn.ProgramDescriptor]:
        """Of the first call: later ones differ in addresses only."""
        return []

    @property
    def l1_bytes(self) -> int:
        """Of the circular buffers on every core."""
        return sum(size * count for _, _, size, count in self._buffers)

    @property
    def _code_bytes(self) -> int:
        """Of a tile of codes. Up to 16 users it ends after as many rows: half the product, half the multicast."""
        return _HALF_TILE // 2 if self.users <= TILE // 2 else _HALF_TILE

    @property
    def _gathered(self) -> int:
        """Tiles in which every part has a row."""
        return -(-self.parts.cores // TILE)

    @property
    def _results(self) -> int:
        """Tiles that a group of columns becomes."""
        return self.pages.group // self.pages.matrices

    @property
    def _buffers(self) -> list[tuple[int, ttnn.DataType, int, int]]:
        """As in buffers.h: number, format, bytes of a tile, tiles."""
        row = (ttnn.bfloat16, _HALF_TILE) if self.head_tiles else (ttnn.float32, _FLOAT_TILE)
        result = (ttnn.float32, _FLOAT_TILE) if self.result_dtype == ttnn.float32 else (ttnn.bfloat16, _HALF_TILE)
        groups = self.columns.each // self._results
        return [
            (0, *row, self.parts.each),
            (1, ttnn.float32, _FLOAT_TILE, self.parts.each),
            (2, ttnn.bfloat4_b, TILE_BYTES, groups * self.pages.group * self.pages.inner),
            (3, ttnn.float32, _FLOAT_TILE, self._results),
            (4, ttnn.float32, _FLOAT_TILE, 2),
            (5, ttnn.float32, _FLOAT_TILE, 2 * self._gathered),
            (6, ttnn.float32, _FLOAT_TILE, 2),
            (7, ttnn.float32, _FLOAT_TILE, 2),
            (8, ttnn.bfloat16, _HALF_TILE, self.parts.each),
            (9, ttnn.bfloat16, self._code_bytes, self.pages.inner),
            (16, *result, 2 * self._results),
        ]

    def _describe(
        self, x: ttnn.Tensor, gamma: ttnn.Tensor, weights: ttnn.Tensor, residual: ttnn.Tensor, result: ttnn.Tensor
    ) -> ttnn.ProgramDescriptor:
        cores = max(self.parts.cores, self.columns.cores)
        wide = min(cores, WIDE)
        last = ttnn.CoreCoord(wide - 1, -(-cores // wide) - 1)
        places = [ttnn.CoreCoord(x, y) for y in range(last.y + 1) for x in range(wide)]
        rectangle = ttnn.CoreRangeSet([ttnn.CoreRange(ttnn.CoreCoord(0, 0), last)])
        shares, first_pages = [], []
        for core, place in enumerate(places):
            first, columns = self.columns.of(core)
            shares.append((place, [core, *self.parts.of(core), first, columns, int(core == 0)]))
            group = first // self._results, columns // self._results
            first_pages.append((place, [count * self.pages.pages_of_a_group for count in group]))

        def kernel(
            source: str, arguments: list, constants: dict[str, int], layouts: list, config
        ) -> ttnn.KernelDescriptor:
            return ttnn.KernelDescriptor(
                kernel_source=str(_FOLDER / source),
                source_type=ttnn.KernelDescriptor.SourceType.FILE_PATH,
                core_ranges=rectangle,
                compile_time_args=[n for t in layouts for n in ttnn.TensorAccessorArgs(t).get_compile_time_args()],
                named_compile_time_args=list(constants.items()),
                defines=[(f"EPILOGUE_{self.epilogue.value}", "1")] + [("JOIN_HEADS", "1")] * bool(self.head_tiles),
                runtime_args=arguments,
                config=config,
                compiler_include_paths=[str(_FOLDER)],
            )

        top_left, bottom_right = (x.device().worker_core_from_logical_core(place) for place in (places[0], last))
        of_all = {"inner": self.pages.inner, "gathered": self._gathered}
        reader = {
            "page_tiles": self.pages.page_tiles,
            "pages_at_once": largest_divisor(self.pages.pages_of_a_group, _PAGES_AT_ONCE),
        }
        writer = {
            "parts": self.parts.cores,
            "cores": len(places),
            "code_bytes": self._code_bytes,
            "left": top_left.x,
            "top": top_left.y,
            "right": bottom_right.x,
            "bottom": bottom_right.y,
            "users": self.users,
            "head_tiles": self.head_tiles,
            "results_at_once": self._results,
        }
        compute = {
            "block": self.pages.block,
            "group": self.pages.group,
            "inverse_width": _bits(1 / (self.pages.inner * TILE)),
        }
        tensors = [x, gamma, residual, result]
        return ttnn.ProgramDescriptor(
            kernels=[
                kernel("decode_weights.cpp", first_pages, reader, [weights], ttnn.ReaderConfigDescriptor()),
                kernel("decode_rows.cpp", shares, of_all | writer, tensors, ttnn.WriterConfigDescriptor()),
                kernel("decode_product.cpp", shares, of_all | compute, [], _compute(self._buffers)),
            ],
            semaphores=[ttnn.SemaphoreDescriptor(id=i, core_ranges=rectangle, initial_value=0) for i in range(4)],
            cbs=[self._buffer(rectangle, *line) for line in self._buffers],
        )

    def _buffer(
        self, cores: ttnn.CoreRangeSet, number: int, dtype: ttnn.DataType, size: int, count: int
    ) -> ttnn.CBDescriptor:
        rows = TILE * self._code_bytes // _HALF_TILE if number == _ALL_CODES else TILE
        tile = ttnn.TileDescriptor(rows, TILE)
        page = ttnn.CBFormatDescriptor(buffer_index=number, data_format=dtype, page_size=size, tile=tile)
        return ttnn.CBDescriptor(total_size=size * count, core_ranges=cores, format_descriptors=[page])


def _compute(buffers: list[tuple]) -> ttnn.ComputeConfigDescriptor:
    """LoFi is exact for codes times ternary weights; float32 goes to the destination register without passing the
    matrix unit's sources, which would cut it."""
    module = ttnn._ttnn.program_descriptor
    modes = [module.UnpackToDestMode.Default] * 64
    for number, dtype, *_ in buffers:
        if dtype == ttnn.float32:
            modes[number] = module.UnpackToDestMode.UnpackToDestFp32
    config = ttnn.ComputeConfigDescriptor(
        math_fidelity=ttnn.MathFidelity.LoFi, fp32_dest_acc_en=True, dst_full_sync_en=True
    )
    config.unpack_to_dest_mode = module.VectorUnpackToDestMode(modes)
    return config


def _bits(number: float) -> int:
    return struct.unpack("<I", struct.pack("<f", number))[0]


def _golden(
    x: torch.Tensor,
    gamma: torch.Tensor,
    weights: torch.Tensor,
    residual: torch.Tensor | None = None,
    *,
    program: DecodeProduct,
    eps: float,
) -> torch.Tensor:
    rows = x.reshape(1, 1, program.users, -1)
    codes, step = golden.codes_of(rows, gamma, eps)
    sums = golden.product(codes, program.pages.unpack(weights.flatten(0, -2).to(torch.int32))) * step
    if program.epilogue is Epilogue.RESIDUAL:
        return sums + residual
    return golden.gated(sums) if program.epilogue is Epilogue.GATED else sums


@ttnn.register_python_operation(name="ttnn.bitnet.decode_product", golden_function=_golden)
def decode_product(
    x: ttnn.Tensor,
    gamma: ttnn.Tensor,
    weights: ttnn.Tensor,
    residual: ttnn.Tensor | None = None,
    *,
    program: DecodeProduct,
    eps: float,
) -> ttnn.Tensor:
    """`program` on tensors that it was described for."""
    return program.run(x, gamma, weights, residual, eps)
