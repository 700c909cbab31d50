# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""The likeliest tokens of every row, from logits on one chip, or from the shard of the vocabulary on each chip."""

import torch

import ttnn
from models.bitnet.tt.kernels.head.best_tokens import BestTokens, best_token, candidates
from models.bitnet.tt.layout import TILE
from models.bitnet.tt.model_config import ModelConfig


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
        write_tokens(ttnn.slice(likeliest, [0, 0, 0, 0], [1, 1, likeliest.shape[2], 1]), tokens)

    def candidates(self, logits: ttnn.Tensor) -> tuple[ttnn.Tensor, ttnn.Tensor]:
        """Return the likeliest tokens and logits over all shards, as `Likeliest.candidates` does on one chip."""
        own, values = super().candidates(logits)
        tokens = self._parallelism.all_gather(ttnn.add(own, self._first), ttnn.DRAM_MEMORY_CONFIG)
        places, best = super().candidates(self._parallelism.all_gather(values, ttnn.DRAM_MEMORY_CONFIG))
        return ttnn.gather(tokens, dim=3, index=ttnn.typecast(places, ttnn.uint32)), best


def write_tokens(chosen: ttnn.Tensor, tokens: ttnn.Tensor) -> None:
    """Write tokens, float32 [1, 1, rows, 1] in tiles, into `tokens` [1, 1, rows] (uint32, row-major)."""
    rows = ttnn.to_layout(ttnn.typecast(chosen, ttnn.uint32), ttnn.ROW_MAJOR_LAYOUT)
    ttnn.copy(ttnn.reshape(rows, tuple(tokens.shape)), tokens)


def likeliest_of(config: ModelConfig) -> Likeliest:
    """The search that fits the logits of `lm_head`: whole rows, or shards of the vocabulary."""
    return Likeliest(config.chip.grid) if config.parallelism.chips == 1 else JoinedLikeliest(config)
