# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""x = table[token]."""

import torch
import ttnn

from models.bitnet.tt.device_weights import DeviceWeights
from models.bitnet.tt.layout import TILE
from models.bitnet.tt.model_config import ModelConfig
from models.common.lightweightmodule import LightweightModule


class Embedding(LightweightModule):
    """`table` [vocabulary, hidden], kept row by row in DRAM as bfloat16."""

    def __init__(self, config: ModelConfig, weights: DeviceWeights, table: torch.Tensor):
        self.config = config
        self.table = weights.load_table("model.embed_tokens", table, ttnn.bfloat16)

    def forward_prefill(self, tokens: ttnn.Tensor) -> ttnn.Tensor:
        """tokens: uint32 [1, rows] -> [1, 1, rows, hidden] in DRAM."""
        return self._look_up(tokens, ttnn.DRAM_MEMORY_CONFIG)

    def forward_decode(self, tokens: ttnn.Tensor) -> ttnn.Tensor:
        """tokens: uint32 [1, users] -> [1, 1, users, hidden], width-sharded in L1."""
        users = self.config.users
        # a whole tile of tokens is looked up straight into the shards
        tile = tokens if users == TILE else ttnn.pad(tokens, [(0, 0), (0, TILE - users)], 0)
        x = self._look_up(tile, self.config.residual_memory)
        return ttnn.reshape(x, (1, 1, users, x.shape[-1]), (1, 1, TILE, x.shape[-1]))

    def _look_up(self, tokens: ttnn.Tensor, memory: ttnn.MemoryConfig) -> ttnn.Tensor:
        x = ttnn.embedding(
            tokens, self.table, layout=ttnn.TILE_LAYOUT, dtype=self.config.activations, memory_config=memory
        )
        return ttnn.unsqueeze_to_4D(x)
