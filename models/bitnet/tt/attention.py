# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""Attention: q, k, v = norm(x) @ Wqkv;  a = softmax(rope(q) . rope(k) * scale) . v;  x + norm(a) @ Wo.

A model without sub-norms has no norm before Wo.
"""

from collections.abc import Mapping

import torch

import ttnn
from models.bitnet.tt.heads import joiner, splitter, typecast
from models.bitnet.tt.kv_cache import LayerCache
from models.bitnet.tt.model_config import ModelConfig
from models.bitnet.tt.projection import projection
from models.bitnet.tt.rope import Rotation
from models.bitnet.tt.weights.packing import fuse_qkv, permute_rows_for_device_rope
from models.bitnet.tt.weights.scales import LayerScales
from models.bitnet.tt.weights.upload import DeviceWeights
from models.common.lightweightmodule import LightweightModule


class Attention(LightweightModule):
    """Grouped-query attention over a paged KV cache.

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
        self.config = config
        self.scale = scales.softmax
        model = config.model
        self.heads = {"num_heads": config.heads, "num_kv_heads": config.kv_heads}
        q, k, v = (state[f"{prefix}.{name}_proj.weight"] for name in "qkv")
        fused = fuse_qkv(
            permute_rows_for_device_rope(q, model.num_attention_heads, model.head_dim),
            permute_rows_for_device_rope(k, model.num_key_value_heads, model.head_dim),
            v,
            model.num_key_value_heads,
            config.parallelism.chips,
        )
        o = state[f"{prefix}.o_proj.weight"]
        self.qkv = projection(config, weights, "qkv", {f"{prefix}.qkv_proj": fused}, scales.qkv)
        self.o = projection(config, weights, "o", {f"{prefix}.o_proj": o}, scales.o)
        self.split, self.join = splitter(config), joiner(config)

    def forward_prefill(
        self,
        x: ttnn.Tensor,
        rotation: Rotation,
        cache: LayerCache,
        page_table: ttnn.Tensor,
        chunk: ttnn.Tensor,
        start: int,
    ) -> ttnn.Tensor:
        """The residual stream of tokens of one user, at positions [start, start + rows) -> the same. Frees x.

        x: [1, 1, rows, hidden] in DRAM; page_table: int32 [1, blocks], all blocks of the user; chunk: int32
        [1, blocks], the blocks of these tokens. Writes the tokens' keys and values. A token attends to all positions up
        to its own.
        """
        qkv = self.qkv.forward_prefill(x)
        q, k, v = ttnn.experimental.nlp_create_qkv_heads(
            qkv, **self.heads, transpose_k_heads=False, memory_config=ttnn.DRAM_MEMORY_CONFIG
        )
        ttnn.deallocate(qkv)
        rotated_q = self._rotate(q, rotation)
        rotated_k = self._rotate(k, rotation)

        keys = typecast(rotated_k, self.config.cache_dtype)
        values = typecast(v, self.config.cache_dtype)
        ttnn.experimental.paged_fill_cache(cache.keys, keys, chunk, batch_idx=0)
        ttnn.experimental.paged_fill_cache(cache.values, values, chunk, batch_idx=0)
        attended = ttnn.transformer.chunked_scaled_dot_product_attention(
            rotated_q,
            cache.keys,
            cache.values,
            page_table,
            start,
            scale=self.scale,
            program_config=self.config.prefill_attention(rotated_q.shape[2], cache.keys.shape[2]),
            compute_kernel_config=self.config.attention_compute,
        )
        for tensor in (rotated_q, keys, values):
            ttnn.deallocate(tensor)
        joined = self.join.forward_prefill(attended)
        y = self.o.forward_prefill(joined, x)
        ttnn.deallocate(joined)
        return y

    def forward_decode(
        self, x: ttnn.Tensor, rotation: Rotation, cache: LayerCache, page_table: ttnn.Tensor, positions: ttnn.Tensor
    ) -> ttnn.Tensor:
        """The residual stream of one token of each user -> the same. Frees x.

        x: [1, 1, users, hidden], width-sharded in L1; the other arguments are those of `attend`.
        """
        heads = self.attend(self.qkv.forward_decode(x), rotation, cache, page_table, positions)
        y = self.o.forward_decode(heads, x)
        ttnn.deallocate(heads)
        return y

    def attend(
        self, qkv: ttnn.Tensor, rotation: Rotation, cache: LayerCache, page_table: ttnn.Tensor, positions: ttnn.Tensor
    ) -> ttnn.Tensor:
        """The results of projection qkv for one token of each user -> the attended heads, as `o` takes them. Frees qkv.

        page_table: int32 [users, blocks]; positions: int32 [users]. A user with position -1 is idle and is skipped.
        """
        queries = self.split(qkv, rotation, cache, page_table, positions)
        attended = ttnn.transformer.paged_scaled_dot_product_attention_decode(
            queries,
            cache.keys,
            cache.values,
            page_table,
            cur_pos_tensor=positions,
            scale=self.scale,
            program_config=self.config.decode_attention,
            compute_kernel_config=self.config.attention_compute,
            memory_config=ttnn.L1_MEMORY_CONFIG,
        )
        ttnn.deallocate(queries)
        return self.join.forward_decode(attended)

    def _rotate(self, heads: ttnn.Tensor, rotation: Rotation) -> ttnn.Tensor:
        """The heads, turned by the angles. Frees `heads`."""
        rotated = ttnn.experimental.rotary_embedding_llama(
            heads, rotation.cos, rotation.sin, rotation.pairs, is_decode_mode=False
        )
        ttnn.deallocate(heads)
        return rotated
