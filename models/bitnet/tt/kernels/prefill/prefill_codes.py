# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""Prefill's first fused program: norm (or none) and int8 codes of many tokens. Several products may then use the same
codes.

Cores work in teams, and each team works on its own token tiles. A token tile is a row of tiles: 32 tokens. A core
measures and quantises its part: some tile columns of the team's token tiles. The team exchanges the measurements of a
token tile before it makes the codes. See prefill_codes_exchange.cpp for the steps.
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
from models.bitnet.tt.layout import TILE

_LARGEST_PART = 64  # tile columns: two token tiles of them in float32, with their gamma, are 1 MB
_EXCHANGE = 4  # what an exchange costs, in tiles that a core could quantise meanwhile


class CodesArguments(NamedTuple):
    """What every core is told; see codes_arguments.h."""

    core: int
    part_first: int
    part_tiles: int
    first_token_tile: int
    token_tiles: int
    left: int
    top: int
    right: int
    bottom: int


class RowsAddresses(NamedTuple):
    rows_at: int
    gamma_at: int


class ExchangeAddresses(NamedTuple):
    codes_at: int
    steps_at: int


class CodesComputeArguments(NamedTuple):
    constant_bits: int


class CodesSemaphores(IntEnum):
    """See prefill_codes_exchange.cpp."""

    MEASURED = 0
    SCALES_SENT = 1


