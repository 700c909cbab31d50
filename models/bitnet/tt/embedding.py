# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""The embedding: x = table[token].

`Embedding` looks up the tokens of a prompt. `DecodeLookUp` looks up the tokens and the rotation angles of a decode
step.
"""

import torch

import ttnn
from models.bitnet.tt.kernels.decode.look_up import LookUp
from models.bitnet.tt.model_config import ModelConfig
from models.bitnet.tt.rope import RotaryEmbedding, Rotation
from models.bitnet.tt.weights.upload import DeviceWeights
from models.common.lightweightmodule import LightweightModule


class Embedding(LightweightModule):
    """The embedding of a prompt. `table` [vocabulary, hidden] lies in DRAM, row-major, in bfloat16."""

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
    """All that a decode step looks up, in one program: the embedding of its tokens and the angles of its positions.

    `table` is the table of `Embedding`.
    """

    def __init__(self, config: ModelConfig, table: ttnn.Tensor, rope: RotaryEmbedding):
        self.table, self.rope = table, rope
        self.program = LookUp(config.users, config.activations, config.residual_memory, config.programs.angles_memory)

    def forward(self, tokens: ttnn.Tensor, positions: ttnn.Tensor) -> tuple[ttnn.Tensor, Rotation]:
        """-> (the embedding [1, 1, users, hidden], width-sharded in L1; the angles).

        tokens: uint32 [.., users]; positions: int32 [users]. A negative position marks an idle user, who
        gets any angle.
        """
        rope = self.rope
        x, cos, sin = self.program(tokens, self.table, positions, rope.cos_rows, rope.sin_rows)
        return x, Rotation(cos, sin, rope.decode_pairs)
