# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""What a decode step looks up by its tokens and positions, in one program: x = table[token], and the angles."""

import ttnn

from models.bitnet.tt.kernels.look_up import LookUp
from models.bitnet.tt.model_config import ModelConfig
from models.bitnet.tt.rope import RotaryEmbedding, Rotation
from models.common.lightweightmodule import LightweightModule


class DecodeLookUp(LightweightModule):
    """`table` [vocabulary, hidden] on the device, as `Embedding` has it."""

    def __init__(self, config: ModelConfig, table: ttnn.Tensor, rope: RotaryEmbedding):
        self.table, self.rope = table, rope
        self.program = LookUp(config.users, config.activations, config.residual_memory, config.rope_memory)

    def forward(self, tokens: ttnn.Tensor, positions: ttnn.Tensor) -> tuple[ttnn.Tensor, Rotation]:
        """tokens: uint32 [.., users]; positions: int32 [users], negative for an idle user, whose angles may be any ->
        ([1, 1, users, hidden], width-sharded in L1; the angles)."""
        rope = self.rope
        x, cos, sin = self.program(tokens, self.table, positions, rope.cos_rows, rope.sin_rows)
        return x, Rotation(cos, sin, rope.decode_pairs)
