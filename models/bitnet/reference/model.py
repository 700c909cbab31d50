# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0

"""The whole model: tokens in, logits out, with a key/value cache that the caller holds."""

from collections.abc import Mapping
from typing import Any

import torch

from models.bitnet.reference.attention import LayerCache
from models.bitnet.reference.decoder import DecoderLayer, ResidualHook, no_hook
from models.bitnet.reference.rms_norm import RMSNorm
from models.bitnet.reference.rope import rope_tables

Cache = list[LayerCache]  # one (keys, values) pair for each layer


class Model:
    """The reference model, from a config and a state dict with Hugging Face's names.

    If the state dict has no `lm_head.weight`, the embedding is the output matrix too.
    """

    def __init__(self, config: Any, state: Mapping[str, torch.Tensor]) -> None:
        self.config = config
        self.embedding = state["model.embed_tokens.weight"]
        self.layers = [DecoderLayer(config, state, f"model.layers.{i}") for i in range(config.num_hidden_layers)]
        self.norm = RMSNorm(config, state, "model.norm")
        self.lm_head = state.get("lm_head.weight", self.embedding).float()

    def prefill(self, tokens: torch.Tensor, on_residual: ResidualHook = no_hook) -> tuple[torch.Tensor, Cache]:
        """tokens: [batch, length], from position 0 -> (logits [batch, length, vocab], cache of those positions)."""
        return self._forward(tokens, [None] * len(self.layers), 0, on_residual)

    def decode(
        self, tokens: torch.Tensor, cache: Cache, on_residual: ResidualHook = no_hook
    ) -> tuple[torch.Tensor, Cache]:
        """tokens: [batch], one token of each sequence -> (logits [batch, vocab], cache that is one position longer).

        The tokens are at the position after the last position of `cache`. All sequences of a batch have one length.
        Sequences of different lengths need one call each.
        """
        logits, cache = self._forward(tokens[:, None], cache, cache[0][0].shape[2], on_residual)
        return logits[:, 0], cache

    def _forward(
        self, tokens: torch.Tensor, cache: list[LayerCache | None], start: int, on_residual: ResidualHook
    ) -> tuple[torch.Tensor, Cache]:
        """tokens [batch, length] at the positions from `start` on -> (logits [batch, length, vocab], new cache)."""
        cos, sin = rope_tables(self.config, start, tokens.shape[1])
        x = self.embedding[tokens].float()
        on_residual("model.embed_tokens", x)
        new_cache = []
        for layer, layer_cache in zip(self.layers, cache, strict=True):
            x, layer_cache = layer(x, cos, sin, layer_cache, on_residual)
            new_cache.append(layer_cache)
        return self.norm(x) @ self.lm_head.T, new_cache
