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

from models.bitnet.tt.kernels import describe, golden
from models.bitnet.tt.kernels.describe import TILE_SIZE, Buffer, Epilogue, Shares
from models.bitnet.tt.kernels.ternary_tiles import TILE, TILE_BYTES, TernaryPages

_WIDE = 8  # cores in a row: what every supported chip has
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
        compute.common_runtime_args = [describe.bits(eps)]
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
        code_bytes = TILE_SIZE[ttnn.bfloat16] // (2 if half else 1)
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
            "inverse_width": describe.bits(1 / (self.pages.inner * TILE)),
        }
        code_tile = ttnn.TileDescriptor(TILE // 2 if half else TILE, TILE)
        buffers = [
            Buffer.of(0, x.dtype, self.parts.each),
            Buffer.of(1, ttnn.float32, self.parts.each),
            Buffer(2, ttnn.bfloat4_b, TILE_BYTES, page_count * self.pages.page_tiles),
            Buffer.of(3, ttnn.float32, results),
            Buffer.of(4, ttnn.float32, 2),
            Buffer.of(5, ttnn.float32, 2 * gathered),
            Buffer.of(6, ttnn.float32, 2),
            Buffer.of(7, ttnn.float32, 2),
            Buffer.of(8, ttnn.bfloat16, self.parts.each),
            Buffer(9, ttnn.bfloat16, code_bytes, self.pages.inner, code_tile),
            Buffer.of(16, self.result_dtype, 2 * results),
        ]
        defines = [f"EPILOGUE_{self.epilogue.value}"] + ["JOIN_HEADS"] * bool(self.head_tiles)
        kernels = [
            ("decode_weights.cpp", pages, ttnn.ReaderConfigDescriptor(), reader, [weights]),
            ("decode_rows.cpp", share, ttnn.WriterConfigDescriptor(), writer, [x, gamma, residual, result]),
            ("decode_product.cpp", share, describe.compute_config(buffers), compute, []),
        ]
        return ttnn.ProgramDescriptor(
            kernels=[describe.kernel(source, everywhere, *rest, defines) for source, *rest in kernels],
            semaphores=describe.semaphores(4, everywhere),
            cbs=[buffer.on(everywhere) for buffer in buffers],
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
