# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""The likeliest tokens of every row: from logits on one chip, from the shard of the vocabulary on each chip, or from
the rows of a decode step."""

from typing import Any, NamedTuple, Protocol

import torch

import ttnn
from models.bitnet.tt.kernels.head.best_tokens import BestTokens, best_token, candidates
from models.bitnet.tt.layout import TILE
from models.bitnet.tt.model import BitNetModel
from models.bitnet.tt.model_config import ModelConfig
from models.bitnet.tt.two_pass_head import TwoPassHead
from models.common.lightweightmodule import LightweightModule


class Search(Protocol):
    """Finds the likeliest tokens of rows, which it is given in some form."""

    def best(self, given: Any, tokens: ttnn.Tensor) -> None:
        """Write the likeliest token of each row into `tokens` [1, 1, rows] (uint32, row-major)."""

    def candidates(self, given: Any) -> tuple[ttnn.Tensor, ttnn.Tensor]:
        """Return the likeliest tokens, the likeliest first, and their logits: float32 [1, 1, rows, TILE] both."""


class Likeliest:
    """Reads logits [1, 1, rows, vocabulary] with the cores of `grid`. Of equal logits the first token comes first."""

    def __init__(self, grid: tuple[int, int]):
        self._grid = grid
        self._programs: dict[BestTokens, BestTokens] = {}

    def best(self, logits: ttnn.Tensor, tokens: ttnn.Tensor) -> None:
        """The token of each row's largest logit, into `tokens` [1, 1, rows] (uint32, row-major). Consumes the
        logits."""
        best_token(logits, tokens, program=self._program(logits, 1))
        ttnn.deallocate(logits)

    def candidates(self, logits: ttnn.Tensor) -> tuple[ttnn.Tensor, ttnn.Tensor]:
        """The tokens of the largest logits, the largest first, and the logits: float32 [1, 1, rows, TILE] both.
        Consumes the logits."""
        likeliest, values = candidates(logits, program=self._program(logits, TILE))
        ttnn.deallocate(logits)
        return likeliest, values

    def _program(self, logits: ttnn.Tensor, count: int) -> BestTokens:
        """The program for the logits' shape. Equal shapes share one program, which is described once."""
        program = BestTokens.of(logits, count, self._grid)
        return self._programs.setdefault(program, program)


