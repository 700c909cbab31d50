# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""The whole model on the device, from tokens to what its heads read. The caller passes the KV cache and every input."""

from collections.abc import Mapping

import torch

import ttnn
from models.bitnet.tt.decode_layers import decode_layers
from models.bitnet.tt.decoder import DecoderLayer, ResidualHook, no_hook
from models.bitnet.tt.embedding import DecodeLookUp, Embedding
from models.bitnet.tt.kv_cache import LayerCache
from models.bitnet.tt.layout import TILE
from models.bitnet.tt.lm_head import lm_head
from models.bitnet.tt.model_config import ModelConfig
from models.bitnet.tt.rms_norm import RMSNorm
from models.bitnet.tt.rope import RotaryEmbedding
from models.bitnet.tt.two_pass_head import TwoPassHead
from models.bitnet.tt.weights.upload import DeviceWeights
from models.common.lightweightmodule import LightweightModule


class BitNetModel(LightweightModule):
    """The model of a normalised state dict; see `weights.state_dict`.

    `lm_head` makes all logits. `two_pass_head`, if the precision has one, finds the likeliest tokens of a decode step.
    """

    def __init__(self, config: ModelConfig, weights: DeviceWeights, state: Mapping[str, torch.Tensor]):
        self.config = config
        model = config.model
        self.rope = RotaryEmbedding(config)
        self.embedding = Embedding(config, weights, state["model.embed_tokens.weight"])
        self.decode_look_up = DecodeLookUp(config, self.embedding.table, self.rope)
        self.layers = [DecoderLayer(config, weights, state, i) for i in range(model.num_hidden_layers)]
        self.decode_layers = decode_layers(config, self.layers)
        self.norm = RMSNorm(config, state["model.norm.weight"], model.rms_norm_eps, config.residual_norm)
        is_tied = "lm_head.weight" not in state
        words = state["model.embed_tokens.weight" if is_tied else "lm_head.weight"]
        self.lm_head = lm_head(config, weights, words)
        self.two_pass_head: TwoPassHead | None = None
        if config.has_two_pass_head:
            table = self.embedding.table if is_tied else weights.load_table("lm_head", words, ttnn.bfloat16)
            self.two_pass_head = TwoPassHead(config, weights, words, table)

    def forward_prefill(
        self,
        tokens: ttnn.Tensor,
        cache: list[LayerCache],
        page_table: ttnn.Tensor,
        chunk: ttnn.Tensor,
        start: int,
        last: int | None,
        on_residual: ResidualHook = no_hook,
    ) -> ttnn.Tensor | None:
        """Fills the cache with one chunk of one user's prompt, at positions [start, start + rows).

        tokens: uint32 [1, rows], rows a multiple of 32; page_table, chunk: see `Attention.forward_prefill`. If `last`
        is a row of this chunk, the result is the logits [1, 1, 32, vocabulary] of the 32 tokens around it, in which its
        row is last % 32. `on_residual` gets the residual stream after the embedding and after every sub-block, under
        the reference's names.
        """
        x = self.embedding.forward_prefill(tokens)
        on_residual("model.embed_tokens", x)
        rotation = self.rope.forward_prefill(start, tokens.shape[-1])
        for layer, layer_cache in zip(self.layers, cache):
            x = layer.forward_prefill(x, rotation, layer_cache, page_table, chunk, start, on_residual)
        rotation.deallocate()
        if last is None:
            ttnn.deallocate(x)
            return None
        first = last // TILE * TILE
        tile = ttnn.slice(x, [0, 0, first, 0], [1, 1, first + TILE, x.shape[-1]])
        x = self.norm.forward_prefill(tile)
        logits = self.lm_head(x)
        ttnn.deallocate(x)
        return logits

    def forward_decode(
        self,
        tokens: ttnn.Tensor,
        positions: ttnn.Tensor,
        page_table: ttnn.Tensor,
        cache: list[LayerCache],
        on_residual: ResidualHook = no_hook,
    ) -> ttnn.Tensor:
        """One token of each user -> rows [1, 1, users, hidden], width-sharded in L1. A head makes logits of them.

        tokens: uint32 [1, 1, users]; positions: int32 [users], -1 for an idle user; page_table: int32 [users, blocks].
        """
        x, rotation = self.decode_look_up(tokens, positions)
        on_residual("model.embed_tokens", x)
        x = self.decode_layers(x, rotation, cache, page_table, positions, on_residual)
        rotation.deallocate()
        return self.norm.forward_decode(x)
