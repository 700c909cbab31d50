# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""The KV cache on the device.

The cache is a pool of blocks of `block_size` positions. A page table lists the blocks of each user in order: see
`engine.blocks`. A contiguous cache is the same pool with a table that never changes, in which the blocks of a user lie
one behind the other.
"""

from dataclasses import dataclass

import ttnn
from models.bitnet.tt.layout import TILE
from models.bitnet.tt.model_config import ModelConfig

# Decode attention reads keys in chunks of up to this many positions. It reads past the user's last position, and masks
# these keys.
ATTENTION_CHUNK = 8 * TILE


@dataclass(frozen=True)
class PagedAttentionConfig:
    """The pool: `max_num_blocks` blocks of `block_size` positions. `block_size` is a power of two, 32 or more."""

    block_size: int = 32
    max_num_blocks: int = 1024

    def __post_init__(self) -> None:
        if self.block_size < TILE or self.block_size & (self.block_size - 1):
            raise ValueError(f"block_size is {self.block_size}, must be a power of two, {TILE} or more")
        if self.max_num_blocks < 1:
            raise ValueError("max_num_blocks must be at least 1")

    @classmethod
    def contiguous(cls, users: int, max_seq_len: int, block_size: int = 128) -> "PagedAttentionConfig":
        """A pool that has blocks for `max_seq_len` positions of every user."""
        return cls(block_size, users * -(-max_seq_len // block_size))


@dataclass(frozen=True)
class LayerCache:
    """Keys and values of one layer: each [blocks, kv_heads, block_size, head_dim] in DRAM.

    Tensor parallel: every device has the keys and values of its own KV heads.
    """

    keys: ttnn.Tensor
    values: ttnn.Tensor


def table_width(blocks: int, block_size: int) -> int:
    """Columns that a page table of `blocks` blocks has on the device.

    They make up whole chunks of keys. Otherwise attention would read past the end of the table, and would take what
    lies there for the number of a block.
    """
    chunk = max(ATTENTION_CHUNK // block_size, 1)
    return -(-blocks // chunk) * chunk


def allocate_kv_cache(config: ModelConfig, paging: PagedAttentionConfig) -> list[LayerCache]:
    """Caches of zeros for all layers. The library needs at least as many blocks as a page table has columns."""
    blocks = table_width(paging.max_num_blocks, paging.block_size)
    shape = [blocks, config.kv_heads, paging.block_size, config.model.head_dim]

    def zeros() -> ttnn.Tensor:
        return ttnn.zeros(
            shape,
            dtype=config.cache_dtype,
            layout=ttnn.TILE_LAYOUT,
            device=config.device,
            memory_config=ttnn.DRAM_MEMORY_CONFIG,
        )

    return [LayerCache(zeros(), zeros()) for _ in range(config.model.num_hidden_layers)]
