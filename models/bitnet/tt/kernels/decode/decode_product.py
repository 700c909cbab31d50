# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""Decode's program: norm, int8 codes, ternary product and what follows it, for one tile of rows.

A core has a part of the rows to measure and quantise, and some columns of the product. The weights of those columns fit
its L1 whole, so that they stream in while the rows are on their way. See decode_product.cpp for the steps.
"""

from dataclasses import dataclass
from functools import cached_property

import torch

import ttnn
from models.bitnet.tt.kernels.common import describe, golden
from models.bitnet.tt.kernels.common.core_assignment import CoreAssignment
from models.bitnet.tt.kernels.common.describe import TILE_SIZE, Buffer, Described, Role
from models.bitnet.tt.kernels.common.epilogue import Epilogue
from models.bitnet.tt.kernels.common.ternary_tiles import TILE, TILE_BYTES, TernaryPages, largest_divisor

WIDE = 8  # cores in a row: what every supported chip has
_PAGES_AT_ONCE = 8  # reads in flight


@dataclass(frozen=True)
class DecodeProduct(Described):
    """One product's shape and places. `result_memory` is where its `users` rows of results go."""

    users: int
    parts: CoreAssignment  # of the rows' columns
    columns: CoreAssignment  # of the results'
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
        """x: [1, 1, users, K], or [1, users, heads, head width] in L1; gamma: float32 [.., K / 32, 32] row by row;
        weights: `pages` of K by N; residual: float32, as the result. Keeps all."""
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
        descriptor = self.described(x, gamma, weights, added, result)
        reader, writer, compute = descriptor.kernels
        reader.common_runtime_args = [weights.buffer_address()]
        writer.common_runtime_args = [tensor.buffer_address() for tensor in (x, gamma, added, result)]
        compute.common_runtime_args = [describe.bits(eps)]
        return ttnn.generic_op(tensors, descriptor)

    @property
    def l1_bytes(self) -> int:
        """Of the circular buffers on every core."""
        return sum(buffer.tile_bytes * buffer.tiles for buffer in self._buffers)

    @property
    def _gathered(self) -> int:
        """Tiles in which every part has a row."""
        return -(-self.parts.cores // TILE)

    @property
    def _results(self) -> int:
        """Tiles that a group of columns becomes."""
        return self.pages.group // self.pages.matrices

    @cached_property
    def _buffers(self) -> list[Buffer]:
        bf16, fp32 = ttnn.bfloat16, ttnn.float32
        # the codes' tiles end after 8 or 16 rows where these hold all users: as much less to multicast and to multiply
        high = next(rows for rows in (8, 16, TILE) if self.users <= rows)
        codes = TILE_SIZE[bf16] * high // TILE, self.pages.inner, ttnn.TileDescriptor(high, TILE)
        groups = self.columns.per_core // self._results
        return [
            Buffer.of(Role.ROWS, bf16 if self.head_tiles else fp32, self.parts.per_core),
            Buffer.of(Role.GAMMA, fp32, self.parts.per_core),
            Buffer(Role.WEIGHTS, ttnn.bfloat4_b, TILE_BYTES, groups * self.pages.group * self.pages.inner),
            Buffer.of(Role.RESIDUAL, fp32, self._results),
            Buffer.of(Role.PARTIALS, fp32, 2),
            Buffer.of(Role.GATHERED, fp32, 2 * self._gathered),
            Buffer.of(Role.FACTORS, fp32, 2),
            Buffer.of(Role.SCALES, fp32, 2),
            Buffer.of(Role.CODES, bf16, self.parts.per_core),
            Buffer(Role.ALL_CODES, bf16, *codes),
            Buffer.of(Role.RESULT, self.result_dtype, 2 * self._results),
        ]

    def _describe(
        self, x: ttnn.Tensor, gamma: ttnn.Tensor, weights: ttnn.Tensor, residual: ttnn.Tensor, result: ttnn.Tensor
    ) -> ttnn.ProgramDescriptor:
        cores = max(self.parts.cores, self.columns.cores)
        wide = min(cores, WIDE)
        rectangle = describe.rectangle(0, 0, wide, -(-cores // wide))
        places = [ttnn.CoreCoord(x, y) for y in range(rectangle.end.y + 1) for x in range(wide)]
        everywhere = ttnn.CoreRangeSet([rectangle])
        shares, first_pages = [], []
        for core, place in enumerate(places):
            first, columns = self.columns.of(core)
            shares.append((place, [core, *self.parts.of(core), first, columns, int(core == 0)]))
            groups = first // self._results, columns // self._results
            first_pages.append((place, [count * self.pages.pages_of_a_group for count in groups]))

        corners = [x.device().worker_core_from_logical_core(corner) for corner in (rectangle.start, rectangle.end)]
        of_all = {"inner": self.pages.inner, "gathered": self._gathered}
        reader = {
            "page_tiles": self.pages.page_tiles,
            "pages_at_once": largest_divisor(self.pages.pages_of_a_group, _PAGES_AT_ONCE),
        }
        writer = {
            **of_all,
            "parts": self.parts.cores,
            "cores": len(places),
            "code_bytes": next(buffer.tile_bytes for buffer in self._buffers if buffer.number == Role.ALL_CODES),
            "left": corners[0].x,
            "top": corners[0].y,
            "right": corners[1].x,
            "bottom": corners[1].y,
            "users": self.users,
            "head_tiles": self.head_tiles,
            "results_at_once": self._results,
        }
        compute = {
            **of_all,
            "block": self.pages.block,
            "group": self.pages.group,
            "inverse_width": describe.bits(1 / (self.pages.inner * TILE)),
        }
        kernels = [
            ("decode/decode_weights.cpp", first_pages, ttnn.ReaderConfigDescriptor(), reader, [weights]),
            ("decode/decode_rows.cpp", shares, ttnn.WriterConfigDescriptor(), writer, [x, gamma, residual, result]),
            ("decode/decode_product.cpp", shares, describe.compute_config(self._buffers), compute, []),
        ]
        defines = [f"EPILOGUE_{self.epilogue.value}"] + ["JOIN_HEADS"] * bool(self.head_tiles)
        return ttnn.ProgramDescriptor(
            kernels=[describe.kernel(source, everywhere, *rest, defines) for source, *rest in kernels],
            semaphores=describe.semaphores(4, everywhere),
            cbs=[buffer.on(everywhere) for buffer in self._buffers],
        )


def _golden(
    x: torch.Tensor,
    gamma: torch.Tensor,
    weights: torch.Tensor,
    residual: torch.Tensor | None = None,
    *,
    program: DecodeProduct,
    eps: float,
) -> torch.Tensor:
    codes, step = golden.codes_of(x.reshape(1, 1, program.users, -1), gamma, eps)
    return golden.results(codes, step, program.pages.unpack(golden.words(weights)), residual, program.epilogue)


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
