# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0

"""The MLP: down(norm(act(gate(x)) * up(x))). Only models with sub-norms have the norm."""

from collections.abc import Mapping
from typing import Any

import torch

from models.bitnet.reference.bit_linear import BitLinear
from models.bitnet.reference.rms_norm import sub_norm

_ACTS = {"relu2": lambda gate: gate.relu().square(), "silu": torch.nn.functional.silu}


class MLP:
    """The MLP: gate_proj, up_proj, down_proj and, with sub-norms, ffn_sub_norm under `<prefix>`.

    An example of `<prefix>` is `model.layers.0.mlp`.
    """

    def __init__(self, config: Any, state: Mapping[str, torch.Tensor], prefix: str) -> None:
        self.gate_proj = BitLinear(state, f"{prefix}.gate_proj")
        self.up_proj = BitLinear(state, f"{prefix}.up_proj")
        self.down_proj = BitLinear(state, f"{prefix}.down_proj")
        self.ffn_sub_norm = sub_norm(config, state, f"{prefix}.ffn_sub_norm")
        self.act = _ACTS[config.hidden_act]

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        """x: [..., hidden] float32 -> the same shape."""
        hidden = self.act(self.gate_proj(x)) * self.up_proj(x)
        return self.down_proj(self.ffn_sub_norm(hidden))
