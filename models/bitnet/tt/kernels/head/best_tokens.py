# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""The largest logits of every row: the greedy choice, or the candidates of a draw, in one program on all cores.

Both data-movement processors of a core scan a share of the vocabulary, and each row is merged on a core of its own. See
best_tokens.cpp for the steps. Of equal logits the first token comes first.
"""

from dataclasses import dataclass

import torch

import ttnn
from models.bitnet.tt.kernels.common import describe
from models.bitnet.tt.kernels.common.core_assignment import CoreAssignment
from models.bitnet.tt.kernels.common.describe import TILE_SIZE, Buffer, Described
from models.bitnet.tt.kernels.common.ternary_tiles import TILE

_AT_ONCE = 8  # tiles that a scanner has in flight
_PROCESSORS = 2  # of a core, that move data and scan
_ALIGNMENT = 16  # of what is sent from core to core


@dataclass(frozen=True)
class BestTokens(Described):
    """The `count` (1, or TILE) largest of `rows` rows of `tiles` tiles, on the cores of `grid` (columns, rows)."""

    rows: int
    tiles: int
    dtype: ttnn.DataType
    count: int
    grid: tuple[int, int]

    @classmethod
    def of(cls, logits: ttnn.Tensor, count: int, grid: tuple[int, int]) -> "BestTokens":
        rows, width = logits.shape[2], logits.shape[3]
        if width % TILE:
            raise ValueError(f"the vocabulary of {width} is no multiple of {TILE}")
        return cls(rows, width // TILE, logits.dtype, count, grid)

    def run(self, logits: ttnn.Tensor, results: list[ttnn.Tensor]) -> None:
        """Into `results`: the tokens, row-major, or those of TILE candidates and their logits, in tiles."""
        descriptor = self.described(logits, results)
        addresses = [tensor.buffer_address() for tensor in (logits, *self._written(results))]
        for kernel in descriptor.kernels:
            kernel.common_runtime_args = addresses + list(kernel.common_runtime_args)[len(addresses) :]
        ttnn.generic_op([logits, *results], descriptor)

    @staticmethod
    def _written(results: list[ttnn.Tensor]) -> list[ttnn.Tensor]:
        """As the kernel knows them: tokens and values, the same tensor where there are no values."""
        return [results[0], results[-1]]

    def _describe(self, logits: ttnn.Tensor, results: list[ttnn.Tensor]) -> ttnn.ProgramDescriptor:
        wide, high = self.grid
        everywhere = ttnn.CoreRangeSet([describe.rectangle(0, 0, wide, high)])
        places = [ttnn.CoreCoord(x, y) for y in range(high) for x in range(wide)]
        shares = CoreAssignment.over(self.tiles, _PROCESSORS * len(places))
        list_bytes = -(-8 * self.count // _ALIGNMENT) * _ALIGNMENT
        mergers = [logits.device().worker_core_from_logical_core(place) for place in places[: self.rows]]
        common = [0] * (1 + len(self._written(results)))  # addresses
        common += [number for place in mergers for number in (place.x, place.y)]

        def buffer(number: int, size: int) -> Buffer:
            return Buffer(number, self.dtype, size, 1)

        tiles = 2 * _AT_ONCE * TILE_SIZE[self.dtype]
        buffers = [buffer(i, tiles) for i in range(_PROCESSORS)]
        buffers += [buffer(_PROCESSORS + i, self.rows * list_bytes) for i in range(_PROCESSORS)]
        buffers.append(buffer(2 * _PROCESSORS, shares.cores * list_bytes))
        constants = {
            "rows": self.rows,
            "count": self.count,
            "list_bytes": list_bytes,
            "scanners": shares.cores,
            "value_bytes": TILE_SIZE[self.dtype] // TILE**2,
            "at_once": _AT_ONCE,
            "gathered_buffer": 2 * _PROCESSORS,
        }
        kernels = []
        for processor, config in enumerate((ttnn.ReaderConfigDescriptor(), ttnn.WriterConfigDescriptor())):
            arguments = []
            for core, place in enumerate(places):
                scanner = _PROCESSORS * core + processor
                merged = core if processor == 0 and core < self.rows else self.rows
                arguments.append((place, [scanner, *shares.of(scanner), merged]))
            own = {"tiles_buffer": processor, "lists_buffer": _PROCESSORS + processor}
            kernels.append(
                describe.kernel(
                    "head/best_tokens.cpp",
                    everywhere,
                    arguments,
                    config,
                    {**constants, **own},
                    [logits, *self._written(results)],
                    ["CANDIDATES"] * (self.count > 1),
                )
            )
            kernels[-1].common_runtime_args = common
        return ttnn.ProgramDescriptor(
            kernels=kernels,
            semaphores=describe.semaphores(1, everywhere),
            cbs=[buffer.on(everywhere) for buffer in buffers],
        )


def _golden_best(logits: torch.Tensor, tokens: torch.Tensor, *, program: BestTokens) -> torch.Tensor:
    return logits.float().argmax(-1).reshape(tokens.shape)


@ttnn.register_python_operation(name="ttnn.bitnet.best_token", golden_function=_golden_best)
def best_token(logits: ttnn.Tensor, tokens: ttnn.Tensor, *, program: BestTokens) -> ttnn.Tensor:
    """The token of the largest logit of each row of [1, 1, rows, vocabulary], into `tokens` (uint32 [1, 1, rows],
    row-major). Keeps the logits."""
    program.run(logits, [tokens])
    return tokens


def _golden_candidates(logits: torch.Tensor, *, program: BestTokens) -> tuple[torch.Tensor, torch.Tensor]:
    # one whole number for each logit, which grows with it and then falls with the column
    bits = (logits.float() + 0.0).view(torch.int32).long()
    columns = torch.arange(logits.shape[-1])
    best = (torch.where(bits < 0, -(bits & 0x7FFFFFFF), bits) * 2**32 - columns).topk(program.count).values
    tokens = -best % 2**32
    return tokens.float(), logits.float().gather(-1, tokens)


@ttnn.register_python_operation(name="ttnn.bitnet.candidates", golden_function=_golden_candidates)
def candidates(logits: ttnn.Tensor, *, program: BestTokens) -> tuple[ttnn.Tensor, ttnn.Tensor]:
    """The tokens of the largest logits of each row of [1, 1, rows, vocabulary], the largest first, and the logits: both
    float32 [1, 1, rows, TILE] in tiles. Keeps the logits."""
    shape = ttnn.Shape([1, 1, program.rows, program.count])
    device, memory = logits.device(), ttnn.DRAM_MEMORY_CONFIG
    results = [ttnn.allocate_tensor_on_device(shape, ttnn.float32, ttnn.TILE_LAYOUT, device, memory) for _ in range(2)]
    program.run(logits, results)
    return results[0], results[1]
