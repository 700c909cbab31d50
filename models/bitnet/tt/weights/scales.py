# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""Folds the seven weight scales of a layer into constants, so that no program multiplies by a weight scale.

The model is defined with the matrices w*W, where W is ternary. The device multiplies by W alone. q', k', v', g', u' are
the results of the device; q = wq*q' and so on are those of the model. Three facts are enough:

1. The int8 codes of a row do not depend on a positive factor of the row, since they are round(127 * x / max|x|). The
   rescaled product P(x) of a ternary matrix therefore has P(c*x) = c * P(x).
2. norm(c*x; eps) = norm(x; eps / c^2), for a norm without gamma. gamma multiplies afterwards.
3. Attention is linear in v. It gives wv*a' where the device has a'.

**qkv.** The norm is that of the checkpoint. The scores are (q.k) / sqrt(d) = (q'.k') * wq*wk / sqrt(d), so the softmax
scale takes wq and wk.

**o.** With a sub-norm, (norm(wv*a'; eps) * gamma) @ (wo*W) = (norm(a'; eps / wv^2) * gamma*wo) @ W, by 2. Without one,
(wv*a') @ (wo*W) = wv*wo * P(a'), by 1: the result has the factor wv*wo.

**gate and up.** The hidden rows are act(wg*g') * wu*u'. The device must compute some h' with hidden rows = c * h'.

- relu2 is homogeneous: relu2(wg*g') = wg^2 * relu2(g'). The norm before gate and up is that of the checkpoint,
  h' = relu2(g') * u', and c = wg^2 * wu.
- silu is not homogeneous, so its argument must be exact. The gamma of the norm before gate and up is multiplied by wg.
  By 1, the device's gate is then wg*g' = g, and its up is wg*u'. So h' = silu(g) * wg*u', and c = wu / wg.

**down.** With a sub-norm, the norm of the hidden rows has eps / c^2 and gamma*wd. Without one, the result has the
factor c * wd.

Fact 1 has one exception. BitNet divides by a peak of at least 1e-5, and the device compares the peak of its own row
with 1e-5. That matters only for rows whose values are nearly zero.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import torch

from models.bitnet.tt.config import BitNetConfig


@dataclass(frozen=True, eq=False)
class Norm:
    """A norm of the rows before a product: x / sqrt(mean(x^2) + eps) * gamma."""

    gamma: torch.Tensor
    eps: float


@dataclass(frozen=True)
class NoNorm:
    """No norm before a product, whose result is multiplied by `factor`."""

    factor: float


@dataclass(frozen=True, eq=False)
class LayerScales:
    """The folded constants of one decoder layer: the softmax scale, and what each projection has before its product."""

    softmax: float
    qkv: Norm
    o: Norm | NoNorm
    gate_up: Norm
    down: Norm | NoNorm


def fold_scales(config: BitNetConfig, state: Mapping[str, torch.Tensor], layer: int) -> LayerScales:
    """The folded constants of a layer from a normalised state dict, whose `weight_scale` multiplies int8 weights."""
    prefix = f"model.layers.{layer}"

    def scale(projection: str) -> float:
        return float(state[f"{prefix}.{projection}.weight_scale"])

    def norm(name: str, factor: float = 1.0, rows: float = 1.0) -> Norm:
        """A norm whose gamma is multiplied by `factor`, of rows that are `rows` times those of the device."""
        return Norm(state[f"{prefix}.{name}.weight"].float() * factor, config.rms_norm_eps / rows**2)

    def before(sub_norm: str, rows: float, projection: str) -> Norm | NoNorm:
        factor = scale(projection)
        return norm(sub_norm, factor, rows) if config.sub_norms else NoNorm(rows * factor)

    q, k, v = (scale(f"self_attn.{name}_proj") for name in "qkv")
    gate, up = scale("mlp.gate_proj"), scale("mlp.up_proj")
    before_gate, hidden = (gate, up / gate) if config.hidden_act == "silu" else (1.0, gate**2 * up)
    return LayerScales(
        softmax=torch.tensor(q * k / config.head_dim**0.5).item(),  # attention accepts only a float32 value
        qkv=norm("input_layernorm"),
        o=before("self_attn.attn_sub_norm", v, "self_attn.o_proj"),
        gate_up=norm("post_attention_layernorm", before_gate),
        down=before("mlp.ffn_sub_norm", hidden, "mlp.down_proj"),
    )
