# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""A BitNet decode layer as a general transformer library would run it on ttnn, for comparison.

The matmuls and weights are the same, but the rest is written as general code: a separate program multiplies by each
weight scale, tensors return to one layout between blocks, queries and keys are rotated separately, and the caches of
keys and values are updated separately. The layer computes the same as `DecoderLayer`. Only its programs and its time on
the host are compared.
"""

import torch

import ttnn
from models.bitnet.tt.decoder import DecoderLayer
from models.bitnet.tt.kv_cache import LayerCache
from models.bitnet.tt.layout import first_cores, users_memory_config
from models.bitnet.tt.model_config import ModelConfig
from models.bitnet.tt.rope import RotaryEmbedding

_INTERLEAVED = ttnn.L1_MEMORY_CONFIG
_RELU_SQUARED = [ttnn.UnaryWithParam(ttnn.UnaryOpType.RELU), ttnn.UnaryWithParam(ttnn.UnaryOpType.SQUARE)]


class PlainLayer:
    """A plain layer with the weights of an existing `layer` in precision performance."""

    def __init__(self, config: ModelConfig, layer: DecoderLayer, rope: RotaryEmbedding):
        self.layer, self.config = layer, config
        width = config.model.head_dim
        self.user_memory = users_memory_config(config.users, width, first_cores(config.users, config.chip, wide=8))
        pairs = ttnn.to_torch(rope.pairs).repeat(1, 1, config.users, 1)
        cores = first_cores(config.users, config.chip, wide=8)
        self.pairs = ttnn.from_torch(
            pairs,
            dtype=ttnn.bfloat16,
            layout=ttnn.TILE_LAYOUT,
            device=config.device,
            memory_config=users_memory_config(config.users, 32, cores),
        )
        angles = torch.randn(1, config.users, 1, width)
        self.cos, self.sin = (
            ttnn.from_torch(
                f(angles),
                dtype=ttnn.bfloat16,
                layout=ttnn.TILE_LAYOUT,
                device=config.device,
                memory_config=self.user_memory,
            )
            for f in (torch.cos, torch.sin)
        )

    def forward_decode(
        self, x: ttnn.Tensor, cache: LayerCache, page_table: ttnn.Tensor, positions: ttnn.Tensor
    ) -> ttnn.Tensor:
        """The residual stream of one token of each user -> the same after this layer."""
        x = ttnn.add(x, self._attention(x, cache, page_table, positions), memory_config=self.config.residual_memory)
        return ttnn.add(x, self._mlp(x), memory_config=self.config.residual_memory)

    def _attention(self, x, cache, page_table, positions):
        attention, config = self.layer.attention, self.config
        rows = attention.qkv.rows.norm.forward_decode(x)
        qkv = ttnn.multiply(self._project(attention.qkv.linears[0], rows), 1.0)
        qkv = ttnn.sharded_to_interleaved(qkv, _INTERLEAVED)
        q, k, v = ttnn.experimental.nlp_create_qkv_heads_decode(
            qkv, **attention.heads, memory_config=ttnn.L1_HEIGHT_SHARDED_MEMORY_CONFIG
        )
        q, k = (
            ttnn.experimental.rotary_embedding_llama(heads, self.cos, self.sin, self.pairs, is_decode_mode=True)
            for heads in (q, k)
        )
        for pool, heads in ((cache.keys, k), (cache.values, v)):
            ttnn.experimental.paged_update_cache(pool, heads, update_idxs_tensor=positions, page_table=page_table)
        attended = ttnn.transformer.paged_scaled_dot_product_attention_decode(
            q,
            cache.keys,
            cache.values,
            page_table,
            cur_pos_tensor=positions,
            scale=attention.scale,
            program_config=config.decode_attention,
            compute_kernel_config=config.attention_compute,
            memory_config=ttnn.DRAM_MEMORY_CONFIG,
        )
        joined = ttnn.experimental.nlp_concat_heads_decode(
            ttnn.to_memory_config(attended, config.programs.attention_memory),
            num_heads=config.model.num_attention_heads,
        )
        users, width = config.users, joined.shape[-1]
        joined = ttnn.to_memory_config(joined, _INTERLEAVED)
        joined = ttnn.reshape(joined, (1, 1, users, width), (1, 1, joined.shape[2], width))
        joined = ttnn.to_memory_config(joined, config.programs.heads_norm.memory)
        y = ttnn.multiply(self._project(attention.o.linears[0], attention.o.rows.norm.forward_decode(joined)), 1.0)
        return self._home(y)

    def _mlp(self, x):
        mlp = self.layer.mlp
        rows = mlp.gate_up.rows.norm.forward_decode(x)
        gate, up = (ttnn.multiply(self._project(linear, rows), 1.0) for linear in mlp.gate_up.linears)
        memory = self.config.programs.hidden_memory
        hidden = ttnn.multiply(gate, up, input_tensor_a_activations=_RELU_SQUARED, memory_config=memory)
        y = ttnn.multiply(self._project(mlp.down.linears[0], mlp.down.rows.norm.forward_decode(hidden)), 1.0)
        return self._home(y)

    @staticmethod
    def _project(projection, rows: ttnn.Tensor) -> ttnn.Tensor:
        matmul = projection.config
        return ttnn.linear(
            rows,
            projection.weight,
            program_config=matmul.decode_program,
            compute_kernel_config=matmul.compute,
            dtype=projection.dtype,
            memory_config=matmul.decode_memory,
        )

    def _home(self, y: ttnn.Tensor) -> ttnn.Tensor:
        """Move a result through the interleaved layout to the layout of the residual stream."""
        return ttnn.to_memory_config(ttnn.to_memory_config(y, _INTERLEAVED), self.config.residual_memory)
