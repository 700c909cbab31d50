# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""The head in two passes: a shortlist of tokens from bfloat4_b weights, and its logits again from bfloat16 weights.

The first pass reads about half as many bytes as a head in bfloat8_b. The second reads the weights of the shortlist. The
likeliest tokens and their logits are those of a bfloat16 head if the shortlist holds them. PERF.md has the measured
misses.
"""

import torch

import ttnn
from models.bitnet.tt.kernels.head.best_tokens import BestTokens, candidates
from models.bitnet.tt.kernels.head.head_product import HeadProduct
from models.bitnet.tt.kernels.head.second_pass import SecondPass, best_of_shortlist, candidates_of_shortlist
from models.bitnet.tt.layout import TILE, dram_sharded
from models.bitnet.tt.model_config import ModelConfig
from models.bitnet.tt.weights.upload import DeviceWeights

# Tokens of a shortlist. `perf/shortlist.py` found all winners in the first, and all of the 32 likeliest in the second.
_FOR_BEST, _FOR_CANDIDATES = 32, 256


class TwoPassHead:
    """Finds the likeliest tokens of the rows of a decode step.

    `weight` is [vocabulary, hidden]. `table` is the same on the device: bfloat16, row-major.
    """

    def __init__(self, config: ModelConfig, weights: DeviceWeights, weight: torch.Tensor, table: ttnn.Tensor):
        (vocabulary, hidden), chip, users = weight.shape, config.chip, config.users
        inner = hidden // TILE
        self.table = table
        self.weight = weights.load("lm_head", weight, ttnn.bfloat4_b, dram_sharded(hidden, vocabulary, chip))
        self._product = HeadProduct(
            users, inner, vocabulary, chip.dram_banks, chip.grid, config.activations, ttnn.bfloat4_b
        )

        def passes(length: int, count: int) -> tuple[BestTokens, SecondPass]:
            length = min(length, vocabulary)
            return (
                BestTokens(users, vocabulary, config.activations, length, chip.grid),
                SecondPass(users, inner, length, vocabulary, count, chip.grid),
            )

        self._best, self._candidates = passes(_FOR_BEST, 1), passes(_FOR_CANDIDATES, TILE)

    def best(self, x: ttnn.Tensor, tokens: ttnn.Tensor) -> None:
        """The likeliest token of each row, into `tokens` [1, 1, rows] (uint32, row-major). Keeps x.

        x: [1, 1, rows, hidden], width-sharded in L1.
        """
        first, second = self._best
        shortlist = self._shortlist(x, first)
        best_of_shortlist(x, shortlist, self.table, tokens, program=second)
        ttnn.deallocate(shortlist)

    def candidates(self, x: ttnn.Tensor) -> tuple[ttnn.Tensor, ttnn.Tensor]:
        """The tokens of the largest logits, the largest first, and the logits: float32 [1, 1, rows, TILE] both. Keeps
        x."""
        first, second = self._candidates
        shortlist = self._shortlist(x, first)
        likeliest, values = candidates_of_shortlist(x, shortlist, self.table, program=second)
        ttnn.deallocate(shortlist)
        return likeliest, values

    def _shortlist(self, x: ttnn.Tensor, first: BestTokens) -> ttnn.Tensor:
        logits = self._product(x, self.weight)
        shortlist, values = candidates(logits, program=first)
        ttnn.deallocate(values)
        ttnn.deallocate(logits)
        return shortlist
