# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""The MLP: x + norm(act(n @ Wgate) * (n @ Wup)) @ Wdown,  n = norm(x).

`act` is relu2 or silu. A model without sub-norms has no norm before Wdown.
"""

from collections.abc import Mapping

import torch

import ttnn
from models.bitnet.tt.model_config import ModelConfig
from models.bitnet.tt.projection import projection
from models.bitnet.tt.weights.scales import LayerScales
from models.bitnet.tt.weights.upload import DeviceWeights
from models.common.lightweightmodule import LightweightModule


class MLP(LightweightModule):
    """The MLP of a layer, with its norms and the addition to the residual stream.

    `state` has the ternary projections under Hugging Face's names.
    """

    def __init__(
        self,
        config: ModelConfig,
        weights: DeviceWeights,
        state: Mapping[str, torch.Tensor],
        prefix: str,
        scales: LayerScales,
    ):
        def matrices(*names: str) -> dict[str, torch.Tensor]:
            return {f"{prefix}.{name}_proj": state[f"{prefix}.{name}_proj.weight"] for name in names}

        self.gate_up = projection(config, weights, "gate_up", matrices("gate", "up"), scales.gate_up)
        self.down = projection(config, weights, "down", matrices("down"), scales.down)

    def forward_prefill(self, x: ttnn.Tensor) -> ttnn.Tensor:
        """The residual stream [1, 1, rows, hidden] in DRAM -> the same. Frees x."""
        hidden = self.gate_up.forward_prefill(x)
        y = self.down.forward_prefill(hidden, x)
        ttnn.deallocate(hidden)
        return y

    def forward_decode(self, x: ttnn.Tensor) -> ttnn.Tensor:
        """The residual stream [1, 1, users, hidden], width-sharded in L1 -> the same. Frees x."""
        hidden = self.gate_up.forward_decode(x)
        y = self.down.forward_decode(hidden, x)
        ttnn.deallocate(hidden)
        return y
