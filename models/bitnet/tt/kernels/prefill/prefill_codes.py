# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""Prefill's first program: norm and int8 codes of many rows, which several products may then share.

Cores work in teams, each on its own rows of tiles: a core has a part of K, and the team exchanges what its cores
measured in a row of tiles before it makes the codes. See prefill_codes_exchange.cpp for the steps.
"""

from dataclasses import dataclass

import torch

import ttnn
from models.bitnet.tt.kernels.common import describe, golden
from models.bitnet.tt.kernels.common.core_assignment import CoreAssignment
from models.bitnet.tt.kernels.common.describe import Buffer, Described, Role
from models.bitnet.tt.kernels.common.ternary_tiles import TILE

_LARGEST_PART = 64  # tiles of K that a core holds: twice as float32 rows, with their gamma, 1 MB
_EXCHANGE = 4  # what the exchange costs, in tiles that a core could quantise meanwhile


@dataclass(frozen=True)
class Teams:
    """Rectangles of cores that share rows of tiles out, `across` of them side by side."""

    wide: int
    high: int
    across: int
    parts: CoreAssignment  # of K, over the cores of a team
    rows: CoreAssignment  # over teams

    @classmethod
    def on(cls, grid: tuple[int, int], row_tiles: int, inner: int) -> "Teams":
        """Those that finish first."""
        sizes = [(wide, high) for wide in range(1, grid[0] + 1) for high in range(1, grid[1] + 1)]
        every = [
            cls(
                wide,
                high,
                grid[0] // wide,
                CoreAssignment.over(inner, wide * high),
                CoreAssignment.over(row_tiles, (grid[0] // wide) * (grid[1] // high)),
            )
            for wide, high in sizes
        ]
        possible = [teams for teams in every if teams.parts.per_core <= _LARGEST_PART]
        return min(possible, key=lambda teams: (teams.rows.per_core * (teams.parts.per_core + _EXCHANGE), teams.cores))

    @property
    def cores(self) -> int:
        """Of one team."""
        return self.wide * self.high

    def corner(self, team: int) -> tuple[int, int]:
        return team % self.across * self.wide, team // self.across * self.high

    @property
    def rectangles(self) -> list[ttnn.CoreRange]:
        return [describe.rectangle(*self.corner(team), self.wide, self.high) for team in range(self.rows.cores)]


@dataclass(frozen=True)
class PrefillCodes(Described):
    """The codes of `row_tiles` rows of `inner` tiles, on the cores of `grid` (columns, rows)."""

    row_tiles: int
    inner: int
    grid: tuple[int, int]

    def __call__(self, x: ttnn.Tensor, gamma: ttnn.Tensor, *, eps: float) -> tuple[ttnn.Tensor, ttnn.Tensor]:
        """x: [1, 1, rows, K] in tiles, float32 or bfloat16; gamma: float32 [.., K / 32, 32] row by row. -> (codes in
        bfloat16, what one code is worth: float32 [1, 1, rows, 32], of which the first column counts). Keeps both."""
        return prefill_codes(x, gamma, program=self, eps=eps)

    def run(self, x: ttnn.Tensor, gamma: ttnn.Tensor, eps: float) -> tuple[ttnn.Tensor, ttnn.Tensor]:
        def result(width: int, dtype: ttnn.DataType) -> ttnn.Tensor:
            shape = ttnn.Shape([1, 1, self.row_tiles * TILE, width])
            return ttnn.allocate_tensor_on_device(shape, dtype, ttnn.TILE_LAYOUT, x.device(), ttnn.DRAM_MEMORY_CONFIG)

        codes, steps = result(self.inner * TILE, ttnn.bfloat16), result(TILE, ttnn.float32)
        descriptor = self.described(x, gamma, codes, steps)
        reader, writer, compute = descriptor.kernels
        reader.common_runtime_args = [x.buffer_address(), gamma.buffer_address()]
        writer.common_runtime_args = [codes.buffer_address(), steps.buffer_address()]
        compute.common_runtime_args = [describe.bits(eps)]
        ttnn.generic_op([x, gamma, codes, steps], descriptor)
        return codes, steps

    def _describe(
        self, x: ttnn.Tensor, gamma: ttnn.Tensor, codes: ttnn.Tensor, steps: ttnn.Tensor
    ) -> ttnn.ProgramDescriptor:
        teams = Teams.on(self.grid, self.row_tiles, self.inner)
        part, gathered = teams.parts.per_core, -(-teams.parts.cores // TILE)
        cores = ttnn.CoreRangeSet(teams.rectangles)
        buffers = [
            Buffer.of(Role.ROWS, x.dtype, 2 * part),
            Buffer.of(Role.GAMMA, ttnn.float32, part),
            Buffer.of(Role.PARTIALS, ttnn.float32, 2),
            Buffer.of(Role.GATHERED, ttnn.float32, 2 * gathered),
            Buffer.of(Role.FACTORS, ttnn.float32, 2),
            Buffer.of(Role.SCALES, ttnn.float32, 2),
            Buffer.of(Role.CODES, ttnn.bfloat16, part),
        ]
        share = [line for team in range(teams.rows.cores) for line in _share(teams, team, x.device())]
        of_all = {"inner": self.inner, "gathered": gathered}
        writer = {**of_all, "cores": teams.cores, "parts": teams.parts.cores}
        compute = {**of_all, "inverse_width": describe.bits(1 / (self.inner * TILE))}
        kernels = [
            ("prefill/prefill_codes_rows.cpp", ttnn.ReaderConfigDescriptor(), of_all, [x, gamma]),
            ("prefill/prefill_codes_exchange.cpp", ttnn.WriterConfigDescriptor(), writer, [codes, steps]),
            ("prefill/prefill_codes.cpp", describe.compute_config(buffers), compute, []),
        ]
        return ttnn.ProgramDescriptor(
            kernels=[describe.kernel(source, cores, share, *rest) for source, *rest in kernels],
            semaphores=describe.semaphores(2, cores),
            cbs=[buffer.on(cores) for buffer in buffers],
        )


def _share(teams: Teams, team: int, device: ttnn.MeshDevice) -> list[tuple[ttnn.CoreCoord, list[int]]]:
    """What the cores of a team are told, as core_assignment.h has it."""
    place = teams.rectangles[team]
    corners = [device.worker_core_from_logical_core(corner) for corner in (place.start, place.end)]
    places = [number for corner in corners for number in (corner.x, corner.y)]
    return [
        (
            ttnn.CoreCoord(place.start.x + number % teams.wide, place.start.y + number // teams.wide),
            [number, *teams.parts.of(number), *teams.rows.of(team), *places],
        )
        for number in range(teams.cores)
    ]


def _golden(x: torch.Tensor, gamma: torch.Tensor, *, program: PrefillCodes, eps: float) -> tuple[torch.Tensor, ...]:
    codes, step = golden.codes_of(x, gamma, eps)
    return codes, step.expand(*step.shape[:-1], TILE)


@ttnn.register_python_operation(name="ttnn.bitnet.prefill_codes", golden_function=_golden)
def prefill_codes(
    x: ttnn.Tensor, gamma: ttnn.Tensor, *, program: PrefillCodes, eps: float
) -> tuple[ttnn.Tensor, ttnn.Tensor]:
    """`program` on tensors that it was described for."""
    return program.run(x, gamma, eps)
