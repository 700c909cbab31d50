# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""Heads before and after attention.

In decode, a split turns the rows of qkv into rotated queries, and writes keys and values into the cache. A join joins
the heads that attention leaves, so that the output projection finds the heads of a row side by side.
"""

import ttnn
from models.bitnet.tt.kv_cache import LayerCache
from models.bitnet.tt.model_config import ModelConfig
from models.bitnet.tt.precision import FusedPrecision
from models.bitnet.tt.rope import Rotation
from models.common.lightweightmodule import LightweightModule


class StockSplit(LightweightModule):
    """Splits and rotates the heads of decode, and updates the cache, by three of the library's operations."""

    def __init__(self, config: ModelConfig):
        self.config = config

    def forward(
        self,
        qkv: ttnn.Tensor,
        rotation: Rotation,
        cache: LayerCache,
        page_table: ttnn.Tensor,
        positions: ttnn.Tensor,
    ) -> ttnn.Tensor:
        """[1, 1, users, heads of q, k and v] -> rotated queries [1, users, heads, head width]. Frees qkv."""
        q, k, v = ttnn.experimental.nlp_create_qkv_heads_decode(
            qkv,
            num_heads=self.config.heads,
            num_kv_heads=self.config.kv_heads,
            overlap_qk_coregrid=False,
            memory_config=self.config.programs.head_memory,
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
        return rotated_q


class FusedSplit(LightweightModule):
    """Splits and rotates the heads of decode, and updates the cache, by one fused program."""

    def __init__(self, config: ModelConfig):
        self.program = config.programs.rotate_and_cache

    def forward(
        self,
        qkv: ttnn.Tensor,
        rotation: Rotation,
        cache: LayerCache,
        page_table: ttnn.Tensor,
        positions: ttnn.Tensor,
    ) -> ttnn.Tensor:
        """[1, 1, users, heads of q, k and v] -> rotated queries [1, users, heads, head width]. Frees qkv."""
        queries = self.program(
            qkv, rotation.cos, rotation.sin, rotation.pairs, positions, page_table, cache.keys, cache.values
        )
        ttnn.deallocate(qkv)
        return queries


class StockJoin(LightweightModule):
    """Joins heads by the library's operations, and casts them to the dtype of activations."""

    def __init__(self, config: ModelConfig):
        self.config = config

    def forward_prefill(self, attended: ttnn.Tensor) -> ttnn.Tensor:
        """[1, heads, rows, head width] -> [1, 1, rows, heads * head width] in DRAM. Frees its input."""
        joined = typecast(_concatenate(attended), self.config.activations)
        return self._gather(joined, ttnn.DRAM_MEMORY_CONFIG)

    def forward_decode(self, attended: ttnn.Tensor) -> ttnn.Tensor:
        """[1, users, heads, head width] -> [1, 1, users, heads * head width], sharded in L1. Frees its input."""
        by_user = ttnn.to_memory_config(attended, self.config.programs.attention_memory)
        ttnn.deallocate(attended)
        joined = ttnn.experimental.nlp_concat_heads_decode(
            by_user, num_heads=self.config.heads, sub_core_grids=self.config.programs.joining_cores
        )
        ttnn.deallocate(by_user)
        # The joined tensor has a whole tile of rows. The reshape keeps the rows of the users.
        users, width = self.config.users, joined.shape[-1]
        joined = ttnn.reshape(joined, (1, 1, users, width), (1, 1, joined.shape[2], width))
        return self._gather(typecast(joined, self.config.activations), self.config.programs.heads_norm.memory)

    def _gather(self, joined: ttnn.Tensor, memory: ttnn.MemoryConfig) -> ttnn.Tensor:
        """All-gather of the heads of all devices. The heads of the model come first, padding behind them is dropped."""
        return self.config.parallelism.all_gather_first(joined, self.config.model.hidden_size, memory)


class FusedJoin(LightweightModule):
    """Joins heads for fused programs. These read prefill's heads in bfloat16, decode's where attention leaves them."""

    def forward_prefill(self, attended: ttnn.Tensor) -> ttnn.Tensor:
        """[1, heads, rows, head width] -> [1, 1, rows, heads * head width] in DRAM. Frees its input."""
        return _concatenate(attended)

    def forward_decode(self, attended: ttnn.Tensor) -> ttnn.Tensor:
        """[1, users, heads, head width] -> the same tensor. The fused program of `o` joins the heads."""
        return attended


def splitter(config: ModelConfig) -> StockSplit | FusedSplit:
    """`FusedSplit` if the precision uses fused programs, `StockSplit` otherwise."""
    return FusedSplit(config) if isinstance(config.precision, FusedPrecision) else StockSplit(config)


def joiner(config: ModelConfig) -> StockJoin | FusedJoin:
    """`FusedJoin` if the precision uses fused programs, `StockJoin` otherwise."""
    return FusedJoin() if isinstance(config.precision, FusedPrecision) else StockJoin(config)


def typecast(x: ttnn.Tensor, dtype: ttnn.DataType) -> ttnn.Tensor:
    """x in `dtype`. If the dtype changes, x is freed; otherwise x itself is returned."""
    if x.dtype == dtype:
        return x
    cast = ttnn.typecast(x, dtype)
    ttnn.deallocate(x)
    return cast


def _concatenate(attended: ttnn.Tensor) -> ttnn.Tensor:
    joined = ttnn.experimental.nlp_concat_heads(attended, memory_config=ttnn.DRAM_MEMORY_CONFIG)
    ttnn.deallocate(attended)
    return joined
