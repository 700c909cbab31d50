# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""The fused program of decode's projections: norm (or none), int8 codes, ternary product and epilogue for one tile of
users.

A program has one stage or several. A stage is a projection, and its results are the rows of the next stage. All cores
of the program form a team. A core measures and quantises its part: some tile columns of the users' rows. Then it
computes some tile columns of the results, which are its part in the next stage. So results stay in its L1 between the
stages. The ternary weights of its columns in all stages fit its L1 whole, so that they stream in while users' rows are
quantised, and while the stages before are computed. Of a model too wide for that, L1 holds the weights that come next,
as many as fit. See decode_product.cpp for the steps.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from functools import cached_property
from typing import NamedTuple

import torch

import ttnn
from models.bitnet.tt.kernels.common import describe, golden, int8_codes
from models.bitnet.tt.kernels.common.describe import Buffer, Described, Role
from models.bitnet.tt.kernels.common.ternary_tiles import TILE_BYTES
from models.bitnet.tt.kernels.decode.stages import Stage, StageArguments
from models.bitnet.tt.layout import TILE, WIDE, largest_divisor

_PAGES_AT_ONCE = 8  # reads in flight


class CoreArguments(NamedTuple):
    """What every core is told; see stages.h."""

    core: int
    leads: int
    stage_arguments: tuple[int, ...]


class WeightsAddresses(NamedTuple):
    weights_at: tuple[int, ...]


class RowsAddresses(NamedTuple):
    rows_at: int
    residual_at: int
    leaving_at: int
    result_at: int
    gamma_at: tuple[int, ...]


class ComputeArguments(NamedTuple):
    constant_bits: tuple[int, ...]


class Semaphores(IntEnum):
    """See decode_rows.cpp."""

    MEASURED = 0
    QUANTISED = 1
    SCALES_SENT = 2
    CODES_SENT = 3


