# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""x = table[token]: `Embedding` for a prompt, `DecodeLookUp` for a decode step, which looks up rotation angles too."""

import torch

import ttnn
from models.bitnet.tt.kernels.decode.look_up import LookUp
from models.bitnet.tt.model_config import ModelConfig
from models.bitnet.tt.rope import RotaryEmbedding, Rotation
from models.bitnet.tt.weights.upload import DeviceWeights
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


class DecodeLookUp(LightweightModule):
    """What a decode step looks up by its tokens and positions, in one program: the tokens' rows of `table` [vocabulary,
    hidden], which `Embedding` keeps, and the positions' rotation angles."""

    def __init__(self, config: ModelConfig, table: ttnn.Tensor, rope: RotaryEmbedding):
        self.table, self.rope = table, rope
        self.program = LookUp(config.users, config.activations, config.residual_memory, config.rope_memory)

    def forward(self, tokens: ttnn.Tensor, positions: ttnn.Tensor) -> tuple[ttnn.Tensor, Rotation]:
        """tokens: uint32 [.., users]; positions: int32 [users], negative for an idle user, whose angles may be any ->
        ([1, 1, users, hidden], width-sharded in L1; the angles)."""
        rope = self.rope
        x, cos, sin = self.program(tokens, self.table, positions, rope.cos_rows, rope.sin_rows)
        return x, Rotation(cos, sin, rope.decode_pairs)
