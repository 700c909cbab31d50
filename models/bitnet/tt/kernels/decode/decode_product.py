# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""The fused program of a decode projection: norm, int8 codes, ternary product and epilogue for one tile of users.

All cores of the program form a team. A core measures and quantises its part: some tile columns of the users' rows. Then
it computes some tile columns of the results. The ternary weights of these columns fit its L1 whole, so that they stream
in while the users' rows are still being quantised. See decode_product.cpp for the steps.
"""

from dataclasses import dataclass
from enum import IntEnum
from functools import cached_property
from typing import NamedTuple

import torch

import ttnn
from models.bitnet.tt.kernels.common import describe, golden, int8_codes
from models.bitnet.tt.kernels.common.core_assignment import CoreAssignment
from models.bitnet.tt.kernels.common.describe import Buffer, Described, Role
from models.bitnet.tt.kernels.common.epilogue import Epilogue
from models.bitnet.tt.kernels.common.ternary_tiles import TILE_BYTES, TernaryPages
from models.bitnet.tt.layout import TILE, WIDE, largest_divisor

_PAGES_AT_ONCE = 8  # reads in flight


class CoreArguments(NamedTuple):
    """What every core is told; see core_arguments.h."""

    core: int
    part_first: int
    part_tiles: int
    first_column: int
    columns: int
    leads: int


class PageArguments(NamedTuple):
    """The weight pages that a core reads."""

    first_page: int
    pages: int


class WeightsAddresses(NamedTuple):
    weights_at: int


class RowsAddresses(NamedTuple):
    rows_at: int
    gamma_at: int
    residual_at: int
    result_at: int


class ComputeArguments(NamedTuple):
    eps_bits: int


class Semaphores(IntEnum):
    """See decode_rows.cpp."""

    MEASURED = 0
    QUANTISED = 1
    SCALES_SENT = 2
    CODES_SENT = 3


@dataclass(frozen=True)
class DecodeProduct(Described):
    """One projection's program. Its results are `users` rows in `result_memory`."""

    users: int
    parts: CoreAssignment  # tile columns of the users' rows that a core measures and quantises
    columns: CoreAssignment  # tile columns of the results that a core computes
    pages: TernaryPages
    epilogue: Epilogue
    result_dtype: ttnn.DataType
    result_memory: ttnn.MemoryConfig
    # Tile columns of a head, where users' rows arrive as attention leaves them, by user and head. 0: whole rows arrive.
    head_tiles: int = 0

    def __call__(
        self,
        x: ttnn.Tensor,
        gamma: ttnn.Tensor,
        weights: ttnn.Tensor,
        residual: ttnn.Tensor | None = None,
        *,
        eps: float,
    ) -> ttnn.Tensor:
        """[1, 1, users, K] -> [1, 1, users, N]. With `head_tiles`, x is [1, users, heads, head width] in L1. Keeps all.

        gamma: float32 [.., K / 32, 32], row-major; weights: `pages` of a K by N matrix; residual: float32,
        as the result.
        """
        return decode_product(x, gamma, weights, residual, program=self, eps=eps)

    def run(
        self, x: ttnn.Tensor, gamma: ttnn.Tensor, weights: ttnn.Tensor, residual: ttnn.Tensor | None, eps: float
    ) -> ttnn.Tensor:
        shape = ttnn.Shape([1, 1, self.users, self.columns.tiles * TILE])
        result = ttnn.allocate_tensor_on_device(
            shape, self.result_dtype, ttnn.TILE_LAYOUT, x.device(), self.result_memory
        )
        tensors = [x, gamma, weights, result] if residual is None else [x, gamma, weights, residual, result]
        added = result if residual is None else residual  # a program without a residual never reads its address
        descriptor = self.described(x, gamma, weights, added, result)
        reader, writer, compute = descriptor.kernels
        reader.common_runtime_args = WeightsAddresses(weights_at=weights.buffer_address())
        writer.common_runtime_args = RowsAddresses(
            rows_at=x.buffer_address(),
            gamma_at=gamma.buffer_address(),
            residual_at=added.buffer_address(),
            result_at=result.buffer_address(),
        )
        compute.common_runtime_args = ComputeArguments(eps_bits=describe.bits(eps))
        return ttnn.generic_op(tensors, descriptor)

    @property
    def l1_bytes(self) -> int:
        """Bytes of the circular buffers on every core."""
        return sum(buffer.bytes for buffer in self._buffers.values())

    @property
    def _gathered(self) -> int:
        """Tiles that have a row for every part."""
        return -(-self.parts.cores // TILE)

    @property
    def _results(self) -> int:
        """Result tiles that a group of tile columns becomes."""
        return self.pages.group // self.pages.matrices

    @property
    def _code_rows(self) -> int:
        """Rows of a tile of codes: 8 or 16 where these hold all users, which is less to multicast and to multiply."""
        return next(rows for rows in (8, 16, TILE) if self.users <= rows)

    @cached_property
    def _buffers(self) -> dict[Role, Buffer]:
        bf16, fp32 = ttnn.bfloat16, ttnn.float32
        code_tile = ttnn.TileDescriptor(self._code_rows, TILE)
        code_bytes = describe.tile_bytes(bf16) * self._code_rows // TILE
        groups = self.columns.per_core // self._results
        return {
            Role.ROWS: Buffer.of(bf16 if self.head_tiles else fp32, self.parts.per_core),
            Role.GAMMA: Buffer.of(fp32, self.parts.per_core),
            Role.WEIGHTS: Buffer(ttnn.bfloat4_b, TILE_BYTES, groups * self.pages.group * self.pages.inner),
            Role.RESIDUAL: Buffer.of(fp32, self._results),
            Role.PARTIALS: Buffer.of(fp32, 2),
            Role.GATHERED: Buffer.of(fp32, 2 * self._gathered),
            Role.FACTORS: Buffer.of(fp32, 2),
            Role.SCALES: Buffer.of(fp32, 2),
            Role.CODES: Buffer.of(bf16, self.parts.per_core),
            Role.ALL_CODES: Buffer(bf16, code_bytes, self.pages.inner, code_tile),
            Role.RESULT: Buffer.of(self.result_dtype, 2 * self._results),
        }

    def _describe(
        self, x: ttnn.Tensor, gamma: ttnn.Tensor, weights: ttnn.Tensor, residual: ttnn.Tensor, result: ttnn.Tensor
    ) -> ttnn.ProgramDescriptor:
        needed = max(self.parts.cores, self.columns.cores)
        wide = min(needed, WIDE)
        team = describe.rectangle(0, 0, wide, -(-needed // wide))
        team_cores = ttnn.CoreRangeSet([team])
        cores = ttnn.corerange_to_cores(team_cores, None, row_wise=True)
        core_arguments, page_arguments = [], []
        for number, core in enumerate(cores):
            part_first, part_tiles = self.parts.of(number)
            first, columns = self.columns.of(number)
            arguments = CoreArguments(
                core=number,
                part_first=part_first,
                part_tiles=part_tiles,
                first_column=first,
                columns=columns,
                leads=int(number == 0),
            )
            core_arguments.append((core, arguments))
            first_group, groups = first // self._results, columns // self._results
            each = self.pages.pages_of_a_group
            page_arguments.append((core, PageArguments(first_page=first_group * each, pages=groups * each)))

        corners = [x.device().worker_core_from_logical_core(corner) for corner in (team.start, team.end)]
        numbers = describe.role_numbers(self._buffers)
        reader = {
            **numbers,
            "page_tiles": self.pages.page_tiles,
            "page_bytes": self.pages.page_bytes,
            "pages_at_once": largest_divisor(self.pages.pages_of_a_group, _PAGES_AT_ONCE),
        }
        writer = {
            **numbers,
            "inner": self.pages.inner,
            "gathered": self._gathered,
            "parts": self.parts.cores,
            "cores": len(cores),
            "code_rows": self._code_rows,
            "left": corners[0].x,
            "top": corners[0].y,
            "right": corners[1].x,
            "bottom": corners[1].y,
            "users": self.users,
            "head_tiles": self.head_tiles,
            "results_at_once": self._results,
        }
        compute = {
            **numbers,
            "inner": self.pages.inner,
            "gathered": self._gathered,
            "block": self.pages.block,
            "group": self.pages.group,
            **int8_codes.constants(self.pages.inner),
        }
        rows = [x, gamma, residual, result]
        kernels = [
            ("decode/decode_weights.cpp", page_arguments, ttnn.ReaderConfigDescriptor(), reader, [weights]),
            ("decode/decode_rows.cpp", core_arguments, ttnn.WriterConfigDescriptor(), writer, rows),
            ("decode/decode_product.cpp", core_arguments, describe.compute_config(self._buffers.values()), compute, []),
        ]
        defines = [f"EPILOGUE_{self.epilogue.value}"] + ["JOIN_HEADS"] * bool(self.head_tiles)
        return ttnn.ProgramDescriptor(
            kernels=[describe.kernel(source, team_cores, *rest, defines) for source, *rest in kernels],
            semaphores=describe.semaphores(Semaphores, team_cores),
            cbs=describe.circular_buffers(self._buffers.values(), team_cores),
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
    return golden.results(codes, step, golden.unpacked(weights, program.pages), residual, program.epilogue)


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
    """Runs `program`. See `DecodeProduct.__call__`."""
    return program.run(x, gamma, weights, residual, eps)
