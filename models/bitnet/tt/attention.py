# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""q, k, v = x @ Wqkv;  a = softmax(rope(q) . rope(k) * scale) . v;  y = norm(a) @ Wo."""

from collections.abc import Mapping

import torch
import ttnn

from models.bitnet.tt.bit_linear import BitLinear
from models.bitnet.tt.device_weights import DeviceWeights
from models.bitnet.tt.kv_cache import LayerCache
from models.bitnet.tt.model_config import ModelConfig
from models.bitnet.tt.packing import fuse_qkv, permute_rows_for_device_rope
from models.bitnet.tt.rms_norm import RMSNorm
from models.bitnet.tt.rope import Rotation
from models.bitnet.tt.scales import LayerScales
from models.common.lightweightmodule import LightweightModule


class Attention(LightweightModule):
    """Grouped-query attention over a paged cache. `state` holds ternary projections under Hugging Face's names."""

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
        self.heads = {"num_heads": model.num_attention_heads, "num_kv_heads": model.num_key_value_heads}
        q, k, v = (state[f"{prefix}.{name}_proj.weight"] for name in "qkv")
        fused = fuse_qkv(
            permute_rows_for_device_rope(q, model.num_attention_heads, model.head_dim),
            permute_rows_for_device_rope(k, model.num_key_value_heads, model.head_dim),
            v,
        )
        # attention kernels take bfloat16, whatever travels between the other operations
        self.qkv = BitLinear(config, weights, f"{prefix}.qkv_proj", fused, config.qkv, dtype=ttnn.bfloat16)
        self.o = BitLinear(config, weights, f"{prefix}.o_proj", state[f"{prefix}.o_proj.weight"], config.o)
        self.norm = RMSNorm(config, scales.attention_gamma, scales.attention_eps, config.heads_norm)

    def forward_prefill(
        self,
        x: ttnn.Tensor,
        rotation: Rotation,
        cache: LayerCache,
        page_table: ttnn.Tensor,
        chunk: ttnn.Tensor,
        start: int,
    ) -> ttnn.Tensor:
        """One user's rows at positions [start, start + rows). Consumes x.

        x: [1, 1, rows, hidden] in DRAM; page_table: int32 [1, blocks], all of the user's blocks; chunk: int32
        [1, blocks of these rows]. Writes the rows' keys and values, attends to all positions up to each row's.
        """
        rows = self.qkv.rows.quantise(x, ttnn.DRAM_MEMORY_CONFIG)
        qkv = self.qkv.forward_prefill(rows)
        rows.deallocate()
        q, k, v = ttnn.experimental.nlp_create_qkv_heads(
            qkv, **self.heads, transpose_k_heads=False, memory_config=ttnn.DRAM_MEMORY_CONFIG
        )
        ttnn.deallocate(qkv)
        rotated_q = self._rotate(q, rotation)
        rotated_k = self._rotate(k, rotation)

        keys = _typecast(rotated_k, self.config.cache_dtype)
        values = _typecast(v, self.config.cache_dtype)
        ttnn.experimental.paged_fill_cache(cache.keys, keys, chunk, batch_idx=0)
        ttnn.experimental.paged_fill_cache(cache.values, values, chunk, batch_idx=0)
        attended = ttnn.transformer.chunked_scaled_dot_product_attention(
            rotated_q,
            cache.keys,
            cache.values,
            page_table,
            start,
            scale=self.scale,
            program_config=self.config.prefill_attention(rotated_q.shape[2]),
            compute_kernel_config=self.config.attention_compute,
        )
        for tensor in (rotated_q, keys, values):
            ttnn.deallocate(tensor)
        joined = ttnn.experimental.nlp_concat_heads(attended, memory_config=ttnn.DRAM_MEMORY_CONFIG)
        ttnn.deallocate(attended)
        return self._output(joined, self.norm.forward_prefill, self.o.forward_prefill, ttnn.DRAM_MEMORY_CONFIG)

    def forward_decode(
        self, x: ttnn.Tensor, rotation: Rotation, cache: LayerCache, page_table: ttnn.Tensor, positions: ttnn.Tensor
    ) -> ttnn.Tensor:
        """One row a user, each at its own position (-1: an idle user, skipped). Consumes x.

        x: [1, 1, users, hidden], width-sharded in L1; page_table: int32 [users, blocks]; positions: int32 [users].
        """
        rows = self.qkv.rows.quantise(x, self.config.residual_memory)
        qkv = self.qkv.forward_decode(rows)
        rows.deallocate()
        q, k, v = ttnn.experimental.nlp_create_qkv_heads_decode(
            qkv, **self.heads, overlap_qk_coregrid=False, memory_config=self.config.head_memory
        )
        ttnn.deallocate(qkv)
        rotated_q, rotated_k = ttnn.experimental.rotary_embedding_llama_fused_qk(
            q, k, rotation.cos, rotation.sin, rotation.pairs
        )
        ttnn.deallocate(q)
        ttnn.deallocate(k)
        ttnn.experimental.paged_fused_update_cache(
            cache.keys, rotated_k, cache.values, v, update_idxs_tensor=positions, page_table=page_table
        )
        ttnn.deallocate(rotated_k)
        ttnn.deallocate(v)
        attended = ttnn.transformer.paged_scaled_dot_product_attention_decode(
            rotated_q,
            cache.keys,
            cache.values,
            page_table,
            cur_pos_tensor=positions,
            scale=self.scale,
            program_config=self.config.decode_attention,
            compute_kernel_config=self.config.attention_compute,
            memory_config=ttnn.L1_MEMORY_CONFIG,
        )
        ttnn.deallocate(rotated_q)
        by_user = ttnn.to_memory_config(attended, self.config.attention_memory)
        ttnn.deallocate(attended)
        joined = ttnn.experimental.nlp_concat_heads_decode(
            by_user, num_heads=self.heads["num_heads"], sub_core_grids=self.config.joining_cores
        )
        ttnn.deallocate(by_user)
        # the joined tensor has a whole tile of rows: look at the users' only
        users, width = self.config.users, joined.shape[-1]
        joined = ttnn.reshape(joined, (1, 1, users, width), (1, 1, joined.shape[2], width))
        return self._output(joined, self.norm.forward_decode, self.o.forward_decode, joined.memory_config())

    def _output(self, joined: ttnn.Tensor, norm, project, memory: ttnn.MemoryConfig) -> ttnn.Tensor:
        """norm(a) @ Wo. Consumes `joined`."""
        attended = _typecast(joined, self.config.activations)
        normed = norm(attended)
        ttnn.deallocate(attended)
        rows = self.o.rows.quantise(normed, memory)
        y = project(rows)
        rows.deallocate()
        return y

    def _rotate(self, heads: ttnn.Tensor, rotation: Rotation) -> ttnn.Tensor:
        """Consumes the heads."""
        rotated = ttnn.experimental.rotary_embedding_llama(
            heads, rotation.cos, rotation.sin, rotation.pairs, is_decode_mode=False
        )
        ttnn.deallocate(heads)
        return rotated


def _typecast(x: ttnn.Tensor, dtype: ttnn.DataType) -> ttnn.Tensor:
    """x in `dtype`, consumed if that makes another tensor."""
    if x.dtype == dtype:
        return x
    cast = ttnn.typecast(x, dtype)
    ttnn.deallocate(x)
    return cast
