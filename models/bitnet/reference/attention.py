# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0

"""Causal grouped-query self-attention. Models with sub-norms have one more norm before o_proj."""

from collections.abc import Mapping
from typing import Any

import torch

from models.bitnet.reference.bit_linear import BitLinear
from models.bitnet.reference.rms_norm import sub_norm
from models.bitnet.reference.rope import apply_rope

# Keys (rotated) and values of all positions so far, each [batch, kv_heads, positions, head_dim].
LayerCache = tuple[torch.Tensor, torch.Tensor]


class Attention:
    """Self-attention: q_proj, k_proj, v_proj, o_proj and, with sub-norms, attn_sub_norm under `<prefix>`.

    An example of `<prefix>` is `model.layers.0.self_attn`.
    """

    def __init__(self, config: Any, state: Mapping[str, torch.Tensor], prefix: str) -> None:
        self.head_dim = config.head_dim
        self.queries_per_kv_head = config.num_attention_heads // config.num_key_value_heads
        self.q_proj = BitLinear(state, f"{prefix}.q_proj")
        self.k_proj = BitLinear(state, f"{prefix}.k_proj")
        self.v_proj = BitLinear(state, f"{prefix}.v_proj")
        self.o_proj = BitLinear(state, f"{prefix}.o_proj")
        self.attn_sub_norm = sub_norm(config, state, f"{prefix}.attn_sub_norm")

    def __call__(
        self, x: torch.Tensor, cos: torch.Tensor, sin: torch.Tensor, cache: LayerCache | None = None
    ) -> tuple[torch.Tensor, LayerCache]:
        """x: [batch, length, hidden], the positions that follow those in `cache`; cos, sin: tables of x's positions.

        Returns the output, of x's shape, and a new cache with x's positions appended. `cache` is not changed.
        """
        q = apply_rope(self._heads(self.q_proj(x)), cos, sin)
        k = apply_rope(self._heads(self.k_proj(x)), cos, sin)
        v = self._heads(self.v_proj(x))
        if cache is not None:
            k, v = torch.cat([cache[0], k], dim=2), torch.cat([cache[1], v], dim=2)

        length, positions = q.shape[2], k.shape[2]
        # Row i is at position (positions - length + i) and attends to all positions up to its own.
        visible = torch.ones(length, positions, dtype=torch.bool).tril(diagonal=positions - length)
        scores = q @ self._per_query_head(k).transpose(2, 3) * self.head_dim**-0.5
        weights = scores.masked_fill(~visible, float("-inf")).softmax(dim=-1)
        y = (weights @ self._per_query_head(v)).transpose(1, 2).flatten(2)
        return self.o_proj(self.attn_sub_norm(y)), (k, v)

    def _heads(self, x: torch.Tensor) -> torch.Tensor:
        """[batch, length, heads * head_dim] -> [batch, heads, length, head_dim]."""
        return x.unflatten(-1, (-1, self.head_dim)).transpose(1, 2)

    def _per_query_head(self, x: torch.Tensor) -> torch.Tensor:
        """[batch, kv_heads, ...] -> [batch, heads, ...]: each KV head is repeated for the query heads that read it."""
        return x.repeat_interleave(self.queries_per_kv_head, dim=1)
