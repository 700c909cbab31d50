# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""Decode's program: norm, int8 codes, ternary product and what follows it, for one tile of rows.

A core has a part of the rows to measure and quantise, and some columns of the product. The weights of those columns fit
its L1 whole, so that they stream in while the rows are on their way. See decode_product.cpp for the steps.
"""

import struct
from dataclasses import dataclass
from enum import Enum
from functools import cached_property
from pathlib import Path

import torch
import ttnn

from models.bitnet.tt.kernels import golden
from models.bitnet.tt.kernels.ternary_tiles import TILE, TILE_BYTES, TernaryPages

_FOLDER = Path(__file__).parent
_FLOAT_TILE, _HALF_TILE = 4096, 2048  # bytes: float32, bfloat16
_WIDE = 8  # cores in a row: what every supported chip has
_PAGES_AT_ONCE = 8  # reads in flight


class Epilogue(Enum):
    """What becomes of a product's sums, once they are rescaled."""

    SCALE = "SCALE"  # nothing more
    RESIDUAL = "RESIDUAL"  # the residual stream is added
    GATED = "GATED"  # relu(gate)^2 * up


@dataclass(frozen=True)
class Shares:
    """`tiles` shared out over cores, `each` on every one but perhaps the last; the cores come row by row, 8 wide."""

    tiles: int
    each: int

    @classmethod
    def over(cls, tiles: int, cores: int, multiple: int = 1) -> "Shares":
        """As evenly as `cores` allow, in multiples of `multiple`."""
        return cls(tiles, -(-tiles // multiple // cores) * multiple)

    @property
    def cores(self) -> int:
        return -(-self.tiles // self.each)

    def of(self, core: int) -> tuple[int, int]:
        """(the first tile, how many) of a core; none for those past the last."""
        first = min(core * self.each, self.tiles)
        return first, min(self.each, self.tiles - first)


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

    def _describe(self, x, gamma, weights, residual, result) -> ttnn.ProgramDescriptor:
        cores = max(self.parts.cores, self.columns.cores)
        wide, rows = min(cores, _WIDE), -(-cores // _WIDE)
        last = ttnn.CoreCoord(wide - 1, rows - 1)
        everywhere = ttnn.CoreRangeSet([ttnn.CoreRange(ttnn.CoreCoord(0, 0), last)])
        corners = [x.device().worker_core_from_logical_core(corner) for corner in (ttnn.CoreCoord(0, 0), last)]
        gathered = -(-self.parts.cores // TILE)
        half = self.users <= TILE // 2  # the codes' tiles end after 16 rows: half the product, half the multicast
        code_bytes = _HALF_TILE // 2 if half else _HALF_TILE
        results = self.pages.group // self.pages.matrices
        of_all = {"inner": self.pages.inner, "gathered": gathered}

        shares = [
            (ttnn.CoreCoord(core % wide, core // wide), core, self.parts.of(core), self.columns.of(core))
            for core in range(wide * rows)
        ]
        share = [(where, [core, *part, *columns, int(core == 0)]) for where, core, part, columns in shares]
        pages = [
            (where, [first // results * self.pages.pages_of_a_group, count // results * self.pages.pages_of_a_group])
            for where, _, _, (first, count) in shares
        ]
        page_count = self.columns.each // results * self.pages.pages_of_a_group
        at_once = max(n for n in range(1, _PAGES_AT_ONCE + 1) if self.pages.pages_of_a_group % n == 0)

        def kernel(
            source: str, arguments: list, config, constants: dict[str, int], layouts: list
        ) -> ttnn.KernelDescriptor:
            return ttnn.KernelDescriptor(
                kernel_source=str(_FOLDER / source),
                source_type=ttnn.KernelDescriptor.SourceType.FILE_PATH,
                core_ranges=everywhere,
                compile_time_args=[n for t in layouts for n in ttnn.TensorAccessorArgs(t).get_compile_time_args()],
                named_compile_time_args=list(constants.items()),
                defines=[(f"EPILOGUE_{self.epilogue.value}", "1")] + [("JOIN_HEADS", "1")] * bool(self.head_tiles),
                runtime_args=arguments,
                config=config,
                compiler_include_paths=[str(_FOLDER)],
            )

        reader = {"page_tiles": self.pages.page_tiles, "pages_at_once": at_once}
        writer = {
            **of_all,
            "parts": self.parts.cores,
            "cores": wide * rows,
            "code_bytes": code_bytes,
            "left": corners[0].x,
            "top": corners[0].y,
            "right": corners[1].x,
            "bottom": corners[1].y,
            "users": self.users,
            "head_tiles": self.head_tiles,
            "results_at_once": results,
        }
        compute = {
            **of_all,
            "block": self.pages.block,
            "group": self.pages.group,
            "inverse_width": _bits(1 / (self.pages.inner * TILE)),
        }
        row_format = (ttnn.bfloat16, _HALF_TILE) if self.head_tiles else (ttnn.float32, _FLOAT_TILE)
        code_tile = ttnn.TileDescriptor(TILE // 2 if half else TILE, TILE)
        result_bytes = _FLOAT_TILE if self.result_dtype == ttnn.float32 else _HALF_TILE
        buffers = [  # as in buffers.h: number, format, bytes of a tile, tiles
            (0, *row_format, self.parts.each),
            (1, ttnn.float32, _FLOAT_TILE, self.parts.each),
            (2, ttnn.bfloat4_b, TILE_BYTES, page_count * self.pages.page_tiles),
            (3, ttnn.float32, _FLOAT_TILE, results),
            (4, ttnn.float32, _FLOAT_TILE, 2),
            (5, ttnn.float32, _FLOAT_TILE, 2 * gathered),
            (6, ttnn.float32, _FLOAT_TILE, 2),
            (7, ttnn.float32, _FLOAT_TILE, 2),
            (8, ttnn.bfloat16, _HALF_TILE, self.parts.each),
            (9, ttnn.bfloat16, code_bytes, self.pages.inner),
            (16, self.result_dtype, result_bytes, 2 * results),
        ]

        def buffer(number: int, dtype: ttnn.DataType, size: int, count: int) -> ttnn.CBDescriptor:
            tile = {"tile": code_tile} if number == 9 else {}
            page = ttnn.CBFormatDescriptor(buffer_index=number, data_format=dtype, page_size=size, **tile)
            return ttnn.CBDescriptor(total_size=size * count, core_ranges=everywhere, format_descriptors=[page])

        return ttnn.ProgramDescriptor(
            kernels=[
                kernel("decode_weights.cpp", pages, ttnn.ReaderConfigDescriptor(), reader, [weights]),
                kernel("decode_rows.cpp", share, ttnn.WriterConfigDescriptor(), writer, [x, gamma, residual, result]),
                kernel("decode_product.cpp", share, _compute(buffers), compute, []),
            ],
            semaphores=[ttnn.SemaphoreDescriptor(id=i, core_ranges=everywhere, initial_value=0) for i in range(4)],
            cbs=[buffer(*line) for line in buffers],
        )


def _compute(buffers: list[tuple]) -> ttnn.ComputeConfigDescriptor:
    """LoFi is exact for codes times ternary weights; float32 goes to the destination register without passing the matrix
    unit's sources, which would cut it."""
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
