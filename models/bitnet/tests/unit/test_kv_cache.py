# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""The pool of KV cache blocks: no block has two users, none is lost, and a request that does not fit has no effect."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

import ttnn
from models.bitnet.perf.random_weights import shape
from models.bitnet.tests.common import TINY, every_precision
from models.bitnet.tt.engine.blocks import BlockPool, OutOfBlocks
from models.bitnet.tt.kv_cache import PagedAttentionConfig, allocate_kv_cache
from models.bitnet.tt.model_config import ModelConfig


@pytest.mark.parametrize("block_size, blocks", [(0, 4), (16, 4), (33, 4), (96, 4), (-32, 4), (32, 0), (32, -1)])
def test_paging_refuses(block_size, blocks):
    with pytest.raises(ValueError, match="block_size|max_num_blocks"):
        PagedAttentionConfig(block_size, blocks)


@pytest.mark.parametrize("max_seq_len, blocks", [(1, 1), (31, 1), (32, 1), (33, 2), (4096, 128)])
def test_contiguous_pool_has_every_users_blocks_for_good(max_seq_len, blocks):
    """Each user has a fixed run of blocks before and after requests. The page table never changes."""
    paging = PagedAttentionConfig.contiguous(7, max_seq_len, block_size=32)
    assert (paging.block_size, paging.max_num_blocks) == (32, 7 * blocks)
    pool = BlockPool(paging, 7, max_seq_len)
    table = torch.arange(7 * blocks, dtype=torch.int32).reshape(7, blocks)
    assert torch.equal(pool.page_table(), table)
    for user in (3, 0, 6):
        assert not pool.reserve(user, max_seq_len)
        pool.release(user)
        assert torch.equal(pool.page_table(), table)


def test_reserve_counts_positions_in_blocks():
    pool = BlockPool(PagedAttentionConfig(32, 9), 4, 96)
    assert pool.free_blocks == 9
    assert not pool.reserve(0, 0)
    assert pool.reserve(0, 1) and pool.free_blocks == 8
    assert not pool.reserve(0, 32) and pool.free_blocks == 8
    assert pool.reserve(0, 33) and pool.free_blocks == 7
    assert not pool.reserve(0, 5) and pool.free_blocks == 7, "a table never shrinks before its request ends"
    assert pool.reserve(2, 96) and pool.free_blocks == 4
    table = pool.page_table()
    assert table.dtype == torch.int32 and table.shape == (4, 3)
    assert len({*table[0, :2].tolist(), *table[2].tolist()}) == 5
    assert (table[0, 2:] == 0).all() and (table[[1, 3]] == 0).all()


def test_reserve_is_all_or_nothing():
    pool = BlockPool(PagedAttentionConfig(32, 4), 3, 96)
    pool.reserve(0, 64)
    before = pool.page_table()
    with pytest.raises(OutOfBlocks, match="96 positions need 3 more blocks of 32, 2 are free"):
        pool.reserve(1, 96)
    assert pool.free_blocks == 2 and torch.equal(pool.page_table(), before)
    assert pool.reserve(1, 64) and pool.free_blocks == 0
    with pytest.raises(OutOfBlocks):
        pool.reserve(0, 65)
    pool.release(1)
    assert pool.reserve(0, 65)


def test_release_gives_the_blocks_to_whoever_asks_next():
    pool = BlockPool(PagedAttentionConfig(32, 4), 3, 96)
    pool.reserve(0, 96)
    blocks = set(pool.page_table()[0].tolist())
    pool.release(0)
    pool.release(0)  # the user has no blocks, so this has no effect
    assert pool.free_blocks == 4 and (pool.page_table() == 0).all()
    pool.reserve(1, 96)
    assert set(pool.page_table()[1].tolist()) == blocks


