# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0

"""One decoder layer: x = x + attention(norm(x));  x = x + mlp(norm(x))."""

from collections.abc import Callable, Mapping
from typing import Any

import torch

from models.bitnet.reference.attention import Attention, LayerCache
from models.bitnet.reference.mlp import MLP
from models.bitnet.reference.rms_norm import RMSNorm

# A layer calls the hook after each sub-block, with a name and the residual stream [batch, length, hidden].
ResidualHook = Callable[[str, torch.Tensor], None]


def no_hook(name: str, residual: torch.Tensor) -> None:
    """The hook that does nothing."""


class DecoderLayer:
    """The decoder layer whose tensors are under `<prefix>`, e.g. `model.layers.0`."""

    def __init__(self, config: Any, state: Mapping[str, torch.Tensor], prefix: str) -> None:
        self.prefix = prefix
        self.input_layernorm = RMSNorm(config, state, f"{prefix}.input_layernorm")
        self.self_attn = Attention(config, state, f"{prefix}.self_attn")
        self.post_attention_layernorm = RMSNorm(config, state, f"{prefix}.post_attention_layernorm")
        self.mlp = MLP(config, state, f"{prefix}.mlp")

    def __call__(
        self,
        x: torch.Tensor,
        cos: torch.Tensor,
        sin: torch.Tensor,
        cache: LayerCache | None = None,
        on_residual: ResidualHook = no_hook,
    ) -> tuple[torch.Tensor, LayerCache]:
        """x: the residual stream [batch, length, hidden] -> (the stream after this layer, the layer's new cache).

        on_residual is called with the names `<prefix>.self_attn` and `<prefix>.mlp`.
        """
        attended, cache = self.self_attn(self.input_layernorm(x), cos, sin, cache)
        x = x + attended
        on_residual(f"{self.prefix}.self_attn", x)
        x = x + self.mlp(self.post_attention_layernorm(x))
        on_residual(f"{self.prefix}.mlp", x)
        return x, cache
