# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""x = table[token], of a prompt; see decode_look_up.py for a step's."""

import torch
import ttnn

from models.bitnet.tt.device_weights import DeviceWeights
from models.bitnet.tt.model_config import ModelConfig
from models.common.lightweightmodule import LightweightModule


class Embedding(LightweightModule):
    """`table` [vocabulary, hidden], kept row by row in DRAM as bfloat16."""

    def __init__(self, config: ModelConfig, weights: DeviceWeights, table: torch.Tensor):
        self.config = config
        self.table = weights.load_table("model.embed_tokens", table, ttnn.bfloat16)

    def forward_prefill(self, tokens: ttnn.Tensor) -> ttnn.Tensor:
        """tokens: uint32 [1, rows] -> [1, 1, rows, hidden] in DRAM."""
        x = ttnn.embedding(
            tokens,
            self.table,
            layout=ttnn.TILE_LAYOUT,
            dtype=self.config.activations,
            memory_config=ttnn.DRAM_MEMORY_CONFIG,
        )
        return ttnn.unsqueeze_to_4D(x)
