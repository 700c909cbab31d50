# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""The KV cache on the device, and the host's book of which block belongs to whom.

The cache is a pool of blocks of `block_size` positions; a page table lists each user's blocks in order. A contiguous
cache is the same pool with a table that never changes: every user owns a fixed run of blocks.
"""

from dataclasses import dataclass

import torch
import ttnn

from models.bitnet.tt.layout import TILE
from models.bitnet.tt.model_config import ModelConfig

# decode attention reads keys in chunks of up to this many positions, also past a user's own, and masks what is too much
ATTENTION_CHUNK = 8 * TILE


class OutOfBlocks(RuntimeError):
    """The pool has no free block left for a request."""


@dataclass(frozen=True)
class PagedAttentionConfig:
    """The pool: `max_num_blocks` blocks of `block_size` positions, a power of two of at least one tile (32)."""

    block_size: int = 32
    max_num_blocks: int = 1024

    def __post_init__(self) -> None:
        if self.block_size < TILE or self.block_size & (self.block_size - 1):
            raise ValueError(f"block_size is {self.block_size}, must be a power of two, {TILE} or more")
        if self.max_num_blocks < 1:
            raise ValueError("max_num_blocks must be at least 1")

    @classmethod
    def contiguous(cls, users: int, max_seq_len: int, block_size: int = 32) -> "PagedAttentionConfig":
        """A pool in which every user has all the blocks it can ever need."""
        return cls(block_size, users * -(-max_seq_len // block_size))


@dataclass(frozen=True)
class LayerCache:
    """Keys and values of one layer: each [blocks, kv_heads, block_size, head_dim] in DRAM."""

    keys: ttnn.Tensor
    values: ttnn.Tensor


def table_width(blocks: int, block_size: int) -> int:
    """Columns that a page table of `blocks` blocks has on the device: whole chunks of keys, or attention reads past its
    end and takes what lies there for a block's number."""
    chunk = max(ATTENTION_CHUNK // block_size, 1)
    return -(-blocks // chunk) * chunk


def allocate_kv_cache(config: ModelConfig, paging: PagedAttentionConfig) -> list[LayerCache]:
    """Zeroed caches for all layers. The library wants at least as many blocks as a page table has columns."""
    blocks = table_width(paging.max_num_blocks, paging.block_size)
    shape = [blocks, config.model.num_key_value_heads, paging.block_size, config.model.head_dim]

    def zeros() -> ttnn.Tensor:
        return ttnn.zeros(
            shape,
            dtype=config.cache_dtype,
            layout=ttnn.TILE_LAYOUT,
            device=config.device,
            memory_config=ttnn.DRAM_MEMORY_CONFIG,
        )

    return [LayerCache(zeros(), zeros()) for _ in range(config.model.num_hidden_layers)]


class BlockPool:
    """Which blocks are free, and each user's page table.

    A pool with blocks for every user's whole context is contiguous: each user owns a fixed run of them for good.
    """

    def __init__(self, paging: PagedAttentionConfig, users: int, max_seq_len: int):
        self.block_size = paging.block_size
        # the width of a page table: a whole context, or the whole pool if that is less
        self.blocks_per_user = min(-(-max_seq_len // paging.block_size), paging.max_num_blocks)
        self.contiguous = paging.max_num_blocks >= users * self.blocks_per_user
        blocks = list(range(paging.max_num_blocks))
        runs = [blocks[u * self.blocks_per_user : (u + 1) * self.blocks_per_user] for u in range(users)]
        self._owned: list[list[int]] = runs if self.contiguous else [[] for _ in range(users)]
        self._free: list[int] = [] if self.contiguous else blocks[::-1]

    @property
    def free_blocks(self) -> int:
        return len(self._free)

    def reserve(self, user: int, positions: int) -> bool:
        """Give `user` blocks for its first `positions` positions. True if its table grew; all or nothing."""
        missing = -(-positions // self.block_size) - len(self._owned[user])
        if missing > len(self._free):
            raise OutOfBlocks(
                f"the KV cache is full: {positions} positions need {missing} more blocks of {self.block_size}, "
                f"{len(self._free)} are free; end a request or use a larger cache"
            )
        self._owned[user] += [self._free.pop() for _ in range(missing)]
        return missing > 0

    def release(self, user: int) -> None:
        """Take a finished user's blocks back."""
        if self.contiguous:
            return
        self._free += self._owned[user][::-1]
        self._owned[user] = []

    def page_table(self) -> torch.Tensor:
        """int32 [users, blocks_per_user]; entries past a user's blocks are 0: what is read there is masked."""
        table = torch.zeros(len(self._owned), self.blocks_per_user, dtype=torch.int32)
        for user, blocks in enumerate(self._owned):
            table[user, : len(blocks)] = torch.tensor(blocks, dtype=torch.int32)
        return table
