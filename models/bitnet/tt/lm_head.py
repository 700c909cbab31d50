# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""logits = x @ Whead^T, in one of two builds: the library's product, or the program of our own (`own_lm_head.py`)."""

import torch
import ttnn

from models.bitnet.tt.device_weights import DeviceWeights
from models.bitnet.tt.layout import TILE
from models.bitnet.tt.model_config import ModelConfig
from models.bitnet.tt.own_lm_head import OwnLMHead
from models.common.lightweightmodule import LightweightModule

_TILES_PER_CORE = 64  # columns of tiles whose partial sums and weights a core has room for


class StockLMHead(LightweightModule):
    """`weight` [vocabulary, hidden]; each chip's share of the vocabulary is cut into pieces that fit the cores' L1."""

    def __init__(self, config: ModelConfig, weights: DeviceWeights, weight: torch.Tensor):
        self.config = config
        self.compute = config.compute_of("lm_head")
        dtype = config.precision.matmuls["lm_head"].weight
        widest = _TILES_PER_CORE * TILE * config.chip.cores
        split, shares = config.sharing.columns_split, weight.unflatten(0, (config.sharing.chips, -1))
        self.pieces = []
        for start in range(0, shares.shape[1], widest):
            piece = shares[:, start : start + widest]
            # where a piece ends is in its name too: boards cut differently, and may share a folder of weights
            name = f"lm_head.{start}-{start + piece.shape[1]}"
            held = weights.load(name, piece.flatten(0, 1), dtype, ttnn.DRAM_MEMORY_CONFIG, split)
            self.pieces.append((held, config.head_program(piece.shape[1])))

    def forward(self, x: ttnn.Tensor) -> ttnn.Tensor:
        """One tile of rows [1, 1, rows <= 32, hidden], anywhere -> [1, 1, rows, vocabulary] in DRAM, a chip's share of
        it. Consumes x."""
        logits = [
            ttnn.linear(
                x,
                weight,
                program_config=program,
                compute_kernel_config=self.compute,
                dtype=self.config.activations,
                memory_config=ttnn.DRAM_MEMORY_CONFIG,
            )
            for weight, program in self.pieces
        ]
        ttnn.deallocate(x)
        return logits[0] if len(logits) == 1 else ttnn.concat(logits, dim=-1)


def lm_head(config: ModelConfig, weights: DeviceWeights, weight: torch.Tensor) -> StockLMHead | OwnLMHead:
    """The build that the precision asks for."""
    build = OwnLMHead if config.precision.own_programs else StockLMHead
    return build(config, weights, weight)
