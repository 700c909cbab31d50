# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0

"""The MLP: down(norm(relu(gate(x))^2 * up(x)))."""

from collections.abc import Mapping
from typing import Any

import torch

from models.bitnet.reference.bit_linear import BitLinear
from models.bitnet.reference.rms_norm import RMSNorm


class MLP:
    """The MLP: gate_proj, up_proj, ffn_sub_norm and down_proj under `<prefix>`, e.g. `model.layers.0.mlp`."""

    def __init__(self, config: Any, state: Mapping[str, torch.Tensor], prefix: str) -> None:
        self.gate_proj = BitLinear(state, f"{prefix}.gate_proj")
        self.up_proj = BitLinear(state, f"{prefix}.up_proj")
        self.down_proj = BitLinear(state, f"{prefix}.down_proj")
        self.ffn_sub_norm = RMSNorm(config, state, f"{prefix}.ffn_sub_norm")

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        """x: [..., hidden] float32 -> the same shape."""
        hidden = self.gate_proj(x).relu().square() * self.up_proj(x)
        return self.down_proj(self.ffn_sub_norm(hidden))