@dataclass(frozen=True)
class Teams:
    """Teams of `wide` by `high` cores, `across` of them side by side."""

    wide: int
    high: int
    across: int
    parts: CoreAssignment  # tile columns over the cores of a team
    token_tiles: CoreAssignment  # token tiles over the teams

    @classmethod
    def on(cls, grid: tuple[int, int], token_tiles: int, inner: int) -> "Teams":
        """The teams that finish first."""
        sizes = [(wide, high) for wide in range(1, grid[0] + 1) for high in range(1, grid[1] + 1)]
        every = [
            cls(
                wide,
                high,
                grid[0] // wide,
                CoreAssignment.over(inner, wide * high),
                CoreAssignment.over(token_tiles, (grid[0] // wide) * (grid[1] // high)),
            )
            for wide, high in sizes
        ]
        possible = [teams for teams in every if teams.parts.per_core <= _LARGEST_PART]
        return min(possible, key=lambda teams: (teams.time, teams.cores))

    @property
    def time(self) -> int:
        """How long the busiest team works, in tiles that a core quantises."""
        return self.token_tiles.per_core * (self.parts.per_core + _EXCHANGE)

    @property
    def cores(self) -> int:
        """Cores of one team."""
        return self.wide * self.high

    def corner(self, team: int) -> tuple[int, int]:
        """The top left core of a team, its leader."""
        return team % self.across * self.wide, team // self.across * self.high

    @property
    def rectangles(self) -> list[ttnn.CoreRange]:
        return [describe.rectangle(*self.corner(team), self.wide, self.high) for team in range(self.token_tiles.cores)]


@dataclass(frozen=True)
class PrefillCodes(Described):
    """Quantises `token_tiles` token tiles of `inner` tile columns, on the cores of `grid` (columns, rows).

    The results lie in `memory`: interleaved in DRAM or in the L1 of all cores. `codes` is the dtype that holds the
    codes: bfloat16 or bfloat8_b. Both hold them exactly.
    """

    token_tiles: int
    inner: int
    grid: tuple[int, int]
    memory: ttnn.MemoryConfig
    normed: bool = True  # whether a norm comes first
    codes: ttnn.DataType = ttnn.bfloat16

    def __call__(
        self, x: ttnn.Tensor, gamma: ttnn.Tensor | None, *, constant: float
    ) -> tuple[ttnn.Tensor, ttnn.Tensor]:
        """[1, 1, tokens, K] -> (codes [1, 1, tokens, K], steps in float32 [1, 1, tokens, 32]). Keeps both.

        x: float32 or bfloat16, in tiles; gamma: float32 [.., K / 32, 32], row-major, or None if there is no norm. The
        constant is the norm's eps, or a factor of the steps if there is no norm. A step is what one code of a row is
        worth; it lies in the first column.
        """
        return prefill_codes(x, gamma, program=self, constant=constant)

    def run(self, x: ttnn.Tensor, gamma: ttnn.Tensor | None, constant: float) -> tuple[ttnn.Tensor, ttnn.Tensor]:
        def result(width: int, dtype: ttnn.DataType) -> ttnn.Tensor:
            shape = ttnn.Shape([1, 1, self.token_tiles * TILE, width])
            return ttnn.allocate_tensor_on_device(shape, dtype, ttnn.TILE_LAYOUT, x.device(), self.memory)

        codes, steps = result(self.inner * TILE, self.codes), result(TILE, ttnn.float32)
        weights = x if gamma is None else gamma  # a program without a norm never reads them
        descriptor = self.described(x, weights, codes, steps)
        reader, writer, compute = descriptor.kernels
        reader.common_runtime_args = RowsAddresses(rows_at=x.buffer_address(), gamma_at=weights.buffer_address())
        writer.common_runtime_args = ExchangeAddresses(codes_at=codes.buffer_address(), steps_at=steps.buffer_address())
        compute.common_runtime_args = CodesComputeArguments(constant_bits=describe.bits(constant))
        ttnn.generic_op([x, codes, steps] if gamma is None else [x, gamma, codes, steps], descriptor)
        return codes, steps

    @property
    def l1_bytes(self) -> int:
        """The most bytes of the circular buffers on every core: those for rows in float32."""
        return sum(buffer.bytes for buffer in self._buffers(ttnn.float32).values())

    @property
    def result_bytes(self) -> int:
        """Bytes of the codes and steps."""
        return self._result_bytes(cores=1)

    @property
    def result_l1_bytes(self) -> int:
        """Bytes of the codes and steps on the fullest core, if `grid` is the whole chip. 0 if they lie in DRAM."""
        in_l1 = self.memory.buffer_type == ttnn.BufferType.L1
        return self._result_bytes(cores=self.grid[0] * self.grid[1]) if in_l1 else 0

    def _result_bytes(self, cores: int) -> int:
        """Bytes of the codes and steps on one of `cores` cores that hold them together."""
        codes, steps = self.token_tiles * self.inner, self.token_tiles
        return sum(
            -(-tiles // cores) * describe.tile_bytes(dtype)
            for tiles, dtype in ((codes, self.codes), (steps, ttnn.float32))
        )

    @cached_property
    def _teams(self) -> Teams:
        return Teams.on(self.grid, self.token_tiles, self.inner)

    @property
    def _gathered(self) -> int:
        """Tiles that have a row for every part."""
        return -(-self._teams.parts.cores // TILE)

    def _buffers(self, rows: ttnn.DataType) -> dict[Role, Buffer]:
        part = self._teams.parts.per_core
        return {
            Role.ROWS: Buffer.of(rows, 2 * part),
            **({Role.GAMMA: Buffer.of(ttnn.float32, part)} if self.normed else {}),
            Role.PARTIALS: Buffer.of(ttnn.float32, 2),
            Role.GATHERED: Buffer.of(ttnn.float32, 2 * self._gathered),
            Role.FACTORS: Buffer.of(ttnn.float32, 2),
            Role.SCALES: Buffer.of(ttnn.float32, 2),
            Role.CODES: Buffer.of(self.codes, part),
        }

    def _describe(
        self, x: ttnn.Tensor, gamma: ttnn.Tensor, codes: ttnn.Tensor, steps: ttnn.Tensor
    ) -> ttnn.ProgramDescriptor:
        teams, gathered, buffers = self._teams, self._gathered, self._buffers(x.dtype)
        cores = ttnn.CoreRangeSet(teams.rectangles)
        of_teams = range(teams.token_tiles.cores)
        arguments = [core for team in of_teams for core in _core_arguments(teams, team, x.device())]
        numbers = describe.role_numbers(buffers)
        # A part may have fewer tiles than its share of the buffers. All rounds take the whole share, so that none ends
        # behind the end of a buffer.
        shared = {**numbers, "part": teams.parts.per_core, "normed": int(self.normed)}
        rows = {**shared, "inner": self.inner}
        exchange = {
            **shared,
            "inner": self.inner,
            "gathered": gathered,
            "cores": teams.cores,
            "parts": teams.parts.cores,
        }
        compute = {
            **shared,
            "gathered": gathered,
            "inverse_width": int8_codes.inverse_width(self.inner),
            **int8_codes.CONSTANTS,
        }
        kernels = [
            ("prefill/prefill_codes_rows.cpp", ttnn.ReaderConfigDescriptor(), rows, [x, gamma]),
            ("prefill/prefill_codes_exchange.cpp", ttnn.WriterConfigDescriptor(), exchange, [codes, steps]),
            ("prefill/prefill_codes.cpp", describe.compute_config(buffers.values()), compute, []),
        ]
        return ttnn.ProgramDescriptor(
            kernels=[describe.kernel(source, cores, arguments, *rest) for source, *rest in kernels],
            semaphores=describe.semaphores(CodesSemaphores, cores),
            cbs=describe.circular_buffers(buffers.values(), cores),
        )


def _core_arguments(teams: Teams, team: int, device: ttnn.MeshDevice) -> list[tuple[ttnn.CoreCoord, CodesArguments]]:
    """The cores of a team and what each is told."""
    rectangle = teams.rectangles[team]
    start, end = (device.worker_core_from_logical_core(corner) for corner in (rectangle.start, rectangle.end))
    first_token_tile, token_tiles = teams.token_tiles.of(team)
    arguments = []
    for number in range(teams.cores):
        core = ttnn.CoreCoord(rectangle.start.x + number % teams.wide, rectangle.start.y + number // teams.wide)
        part_first, part_tiles = teams.parts.of(number)
        told = CodesArguments(
            core=number,
            part_first=part_first,
            part_tiles=part_tiles,
            first_token_tile=first_token_tile,
            token_tiles=token_tiles,
            left=start.x,
            top=start.y,
            right=end.x,
            bottom=end.y,
        )
        arguments.append((core, told))
    return arguments


def _golden(
    x: torch.Tensor, gamma: torch.Tensor | None, *, program: PrefillCodes, constant: float
) -> tuple[torch.Tensor, ...]:
    codes, step = golden.codes_of(x, gamma, constant)
    unspecified = torch.full((*step.shape[:-1], TILE - 1), torch.nan)  # only the first column has a step
    return codes, torch.cat([step, unspecified], dim=-1)


@ttnn.register_python_operation(name="ttnn.bitnet.prefill_codes", golden_function=_golden)
def prefill_codes(
    x: ttnn.Tensor, gamma: ttnn.Tensor | None, *, program: PrefillCodes, constant: float
) -> tuple[ttnn.Tensor, ttnn.Tensor]:
    """Runs `program`. See `PrefillCodes.__call__`."""
    return program.run(x, gamma, constant)