class Requests(RuleBasedStateMachine):
    """Requests that grow and end in any order, against a plain list of the blocks of each user."""

    def __init__(self):
        super().__init__()
        self.users, self.block_size, self.blocks, self.context = 4, 64, 13, 64 * 5
        self.pool = BlockPool(PagedAttentionConfig(self.block_size, self.blocks), self.users, self.context)
        self.owned = [[] for _ in range(self.users)]

    def rows(self):
        return [row[: len(mine)] for row, mine in zip(self.pool.page_table().tolist(), self.owned)]

    @rule(user=st.integers(0, 3), positions=st.integers(0, 64 * 5))
    def reserve(self, user, positions):
        needed = max(-(-positions // self.block_size), len(self.owned[user]))
        free, table = self.pool.free_blocks, self.pool.page_table()
        grows = needed > len(self.owned[user])
        if needed - len(self.owned[user]) > free:
            with pytest.raises(OutOfBlocks):
                self.pool.reserve(user, positions)
            assert self.pool.free_blocks == free and torch.equal(self.pool.page_table(), table)
            return
        assert self.pool.reserve(user, positions) == grows
        after = self.pool.page_table()[user, :needed].tolist()
        assert after[: len(self.owned[user])] == self.owned[user], "blocks that hold keys already must stay"
        self.owned[user] = after

    @precondition(lambda self: any(self.owned))
    @rule(user=st.integers(0, 3))
    def release(self, user):
        self.pool.release(user)
        self.owned[user] = []

    @invariant()
    def no_block_has_two_users_and_none_is_lost(self):
        assert self.rows() == self.owned
        held = [block for mine in self.owned for block in mine]
        assert len(set(held)) == len(held) and all(0 <= block < self.blocks for block in held)
        assert self.pool.free_blocks == self.blocks - len(held)
        table = self.pool.page_table()
        assert table.shape == (self.users, 5) and all((r[len(m) :] == 0).all() for r, m in zip(table, self.owned))


TestRequests = Requests.TestCase
TestRequests.settings = settings(max_examples=30, stateful_step_count=30, deadline=None, derandomize=True)


@settings(max_examples=50, deadline=None, derandomize=True)
@given(
    lengths=st.lists(st.integers(0, 4096), min_size=1, max_size=32),
    block_size=st.sampled_from([32, 64, 128]),
    spare=st.integers(0, 5),
)
def test_a_pool_with_just_enough_blocks_serves_everyone(lengths, block_size, spare):
    blocks = max(1, sum(-(-length // block_size) for length in lengths) + spare)
    pool = BlockPool(PagedAttentionConfig(block_size, blocks), len(lengths), 4096)
    for user, length in enumerate(lengths):
        pool.reserve(user, length)
    table = pool.page_table()
    used = [table[user, : -(-length // block_size)].tolist() for user, length in enumerate(lengths)]
    flat = [block for row in used for block in row]
    assert len(set(flat)) == len(flat) and all(0 <= block < blocks for block in flat)


@pytest.mark.board
@every_precision
@pytest.mark.parametrize("dtype", [None, ttnn.bfloat16, ttnn.bfloat8_b], ids=["default", "bfloat16", "bfloat8_b"])
def test_allocated_cache_for_prefill_and_decode(device, reset_seeds, precision, dtype):
    """The cache has zeros of the given dtype for every layer, and no two layers have the same memory."""
    model = shape(TINY.num_attention_heads, 2, 32, 64, layers=3)
    config = ModelConfig(model, device, precision, 2, max_seq_len=96, cache_dtype=dtype)
    caches = allocate_kv_cache(config, PagedAttentionConfig(64, 5))
    assert len(caches) == 3
    pools = [pool for cache in caches for pool in (cache.keys, cache.values)]
    for pool in pools:
        # attention reads 256 positions at once: 5 blocks of 64 become 8
        assert list(pool.shape) == [8, 2, 64, 32] and pool.layout == ttnn.TILE_LAYOUT
        assert pool.dtype == (dtype or (ttnn.bfloat8_b if precision == "performance" else ttnn.bfloat16))
        assert pool.memory_config() == ttnn.DRAM_MEMORY_CONFIG
        assert (ttnn.to_torch(pool) == 0).all()
    assert len({pool.buffer_address() for pool in pools}) == 6
