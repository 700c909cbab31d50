# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""Folds the seven weight scales of a layer into constants, so that no program multiplies by a weight scale.

Every projection computes with the ternary matrix W. The model is defined with w*W. q', k', v', g', u' are the unscaled
results:

    scores    (q.k) / sqrt(d)            = (q'.k') * wq*wk / sqrt(d)            -> the softmax scale
    sub-norm  norm(wv*a'; eps)           = norm(a'; eps / wv^2)                 -> its eps
    sub-norm  norm(relu2(wg*g')*wu*u'; eps) = norm(relu2(g')*u'; eps / (wg^2*wu)^2) -> its eps
    o, down   (norm * gamma) @ (w*W)     = (norm * gamma*w) @ W                 -> its gamma

The int8 quantisation of rows changes none of this: the codes of a row do not depend on a factor of the whole row.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import torch

from models.bitnet.tt.config import BitNetConfig


@dataclass(frozen=True)
class LayerScales:
    """The folded constants of one decoder layer."""

    softmax: float
    attention_eps: float
    attention_gamma: torch.Tensor
    hidden_eps: float
    hidden_gamma: torch.Tensor


def fold_scales(config: BitNetConfig, state: Mapping[str, torch.Tensor], layer: int) -> LayerScales:
    """The folded constants of a layer from a normalised state dict, whose `weight_scale` multiplies int8 weights."""
    prefix = f"model.layers.{layer}"

    def scale(projection: str) -> float:
        return float(state[f"{prefix}.{projection}.weight_scale"])

    gate, up = scale("mlp.gate_proj"), scale("mlp.up_proj")
    softmax = scale("self_attn.q_proj") * scale("self_attn.k_proj") / config.head_dim**0.5
    return LayerScales(
        softmax=torch.tensor(softmax).item(),  # the attention operations accept only a float32 value
        attention_eps=config.rms_norm_eps / scale("self_attn.v_proj") ** 2,
        attention_gamma=state[f"{prefix}.self_attn.attn_sub_norm.weight"].float() * scale("self_attn.o_proj"),
        hidden_eps=config.rms_norm_eps / (gate**2 * up) ** 2,
        hidden_gamma=state[f"{prefix}.mlp.ffn_sub_norm.weight"].float() * scale("mlp.down_proj"),
    )
