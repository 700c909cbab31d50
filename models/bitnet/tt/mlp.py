# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""y = norm(relu(x @ Wgate)^2 * (x @ Wup)) @ Wdown."""

from collections.abc import Mapping

import torch
import ttnn

from models.bitnet.tt.bit_linear import BitLinear
from models.bitnet.tt.device_weights import DeviceWeights
from models.bitnet.tt.model_config import ModelConfig
from models.bitnet.tt.rms_norm import RMSNorm
from models.bitnet.tt.scales import LayerScales
from models.common.lightweightmodule import LightweightModule

_SQUARED_RELU = (ttnn.UnaryWithParam(ttnn.UnaryOpType.RELU), ttnn.UnaryWithParam(ttnn.UnaryOpType.SQUARE))


class MLP(LightweightModule):
    """`state` holds ternary projections under Hugging Face's names."""

    def __init__(
        self,
        config: ModelConfig,
        weights: DeviceWeights,
        state: Mapping[str, torch.Tensor],
        prefix: str,
        scales: LayerScales,
    ):
        self.config = config

        def projection(name: str) -> BitLinear:
            weight = state[f"{prefix}.{name}_proj.weight"]
            return BitLinear(config, weights, f"{prefix}.{name}_proj", weight, getattr(config, name))

        self.gate, self.up, self.down = projection("gate"), projection("up"), projection("down")
        self.norm = RMSNorm(config, scales.hidden_gamma, scales.hidden_eps, config.hidden_norm)

    def forward_prefill(self, x: ttnn.Tensor) -> ttnn.Tensor:
        """[1, 1, rows, hidden] in DRAM -> the same. Consumes x."""
        rows = self.gate.rows.quantise(x, ttnn.DRAM_MEMORY_CONFIG)
        gate = self.gate.forward_prefill(rows)
        up = self.up.forward_prefill(rows)
        rows.deallocate()
        hidden = self._combine(gate, up, ttnn.DRAM_MEMORY_CONFIG)
        normed = self.norm.forward_prefill(hidden)
        ttnn.deallocate(hidden)
        rows = self.down.rows.quantise(normed, ttnn.DRAM_MEMORY_CONFIG)
        y = self.down.forward_prefill(rows)
        rows.deallocate()
        return y

    def forward_decode(self, x: ttnn.Tensor) -> ttnn.Tensor:
        """[1, 1, users, hidden], width-sharded in L1 -> the same. Consumes x."""
        rows = self.gate.rows.quantise(x, self.config.residual_memory)
        gate = self.gate.forward_decode(rows)
        up = self.up.forward_decode(rows)
        rows.deallocate()
        hidden = self._combine(gate, up, self.config.hidden_memory)
        normed = self.norm.forward_decode(hidden)
        ttnn.deallocate(hidden)
        rows = self.down.rows.quantise(normed, self.config.hidden_memory)
        y = self.down.forward_decode(rows)
        rows.deallocate()
        return y

    @staticmethod
    def _combine(gate: ttnn.Tensor, up: ttnn.Tensor, memory: ttnn.MemoryConfig) -> ttnn.Tensor:
        """relu(gate)^2 * up in one program. Consumes both."""
        hidden = ttnn.multiply(gate, up, input_tensor_a_activations=list(_SQUARED_RELU), memory_config=memory)
        ttnn.deallocate(gate)
        ttnn.deallocate(up)
        return hidden