@dataclass(frozen=True)
class DecodeProduct(Described):
    """The program of some stages. The results of the last one are `users` rows in `result_memory`."""

    users: int
    stages: tuple[Stage, ...]
    result_dtype: ttnn.DataType
    result_memory: ttnn.MemoryConfig
    # Tile columns of a head, where users' rows arrive as attention leaves them, by user and head. 0: whole rows arrive.
    head_tiles: int = 0
    # The bytes of a core's L1 that the program may take. It takes more if its smallest buffers do not fit.
    l1_limit: int = 1 << 20

    def __post_init__(self) -> None:
        for before, stage in zip(self.stages, self.stages[1:]):
            if before.columns != stage.parts:
                raise ValueError(f"a stage leaves {before.columns} to the next one, which takes {stage.parts}")
        for stage in self.stages:
            if stage.adds_rows_of is not None and self.stages[stage.adds_rows_of].parts != stage.columns:
                added = self.stages[stage.adds_rows_of].parts
                raise ValueError(f"the rows that a stage adds lie as {added}, its results as {stage.columns}")
        if sum(stage.adds_tensor for stage in self.stages) > 1:
            raise ValueError("two stages add a tensor that enters the program, there may be one")
        if sum(stage.leaves_in is not None for stage in self.stages) > (self.stages[-1].leaves_in is None):
            raise ValueError("results leave the program behind its last stage and one before it")

    def __call__(
        self,
        x: ttnn.Tensor,
        gammas: Sequence[ttnn.Tensor],
        weights: Sequence[ttnn.Tensor],
        residual: ttnn.Tensor | None = None,
        *,
        constants: Sequence[float],
    ) -> list[ttnn.Tensor]:
        """[1, 1, users, K] -> [1, 1, users, N] of every stage whose results leave the program, the last one's last.

        Keeps all. With `head_tiles`, x is [1, users, heads, head width] in L1. weights and constants are those of each
        stage, gammas those of each stage with a norm. The constant is the norm's eps, or a factor of the product if
        there is no norm. A gamma is float32 [.., K / 32, 32], row-major; weights are `pages` of a K by N matrix;
        residual: float32, as the results of the stage that adds it.
        """
        return decode_product(x, list(gammas), list(weights), residual, program=self, constants=tuple(constants))

    def run(
        self,
        x: ttnn.Tensor,
        gammas: Sequence[ttnn.Tensor],
        weights: Sequence[ttnn.Tensor],
        residual: ttnn.Tensor | None,
        constants: Sequence[float],
    ) -> list[ttnn.Tensor]:
        def result(stage: Stage, dtype: ttnn.DataType, memory: ttnn.MemoryConfig) -> ttnn.Tensor:
            shape = ttnn.Shape([1, 1, self.users, stage.columns.tiles * TILE])
            return ttnn.allocate_tensor_on_device(shape, dtype, ttnn.TILE_LAYOUT, x.device(), memory)

        results = [result(stage, ttnn.float32, stage.leaves_in) for stage in self.stages if stage.leaves_in]
        results.append(result(self.stages[-1], self.result_dtype, self.result_memory))
        leaving, last = results[0], results[-1]
        # A program without a residual, or without a norm, never reads its address.
        added, of_norms = last if residual is None else residual, iter(gammas)
        descriptor = self.described(x, gammas[0] if gammas else x, weights[0], added, leaving, last)
        reader, writer, compute = descriptor.kernels
        reader.common_runtime_args = describe.flat(WeightsAddresses(tuple(w.buffer_address() for w in weights)))
        writer.common_runtime_args = describe.flat(
            RowsAddresses(
                rows_at=x.buffer_address(),
                residual_at=added.buffer_address(),
                leaving_at=leaving.buffer_address(),
                result_at=last.buffer_address(),
                gamma_at=tuple(next(of_norms).buffer_address() if stage.normed else 0 for stage in self.stages),
            )
        )
        compute.common_runtime_args = describe.flat(ComputeArguments(tuple(map(describe.bits, constants))))
        entering = [x, *gammas, *weights] if residual is None else [x, *gammas, *weights, residual]
        ttnn.generic_op([*entering, *results], descriptor)
        return results

    @property
    def l1_bytes(self) -> int:
        """Bytes of the circular buffers on every core."""
        return sum(buffer.bytes for buffer in self._all_buffers)

    @property
    def _gathered(self) -> int:
        """Tiles that have a row for every part of any stage."""
        return max(-(-stage.parts.cores // TILE) for stage in self.stages)

    @property
    def _code_rows(self) -> int:
        """Rows of a tile of codes."""
        return describe.tile_rows(self.users)

    @property
    def _all_weight_tiles(self) -> int:
        """The most ternary tiles of a core in all stages."""
        return sum(stage.weight_tiles for stage in self.stages)

    @property
    def _common_pages(self) -> int:
        """Pages that are read together in all stages, if L1 does not hold the weights of all.

        Then the buffer is used round and round, and no read may go over its end.
        """
        return largest_divisor(math.gcd(*(stage.pages.pages_of_a_group for stage in self.stages)), _PAGES_AT_ONCE)

    @property
    def _fewest_weight_tiles(self) -> int:
        """The ternary tiles that L1 must hold at once: those that are multiplied, and those that are read."""
        page_tiles = {stage.pages.page_tiles for stage in self.stages}
        if len(page_tiles) > 1:
            return self._all_weight_tiles
        return min(2 * self._common_pages * page_tiles.pop(), self._all_weight_tiles)

    @cached_property
    def _codes(self) -> ttnn.DataType:
        """bfloat16, or bfloat8_b if bfloat16 does not fit. Both hold int8 codes exactly."""
        fits = self._bytes_with(ttnn.bfloat16, self._fewest_weight_tiles) <= self.l1_limit
        return ttnn.bfloat16 if fits or self._code_rows < TILE else ttnn.bfloat8_b

    @cached_property
    def _weight_tiles(self) -> int:
        """The ternary tiles that L1 holds at once: all, or a multiple of the fewest."""
        fit, fewest = (self.l1_limit - self._bytes_with(self._codes, 0)) // TILE_BYTES, self._fewest_weight_tiles
        return self._all_weight_tiles if fit >= self._all_weight_tiles else max(fit // fewest, 1) * fewest

    def _bytes_with(self, codes: ttnn.DataType, weight_tiles: int) -> int:
        return sum(buffer.bytes for buffer in [*self._buffers_with(codes, weight_tiles).values(), *self._kept_rows])

    @property
    def _kept_rows(self) -> list[Buffer]:
        """The rows of all stages but the first, which are results of the one before."""
        return [Buffer.of(ttnn.float32, stage.parts.per_core) for stage in self.stages[1:]]

    @cached_property
    def _buffers(self) -> dict[Role, Buffer]:
        return self._buffers_with(self._codes, self._weight_tiles)

    @cached_property
    def _all_buffers(self) -> list[Buffer]:
        """The buffers with roles, then `_kept_rows`."""
        return [*self._buffers.values(), *self._kept_rows]

    def _buffers_with(self, codes: ttnn.DataType, weight_tiles: int) -> dict[Role, Buffer]:
        bf16, fp32 = ttnn.bfloat16, ttnn.float32
        first, last = self.stages[0], self.stages[-1]
        most = max(stage.parts.per_core for stage in self.stages)
        added = sum(stage.columns.per_core for stage in self.stages if stage.adds_tensor)
        leaving = sum(stage.columns.per_core for stage in self.stages if stage.leaves_in)
        gamma = sum(stage.gamma_tiles for stage in self.stages)
        return {
            Role.ROWS: Buffer.of(bf16 if self.head_tiles else fp32, first.parts.per_core),
            **({Role.GAMMA: Buffer.of(fp32, gamma)} if gamma else {}),
            Role.WEIGHTS: Buffer(ttnn.bfloat4_b, TILE_BYTES, weight_tiles),
            **({Role.RESIDUAL: Buffer.of(fp32, added)} if added else {}),
            Role.PARTIALS: Buffer.of(fp32, 2),
            Role.GATHERED: Buffer.of(fp32, 2 * self._gathered),
            Role.FACTORS: Buffer.of(fp32, 2),
            Role.SCALES: Buffer.of(fp32, 2),
            Role.CODES: Buffer.of(codes, most),
            Role.ALL_CODES: Buffer.of_rows(codes, self._code_rows, max(stage.pages.inner for stage in self.stages)),
            **({Role.LEAVING: Buffer.of(fp32, leaving)} if leaving else {}),
            Role.RESULT: Buffer.of(self.result_dtype, 2 * last.results_at_once),
        }

    def _constants(self) -> tuple[dict[str, int], dict[str, int], dict[str, int]]:
        """The named compile-time arguments of reader, writer and compute, but for the place of the team."""
        roles, count = describe.role_numbers(self._buffers), len(self.stages)
        rows = [roles[Role.ROWS.name], *range(len(self._buffers), len(self._all_buffers))]
        first_gammas = [sum(stage.gamma_tiles for stage in self.stages[:s]) for s in range(count)]
        common = {**roles, "stages": count, **_numbered("normed", [int(stage.normed) for stage in self.stages])}
        all_codes = self._buffers[Role.ALL_CODES]
        exchange = {
            "gathered": self._gathered,
            "code_tiles": self._buffers[Role.CODES].tiles,
            "all_code_tiles": all_codes.tiles,
            "leaving_stage": next((s for s, stage in enumerate(self.stages) if stage.leaves_in), count),
            **_numbered("first_gamma", first_gammas),
        }
        pages = [stage.pages for stage in self.stages]
        at_once = [largest_divisor(of.pages_of_a_group, _PAGES_AT_ONCE) for of in pages]
        at_once = at_once if self._weight_tiles == self._all_weight_tiles else [self._common_pages] * count
        reader = {
            **common,
            **_numbered("page_tiles", [of.page_tiles for of in pages]),
            **_numbered("page_bytes", [of.page_bytes for of in pages]),
            **_numbered("pages_at_once", at_once),
        }
        writer = {
            **common,
            **exchange,
            "gamma_tiles": sum(stage.gamma_tiles for stage in self.stages),
            "code_rows": self._code_rows,
            "all_codes_tile_bytes": all_codes.tile_bytes,
            "users": self.users,
            "head_tiles": self.head_tiles,
            "residual_stage": next((s for s, stage in enumerate(self.stages) if stage.adds_tensor), count),
            "results_at_once": self.stages[-1].results_at_once,
            **_numbered("parts", [stage.parts.cores for stage in self.stages]),
        }
        added = [roles["RESIDUAL"] if stage.adds_rows_of is None else rows[stage.adds_rows_of] for stage in self.stages]
        compute = {
            **common,
            **exchange,
            **int8_codes.CONSTANTS,
            **_numbered("inner", [of.inner for of in pages]),
            **_numbered("inverse_width", [int8_codes.inverse_width(of.inner) for of in pages]),
            **_numbered("block", [of.block for of in pages]),
            **_numbered("group", [of.group for of in pages]),
            **_numbered("epilogue", [stage.epilogue for stage in self.stages]),
            **_numbered("rows", rows),
            **_numbered("residual", added),
            **_numbered("results_in", [*rows[1:], roles[Role.RESULT.name]]),
        }
        return reader, writer, compute

    def _describe(
        self,
        x: ttnn.Tensor,
        gamma: ttnn.Tensor,
        weights: ttnn.Tensor,
        residual: ttnn.Tensor,
        leaving: ttnn.Tensor,
        result: ttnn.Tensor,
    ) -> ttnn.ProgramDescriptor:
        """The gammas of all stages lie alike, and so do their weights, but for the size of a page."""
        needed = max(max(stage.parts.cores, stage.columns.cores) for stage in self.stages)
        wide = min(needed, WIDE)
        team = describe.rectangle(0, 0, wide, -(-needed // wide))
        team_cores = ttnn.CoreRangeSet([team])
        cores = ttnn.corerange_to_cores(team_cores, None, row_wise=True)
        core_arguments, page_arguments = [], []
        for number, core in enumerate(cores):
            of_stages = [StageArguments(*stage.parts.of(number), *stage.columns.of(number)) for stage in self.stages]
            arguments = CoreArguments(core=number, leads=int(number == 0), stage_arguments=sum(of_stages, ()))
            core_arguments.append((core, arguments))
            page_arguments.append((core, sum((stage.pages_of(number) for stage in self.stages), ())))

        corners = [x.device().worker_core_from_logical_core(corner) for corner in (team.start, team.end)]
        reader, writer, compute = self._constants()
        place = {
            "cores": len(cores),
            "left": corners[0].x,
            "top": corners[0].y,
            "right": corners[1].x,
            "bottom": corners[1].y,
        }
        rows = [x, gamma, residual, leaving, result]
        kernels = [
            ("decode/decode_weights.cpp", page_arguments, ttnn.ReaderConfigDescriptor(), reader, [weights]),
            ("decode/decode_rows.cpp", core_arguments, ttnn.WriterConfigDescriptor(), writer | place, rows),
            ("decode/decode_product.cpp", core_arguments, describe.compute_config(self._all_buffers), compute, []),
        ]
        defines = ["JOIN_HEADS"] * bool(self.head_tiles)
        return ttnn.ProgramDescriptor(
            kernels=[describe.kernel(source, team_cores, *rest, defines) for source, *rest in kernels],
            semaphores=describe.semaphores(Semaphores, team_cores),
            cbs=describe.circular_buffers(self._all_buffers, team_cores),
        )


def _numbered(name: str, values: Sequence[int]) -> dict[str, int]:
    """A constant of every stage, as the kernels look it up: its name and the number of the stage."""
    return {f"{name}{stage}": value for stage, value in enumerate(values)}


def _golden(
    x: torch.Tensor,
    gammas: Sequence[torch.Tensor],
    weights: Sequence[torch.Tensor],
    residual: torch.Tensor | None = None,
    *,
    program: DecodeProduct,
    constants: Sequence[float],
) -> list[torch.Tensor]:
    rows, of_norms = [x.reshape(1, 1, program.users, -1)], iter(gammas)  # rows of each stage
    for stage, words, constant in zip(program.stages, weights, constants):
        codes, step = golden.codes_of(rows[-1], next(of_norms) if stage.normed else None, constant)
        added = residual if stage.adds_rows_of is None else rows[stage.adds_rows_of]
        rows.append(golden.results(codes, step, golden.unpacked(words, stage.pages), added, stage.epilogue))
    return [*(row for stage, row in zip(program.stages, rows[1:]) if stage.leaves_in), rows[-1]]


@ttnn.register_python_operation(name="ttnn.bitnet.decode_product", golden_function=_golden)
def decode_product(
    x: ttnn.Tensor,
    gammas: Sequence[ttnn.Tensor],
    weights: Sequence[ttnn.Tensor],
    residual: ttnn.Tensor | None = None,
    *,
    program: DecodeProduct,
    constants: Sequence[float],
) -> list[ttnn.Tensor]:
    """Runs `program`. See `DecodeProduct.__call__`."""
    return program.run(x, gammas, weights, residual, constants)