class JoinedLikeliest(Likeliest):
    """Each chip finds the candidates of its shard. After an all-gather every chip finds the best of all candidates.

    The shards are in the order of the vocabulary, so of equal logits the first token still comes first.
    """

    def __init__(self, config: ModelConfig):
        super().__init__(config.chip.grid)
        self._parallelism = config.parallelism
        chips = self._parallelism.chips
        first = torch.arange(chips).float() * (config.model.vocab_size // chips)
        self._first = ttnn.from_torch(
            first[None, None, None],
            dtype=ttnn.float32,
            layout=ttnn.TILE_LAYOUT,
            device=config.device,
            mesh_mapper=self._parallelism.column_sharding.mapper,
        )

    def best(self, logits: ttnn.Tensor, tokens: ttnn.Tensor) -> None:
        """Find the likeliest token of each row over all shards, as `Likeliest.best` does on one chip."""
        likeliest, _ = self.candidates(logits)
        write_first(likeliest, tokens)

    def candidates(self, logits: ttnn.Tensor) -> tuple[ttnn.Tensor, ttnn.Tensor]:
        """Return the likeliest tokens and logits over all shards, as `Likeliest.candidates` does on one chip."""
        own, values = super().candidates(logits)
        tokens = self._parallelism.all_gather(ttnn.add(own, self._first), ttnn.DRAM_MEMORY_CONFIG)
        places, best = super().candidates(self._parallelism.all_gather(values, ttnn.DRAM_MEMORY_CONFIG))
        return ttnn.gather(tokens, dim=3, index=ttnn.typecast(places, ttnn.uint32)), best


class StepRows(NamedTuple):
    """What a decode step chooses tokens from: the rows `x` that the heads read, and their logits if penalties changed
    them."""

    x: ttnn.Tensor
    penalised: ttnn.Tensor | None


class WholeHeadSearch:
    """Searches all logits of a decode step. Keeps x and consumes the logits."""

    def __init__(self, lm_head: LightweightModule, likeliest: Likeliest):
        self._lm_head, self._likeliest = lm_head, likeliest

    def best(self, rows: StepRows, tokens: ttnn.Tensor) -> None:
        """Find the likeliest token of each row, as `Likeliest.best` does."""
        self._likeliest.best(self._logits(rows), tokens)

    def candidates(self, rows: StepRows) -> tuple[ttnn.Tensor, ttnn.Tensor]:
        """Return the likeliest tokens and logits, as `Likeliest.candidates` does."""
        return self._likeliest.candidates(self._logits(rows))

    def _logits(self, rows: StepRows) -> ttnn.Tensor:
        return self._lm_head(rows.x) if rows.penalised is None else rows.penalised


class TwoPassSearch:
    """Searches by a head in two passes. Rows with penalties are searched in their penalised logits.

    So a row without penalties gets the same tokens beside rows with penalties. `is_penalised` [1, 1, users, 1] is 1 for
    a row with penalties, 0 for others. Keeps x and consumes the logits.
    """

    def __init__(self, head: TwoPassHead, likeliest: Likeliest, is_penalised: ttnn.Tensor):
        self._head, self._likeliest, self._is_penalised = head, likeliest, is_penalised

    def best(self, rows: StepRows, tokens: ttnn.Tensor) -> None:
        """Find the likeliest token of each row, as `Likeliest.best` does."""
        if rows.penalised is None:
            self._head.best(rows.x, tokens)
        else:
            write_first(self.candidates(rows)[0], tokens)

    def candidates(self, rows: StepRows) -> tuple[ttnn.Tensor, ttnn.Tensor]:
        """Return the likeliest tokens and logits, as `Likeliest.candidates` does."""
        tokens, values = self._head.candidates(rows.x)
        if rows.penalised is None:
            return tokens, values
        penalised_tokens, penalised_values = self._likeliest.candidates(rows.penalised)
        return (
            ttnn.where(self._is_penalised, penalised_tokens, tokens),
            ttnn.where(self._is_penalised, penalised_values, values),
        )


def write_first(likeliest: ttnn.Tensor, tokens: ttnn.Tensor) -> None:
    """Write the first of the likeliest tokens of each row, float32 [1, 1, rows, TILE], as `write_tokens` does."""
    write_tokens(ttnn.slice(likeliest, [0, 0, 0, 0], [1, 1, likeliest.shape[2], 1]), tokens)


def write_tokens(chosen: ttnn.Tensor, tokens: ttnn.Tensor) -> None:
    """Write tokens, float32 [1, 1, rows, 1] in tiles, into `tokens` [1, 1, rows] (uint32, row-major)."""
    rows = ttnn.to_layout(ttnn.typecast(chosen, ttnn.uint32), ttnn.ROW_MAJOR_LAYOUT)
    ttnn.copy(ttnn.reshape(rows, tuple(tokens.shape)), tokens)


def likeliest_of(config: ModelConfig) -> Likeliest:
    """The search that fits the logits of `lm_head`: whole rows, or shards of the vocabulary."""
    return Likeliest(config.chip.grid) if config.parallelism.chips == 1 else JoinedLikeliest(config)


def search_of_steps(model: BitNetModel, is_penalised: ttnn.Tensor) -> Search:
    """The search in a decode step of `model`. For `is_penalised` see `TwoPassSearch`."""
    likeliest = likeliest_of(model.config)
    if model.two_pass_head is None:
        return WholeHeadSearch(model.lm_head, likeliest)
    return TwoPassSearch(model.two_pass_head, likeliest, is_penalised)
