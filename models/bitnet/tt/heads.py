# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""Attention's results on their way to the output projection: the heads of a row side by side."""

import ttnn
from models.bitnet.tt.model_config import ModelConfig
from models.common.lightweightmodule import LightweightModule


class StockJoin(LightweightModule):
    """By the library's operations, in the data type that travels between operations."""

    def __init__(self, config: ModelConfig):
        self.config = config

    def forward_prefill(self, attended: ttnn.Tensor) -> ttnn.Tensor:
        """[1, heads, rows, head width] -> [1, 1, rows, heads * head width] in DRAM. Consumes its input."""
        joined = typecast(_concatenate(attended), self.config.activations)
        return self._gather(joined, ttnn.DRAM_MEMORY_CONFIG)

    def forward_decode(self, attended: ttnn.Tensor) -> ttnn.Tensor:
        """[1, users, heads, head width] -> [1, 1, users, heads * head width], sharded in L1. Consumes its input."""
        by_user = ttnn.to_memory_config(attended, self.config.attention_memory)
        ttnn.deallocate(attended)
        joined = ttnn.experimental.nlp_concat_heads_decode(
            by_user, num_heads=self.config.heads, sub_core_grids=self.config.joining_cores
        )
        ttnn.deallocate(by_user)
        # the joined tensor has a whole tile of rows: look at the users' only
        users, width = self.config.users, joined.shape[-1]
        joined = ttnn.reshape(joined, (1, 1, users, width), (1, 1, joined.shape[2], width))
        return self._gather(typecast(joined, self.config.activations), self.config.heads_norm.memory)

    def _gather(self, joined: ttnn.Tensor, memory: ttnn.MemoryConfig) -> ttnn.Tensor:
        """All chips' heads; the model's are the first."""
        return self.config.parallelism.all_gather_first(joined, self.config.model.hidden_size, memory)


class OwnJoin(LightweightModule):
    """Our own programs read decode's heads where attention left them, and prefill's as bfloat16."""

    def forward_prefill(self, attended: ttnn.Tensor) -> ttnn.Tensor:
        """As `StockJoin`."""
        return _concatenate(attended)

    def forward_decode(self, attended: ttnn.Tensor) -> ttnn.Tensor:
        """[1, users, heads, head width], as it is."""
        return attended


def joiner(config: ModelConfig) -> StockJoin | OwnJoin:
    """What the precision's projections want."""
    return OwnJoin() if config.precision.fused_programs else StockJoin(config)


def typecast(x: ttnn.Tensor, dtype: ttnn.DataType) -> ttnn.Tensor:
    """x in `dtype`, consumed if that makes another tensor."""
    if x.dtype == dtype:
        return x
    cast = ttnn.typecast(x, dtype)
    ttnn.deallocate(x)
    return cast


def _concatenate(attended: ttnn.Tensor) -> ttnn.Tensor:
    joined = ttnn.experimental.nlp_concat_heads(attended, memory_config=ttnn.DRAM_MEMORY_CONFIG)
    ttnn.deallocate(attended)
    return joined
