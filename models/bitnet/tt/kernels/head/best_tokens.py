# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""The fused program that finds the largest logits of every row: the greedy choice, or the candidates of a draw.

Both data-movement processors of every core scan some tile columns of the vocabulary. Their lists of a row are merged on
one core. Of equal logits the first token comes first. See best_tokens.cpp for the steps.

More than TILE candidates of a row are merged in groups of scanners, each on one core, which gives the TILE best of its
group. Together they hold the TILE best of all, and most of the tokens that come next; see `columns_of_groups`.

A row with NaN, infinity or a logit above LARGEST has no best token. All its tokens are NO_TOKEN, and all their logits
are LARGEST. A draw from such candidates gives NO_TOKEN by ordinary arithmetic. They also win over the candidates of
every other shard of the vocabulary.
"""

from dataclasses import dataclass
from enum import IntEnum
from typing import NamedTuple

import torch

import ttnn
from models.bitnet.tt.kernels.common import describe
from models.bitnet.tt.kernels.common.core_assignment import CoreAssignment
from models.bitnet.tt.kernels.common.describe import Buffer, Described
from models.bitnet.tt.layout import TILE

NO_TOKEN = 2**23  # no vocabulary is as large; exact in float32, also with the first token of a shard added
LARGEST = 1e30  # still finite when it is multiplied by the factor of the sharpest temperature
_AT_ONCE = 8  # tiles that a scanner has in flight
_PROCESSORS = 2  # data-movement processors of a core
_ALIGNMENT = 16  # bytes, of writes from core to core


class ScannerArguments(NamedTuple):
    """What every processor is told; see best_tokens.cpp."""

    scanner: int
    first_tile: int
    tile_count: int
    merger: int


class CommonArguments(NamedTuple):
    logits_at: int
    tokens_at: int
    values_at: int
    mergers: tuple[int, ...]  # NoC coordinates x and y of each core that merges


class Semaphores(IntEnum):
    """See best_tokens.cpp."""

    ARRIVED = 0


def list_bytes(pairs: int) -> int:
    """The size of a list of logits and their tokens in memory."""
    return -(-8 * pairs // _ALIGNMENT) * _ALIGNMENT


def list_constants(pairs: int) -> dict[str, int]:
    """The named compile-time arguments of best_list.h."""
    return {
        "count": pairs,
        "list_bytes": list_bytes(pairs),
        "no_token": NO_TOKEN,
        "largest": describe.bits(LARGEST),
    }


@dataclass(frozen=True)
class BestTokens(Described):
    """Finds `count` largest logits of each of `rows` rows, which are `width` wide. Columns of padding are not searched.

    `count` is 1, or TILE for each group of scanners. The cores are those of `grid` (columns, rows).
    """

    rows: int
    width: int
    dtype: ttnn.DataType
    count: int
    grid: tuple[int, int]

    @classmethod
    def of(cls, logits: ttnn.Tensor, count: int, grid: tuple[int, int]) -> "BestTokens":
        rows, width = logits.shape[2], logits.shape[3]
        if width > NO_TOKEN:
            raise ValueError(f"the vocabulary of {width} is larger than {NO_TOKEN}")
        if count > width:
            raise ValueError(f"{count} candidates are more than the vocabulary of {width}")
        return cls(rows, width, logits.dtype, count, grid)

    def run(self, logits: ttnn.Tensor, results: list[ttnn.Tensor]) -> None:
        """Writes `results`: the best tokens, row-major; or the tokens of candidates and their logits, both in tiles."""
        descriptor = self.described(logits, results)
        tokens, values = self._written(results)
        for kernel in descriptor.kernels:
            _, _, _, *mergers = kernel.common_runtime_args
            common = CommonArguments(
                logits_at=logits.buffer_address(),
                tokens_at=tokens.buffer_address(),
                values_at=values.buffer_address(),
                mergers=tuple(mergers),
            )
            kernel.common_runtime_args = describe.flat(common)
        ttnn.generic_op([logits, *results], descriptor)

    @staticmethod
    def _written(results: list[ttnn.Tensor]) -> list[ttnn.Tensor]:
        """The tokens' and the values' tensor, as the kernel takes them. Without values both are the tokens' tensor."""
        return [results[0], results[-1]]

    @property
    def groups(self) -> int:
        return -(-self.count // TILE)

    @property
    def columns_of_groups(self) -> list[torch.Tensor]:
        """The columns that the scanners of each group look through."""
        columns = torch.arange(self.width)
        scanners = columns // (self._scanners.per_core * TILE)
        return [columns[scanners % self.groups == group] for group in range(self.groups)]

    @property
    def _scanners(self) -> CoreAssignment:
        """The tile columns of each scanner."""
        wide, high = self.grid
        return CoreAssignment.over(-(-self.width // TILE), _PROCESSORS * wide * high)

    def _describe(self, logits: ttnn.Tensor, results: list[ttnn.Tensor]) -> ttnn.ProgramDescriptor:
        wide, high = self.grid
        core_ranges = ttnn.CoreRangeSet([describe.rectangle(0, 0, wide, high)])
        cores = [ttnn.CoreCoord(x, y) for y in range(high) for x in range(wide)]
        # The first cores merge, in turn.
        merges = self.rows * self.groups
        merging = [logits.device().worker_core_from_logical_core(core) for core in cores[:merges]]
        mergers = tuple(number for core in merging for number in (core.x, core.y))
        assignment, pairs = self._scanners, min(self.count, TILE)
        gathered = -(-merges // len(merging)) * -(-assignment.cores // self.groups)

        # of each processor its tiles, of each its lists, and those that a core gathers
        sizes = [2 * _AT_ONCE * describe.tile_bytes(self.dtype)] * _PROCESSORS
        sizes += [self.rows * list_bytes(pairs)] * _PROCESSORS + [gathered * list_bytes(pairs)]
        constants = {
            "rows": self.rows,
            "width": self.width,
            "groups": self.groups,
            "mergers": len(merging),
            **list_constants(pairs),
            "scanners": assignment.cores,
            "value_bytes": describe.VALUE_BYTES[self.dtype],
            "at_once": _AT_ONCE,
            "gathered_buffer": 2 * _PROCESSORS,
        }
        kernels = []
        for processor, config in enumerate((ttnn.ReaderConfigDescriptor(), ttnn.WriterConfigDescriptor())):
            arguments = []
            for number, core in enumerate(cores):
                scanner = _PROCESSORS * number + processor
                first, count = assignment.of(scanner)
                merger = number if processor == 0 and number < len(merging) else merges
                scans = ScannerArguments(scanner=scanner, first_tile=first, tile_count=count, merger=merger)
                arguments.append((core, scans))
            own = {"tiles_buffer": processor, "lists_buffer": _PROCESSORS + processor}
            kernels.append(
                describe.kernel(
                    "head/best_tokens.cpp",
                    core_ranges,
                    arguments,
                    config,
                    {**constants, **own},
                    [logits, *self._written(results)],
                    ["CANDIDATES"] * (self.count > 1),
                )
            )
            kernels[-1].common_runtime_args = describe.flat(
                CommonArguments(logits_at=0, tokens_at=0, values_at=0, mergers=mergers)
            )
        return ttnn.ProgramDescriptor(
            kernels=kernels,
            semaphores=describe.semaphores(Semaphores, core_ranges),
            cbs=describe.circular_buffers([Buffer(self.dtype, size, 1) for size in sizes], core_ranges),
        )


def without_best(logits: torch.Tensor) -> torch.Tensor:
    """A mask [.., 1] of the rows that have no best token."""
    return ~(logits.float() <= LARGEST).all(-1, keepdim=True)


def _golden_best(logits: torch.Tensor, tokens: torch.Tensor, *, program: BestTokens) -> torch.Tensor:
    best = logits.float().argmax(-1, keepdim=True)
    return best.masked_fill(without_best(logits), NO_TOKEN).reshape(tokens.shape)


@ttnn.register_python_operation(name="ttnn.bitnet.best_token", golden_function=_golden_best)
def best_token(logits: ttnn.Tensor, tokens: ttnn.Tensor, *, program: BestTokens) -> ttnn.Tensor:
    """Writes the token of each row's largest logit, or NO_TOKEN, into `tokens`. Keeps the logits.

    logits: [1, 1, rows, vocabulary] in tiles; tokens: uint32 [1, 1, rows], row-major.
    """
    program.run(logits, [tokens])
    return tokens


def best_of(logits: torch.Tensor, tokens: torch.Tensor, count: int) -> tuple[torch.Tensor, torch.Tensor]:
    """The `count` largest of `logits` [.., N] as the program orders them -> (their tokens, the logits), in float32.

    `tokens` int64 [.., N] are the tokens of the logits.
    """
    # One integer for each logit: it grows with the logit, and of equal logits the first token has the largest.
    bits = (logits.float() + 0.0).view(torch.int32).long()
    places = (torch.where(bits < 0, -(bits & 0x7FFFFFFF), bits) * 2**32 - tokens).topk(count).indices
    without, values = without_best(logits), logits.float().gather(-1, places)
    best = tokens.expand(logits.shape).gather(-1, places).float()
    return best.masked_fill(without, NO_TOKEN), values.masked_fill(without, LARGEST)


def _golden_candidates(logits: torch.Tensor, *, program: BestTokens) -> tuple[torch.Tensor, torch.Tensor]:
    of_groups = [best_of(logits[..., columns], columns, TILE) for columns in program.columns_of_groups]
    tokens, values = (torch.cat(parts, dim=-1) for parts in zip(*of_groups))
    return tokens, values


@ttnn.register_python_operation(name="ttnn.bitnet.candidates", golden_function=_golden_candidates)
def candidates(logits: ttnn.Tensor, *, program: BestTokens) -> tuple[ttnn.Tensor, ttnn.Tensor]:
    """[1, 1, rows, vocabulary] -> (the tokens of each row's largest logits, these logits), the largest first.

    Both are float32 [1, 1, rows, count] in tiles. Each tile column has the largest logits of a group. Keeps the logits.
    """
    shape = ttnn.Shape([1, 1, program.rows, program.count])
    device, memory = logits.device(), ttnn.DRAM_MEMORY_CONFIG
    results = [ttnn.allocate_tensor_on_device(shape, ttnn.float32, ttnn.TILE_LAYOUT, device, memory) for _ in range(2)]
    program.run(logits, results)
    return results[0], results[1]
