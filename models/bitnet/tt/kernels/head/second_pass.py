# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""The fused program of the head's second pass: logits of shortlists from bfloat16 weights, and the best of them.

The first pass has given every row a shortlist of tokens; see best_tokens.py. The candidates of all rows are divided
over the cores. A core reads the weights of its candidates from a table of all tokens, and multiplies them with the row
in float32. Each row is merged on a core of its own, by the rules of best_tokens.py. The steps are in
second_pass_rows.cpp, second_pass.cpp and second_pass_best.cpp.
"""

from dataclasses import dataclass
from enum import IntEnum
from functools import cached_property
from typing import NamedTuple

import torch

import ttnn
from models.bitnet.tt.kernels.common import describe
from models.bitnet.tt.kernels.common.core_assignment import CoreAssignment
from models.bitnet.tt.kernels.common.describe import Buffer, Described
from models.bitnet.tt.kernels.head.best_tokens import best_of, list_bytes, list_constants
from models.bitnet.tt.layout import TILE

_AT_ONCE = 2  # candidates whose weights a core holds
_ALIGNMENT = 64  # bytes, of reads from DRAM


class CandidateArguments(NamedTuple):
    """The candidates of a core, and the row that it merges; see candidate_arguments.h."""

    first_candidate: int
    candidates_here: int
    merged_row: int


class SecondRowsAddresses(NamedTuple):
    rows_at: int
    tokens_at: int
    table_at: int


class SecondBestAddresses(NamedTuple):
    shortlist_at: int
    tokens_at: int
    values_at: int
    mergers: tuple[int, ...]  # NoC coordinates x and y of each row's merging core


class SecondPassSemaphores(IntEnum):
    """See second_pass_best.cpp."""

    ARRIVED = 0


@dataclass(frozen=True)
class SecondPass(Described):
    """Finds the `count` best (1 or TILE) of a shortlist of `length` tokens, for each of `rows` rows.

    A row has `inner` tile columns in float32. The table has `tokens` rows of weights. The cores are those of `grid`
    (columns, rows).
    """

    rows: int
    inner: int
    length: int
    tokens: int
    count: int
    grid: tuple[int, int]

    def run(
        self, x: ttnn.Tensor, shortlist: ttnn.Tensor, table: ttnn.Tensor, results: list[ttnn.Tensor]
    ) -> list[ttnn.Tensor]:
        """Writes `results`: the tokens, row-major; or the tokens of TILE candidates and their logits, both in tiles."""
        descriptor = self.described(x, shortlist, table, results)
        reader, writer, _ = descriptor.kernels
        reader.common_runtime_args = SecondRowsAddresses(
            rows_at=x.buffer_address(), tokens_at=shortlist.buffer_address(), table_at=table.buffer_address()
        )
        _, _, _, *mergers = writer.common_runtime_args
        writer.common_runtime_args = describe.flat(
            SecondBestAddresses(
                shortlist_at=shortlist.buffer_address(),
                tokens_at=results[0].buffer_address(),
                values_at=results[-1].buffer_address(),
                mergers=tuple(mergers),
            )
        )
        ttnn.generic_op([x, shortlist, table, *results], descriptor)
        return results

    @property
    def l1_bytes(self) -> int:
        """Bytes of the circular buffers on every core."""
        return sum(buffer.bytes for buffer in self._buffers.values())

    @property
    def _pieces(self) -> int:
        """Tiles that the values of a row fill, in their order."""
        return -(-self.inner // TILE)

    @cached_property
    def _buffers(self) -> dict[str, Buffer]:
        shortlist = Buffer(ttnn.float32, _aligned(4 * self.length), 1)
        return {
            "ROWS": Buffer.of(ttnn.float32, 2 * self._pieces),
            "WEIGHTS": Buffer.of(ttnn.bfloat16, _AT_ONCE * self._pieces),
            "LOGITS": Buffer.of(ttnn.float32, 2),
            "ROWS_TOKENS": shortlist,
            "BEST_TOKENS": shortlist,
            "SENT": shortlist,
            "GATHERED": shortlist,
            # the list, and what is written out: its tokens and their logits
            "BEST": Buffer(ttnn.float32, 2 * list_bytes(self.count), 1),
        }

    def _describe(
        self, x: ttnn.Tensor, shortlist: ttnn.Tensor, table: ttnn.Tensor, results: list[ttnn.Tensor]
    ) -> ttnn.ProgramDescriptor:
        wide, high = self.grid
        core_ranges = ttnn.CoreRangeSet([describe.rectangle(0, 0, wide, high)])
        cores = ttnn.corerange_to_cores(core_ranges, None, row_wise=True)
        assignment = CoreAssignment.over(self.rows * self.length, len(cores))
        # The first cores merge a row each.
        candidates = [
            (core, CandidateArguments(*assignment.of(number), merged_row=min(number, self.rows)))
            for number, core in enumerate(cores)
        ]
        merging = [x.device().worker_core_from_logical_core(core) for core in cores[: self.rows]]
        mergers = tuple(number for core in merging for number in (core.x, core.y))
        numbers = describe.numbers(self._buffers)
        shape = {**numbers, "length": self.length, "pieces": self._pieces}
        table_rows = {"table_rows": self.tokens}
        listed = {"rows": self.rows, **list_constants(self.count)}
        compute = describe.compute_config(self._buffers.values())
        kernels = [
            describe.kernel(
                "head/second_pass_rows.cpp",
                core_ranges,
                candidates,
                ttnn.ReaderConfigDescriptor(),
                {**shape, **table_rows, "inner": self.inner},
                [x, shortlist, table],
            ),
            describe.kernel(
                "head/second_pass_best.cpp",
                core_ranges,
                candidates,
                ttnn.WriterConfigDescriptor(),
                {**shape, **table_rows, **listed},
                [shortlist, results[0], results[-1]],
                ["CANDIDATES"] * (self.count > 1),
            ),
            describe.kernel("head/second_pass.cpp", core_ranges, candidates, compute, shape),
        ]
        kernels[1].common_runtime_args = describe.flat(
            SecondBestAddresses(shortlist_at=0, tokens_at=0, values_at=0, mergers=mergers)
        )
        return ttnn.ProgramDescriptor(
            kernels=kernels,
            semaphores=describe.semaphores(SecondPassSemaphores, core_ranges),
            cbs=describe.circular_buffers(self._buffers.values(), core_ranges),
        )


def _aligned(size: int) -> int:
    return -(-size // _ALIGNMENT) * _ALIGNMENT


def _golden(
    x: torch.Tensor, shortlist: torch.Tensor, table: torch.Tensor, program: SecondPass
) -> tuple[torch.Tensor, torch.Tensor]:
    tokens = shortlist[0, 0].long()
    is_token = tokens < program.tokens
    weights = table.reshape(program.tokens, -1)[torch.where(is_token, tokens, 0)].float()
    logits = (weights @ x[0, 0].float()[:, :, None])[..., 0].masked_fill(~is_token, torch.nan)
    best, values = best_of(logits, tokens, program.count)
    return best[None, None], values[None, None]


def _golden_best(
    x: torch.Tensor, shortlist: torch.Tensor, table: torch.Tensor, tokens: torch.Tensor, *, program: SecondPass
) -> torch.Tensor:
    return _golden(x, shortlist, table, program)[0].reshape(tokens.shape).long()


@ttnn.register_python_operation(name="ttnn.bitnet.best_of_shortlist", golden_function=_golden_best)
def best_of_shortlist(
    x: ttnn.Tensor, shortlist: ttnn.Tensor, table: ttnn.Tensor, tokens: ttnn.Tensor, *, program: SecondPass
) -> ttnn.Tensor:
    """Writes the token of each row's largest logit, or NO_TOKEN, into `tokens`. Keeps all other tensors.

    x: float32 [1, 1, rows, K] in tiles; shortlist: float32 [1, 1, rows, length] in tiles; table: bfloat16 [tokens, K],
    row-major; tokens: uint32 [1, 1, rows], row-major.
    """
    return program.run(x, shortlist, table, [tokens])[0]


def _golden_candidates(
    x: torch.Tensor, shortlist: torch.Tensor, table: torch.Tensor, *, program: SecondPass
) -> tuple[torch.Tensor, torch.Tensor]:
    return _golden(x, shortlist, table, program)


@ttnn.register_python_operation(name="ttnn.bitnet.candidates_of_shortlist", golden_function=_golden_candidates)
def candidates_of_shortlist(
    x: ttnn.Tensor, shortlist: ttnn.Tensor, table: ttnn.Tensor, *, program: SecondPass
) -> tuple[ttnn.Tensor, ttnn.Tensor]:
    """-> (the tokens of each row's largest logits, these logits), the largest first: float32 [1, 1, rows, TILE].

    The arguments are those of `best_of_shortlist`. Keeps all of them.
    """
    shape = ttnn.Shape([1, 1, program.rows, program.count])
    device, memory = x.device(), ttnn.DRAM_MEMORY_CONFIG
    results = [ttnn.allocate_tensor_on_device(shape, ttnn.float32, ttnn.TILE_LAYOUT, device, memory) for _ in range(2)]
    tokens, values = program.run(x, shortlist, table, results)
    return tokens, values
