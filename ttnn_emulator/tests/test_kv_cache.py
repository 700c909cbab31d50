# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""Cache updates against loops over users, on shuffled page tables."""

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import ttnn
from ttnn_emulator.errors import MemoryFault
from ttnn_emulator.tests.tensors import packed
from ttnn_emulator.tests.test_heads import on, per_user

EXAMPLES = settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
DTYPES = st.sampled_from([ttnn.bfloat16, ttnn.bfloat8_b])


def on_host(value, dtype):
    """What a tensor of `dtype` holds of `value`, by the library's own packer."""
    return ttnn.to_torch(ttnn.from_torch(value, dtype=dtype, layout=ttnn.TILE_LAYOUT))


def written(row, dtype):
    """What a kernel writes of a bfloat16 row."""
    return packed(row).bfloat16() if dtype == ttnn.bfloat8_b else row


def integers(device, value):
    return ttnn.from_torch(value.int(), dtype=ttnn.int32, device=device)


def shuffled_pages(users, blocks, spare=3):
    """A page table over more blocks than it needs."""
    return torch.randperm(users * blocks + spare)[: users * blocks].reshape(users, blocks)


def positions_of(users, length):
    """Positions that straddle tiles and blocks, and some skipped users."""
    edges = torch.tensor([0, 1, 31, 32, 33, 63, 64, length - 1, -1])
    chosen = torch.where(
        torch.rand(users) < 0.7, edges[torch.randint(0, 9, (users,))], torch.randint(0, length, (users,))
    )
    return chosen.clamp_max(length - 1)


def step_rows(device, users, heads, size, first_core=0):
    rows = torch.randn(1, users, heads, size).bfloat16()
    if not first_core:
        return rows, on(device, rows, memory_config=per_user(users, (32, size)))
    whole = ttnn.CoreRangeSet([ttnn.CoreRange(ttnn.CoreCoord(0, 0), ttnn.CoreCoord(7, 7))])
    start = ttnn.CoreCoord(first_core % 8, first_core // 8)
    cores = ttnn.num_cores_to_corerangeset_in_subcoregrids(start, users, whole, True)
    shards = ttnn.create_sharded_memory_config(
        (32, size), cores, ttnn.ShardStrategy.HEIGHT, use_height_and_width_as_shard_shape=True
    )
    return rows, on(device, rows, memory_config=shards)


def put(cache, rows, positions, pages, dtype):
    """The expected cache."""
    cache = cache.clone()
    for user, position in enumerate(positions.tolist()):
        if position < 0:
            continue
        for head in range(cache.shape[1]):
            new = written(rows[0, user, head], dtype)
            if pages is None:
                cache[user, head, position] = new
            else:
                cache[pages[user, position // cache.shape[2]], head, position % cache.shape[2]] = new
    return cache


@EXAMPLES
@given(
    users=st.sampled_from([1, 7, 32]),
    heads=st.sampled_from([1, 5]),
    size=st.sampled_from([32, 128]),
    block=st.sampled_from([32, 64]),
    dtype=DTYPES,
)
def test_paged_update(device, users, heads, size, block, dtype):
    pages, positions = shuffled_pages(users, 3), positions_of(users, 3 * block)
    cache = on_host(torch.randn(3 * users + 3, heads, block, size), dtype)
    rows, device_rows = step_rows(device, users, heads, size)
    device_cache = on(device, cache, dtype)
    ttnn.experimental.paged_update_cache(
        device_cache,
        device_rows,
        update_idxs_tensor=integers(device, positions),
        page_table=integers(device, pages),
    )
    assert torch.equal(ttnn.to_torch(device_cache), put(cache, rows, positions, pages, dtype))


@EXAMPLES
@given(users=st.sampled_from([1, 7, 32]), dtype=DTYPES, listed=st.booleans())
def test_update_without_pages(device, users, dtype, listed):
    positions = positions_of(users, 96)
    positions = positions.clamp_min(0) if listed else positions
    cache = on_host(torch.randn(users, 5, 96, 64), dtype)
    rows, device_rows = step_rows(device, users, 5, 64)
    device_cache = on(device, cache, dtype)
    where = {"update_idxs": positions.tolist()} if listed else {"update_idxs_tensor": integers(device, positions)}
    ttnn.experimental.paged_update_cache(device_cache, device_rows, **where)
    assert torch.equal(ttnn.to_torch(device_cache), put(cache, rows, positions, None, dtype))


@EXAMPLES
@given(users=st.sampled_from([1, 7, 32]), dtype=DTYPES)
def test_update_of_keys_and_values_at_once(device, users, dtype):
    pages, positions = shuffled_pages(users, 3), positions_of(users, 96)
    caches = [on_host(torch.randn(3 * users + 3, 5, 32, 128), dtype) for _ in range(2)]
    keys, device_keys = step_rows(device, users, 5, 128)
    values, device_values = step_rows(device, users, 5, 128, first_core=users)
    device_caches = [on(device, cache, dtype) for cache in caches]
    ttnn.experimental.paged_fused_update_cache(
        device_caches[0],
        device_keys,
        device_caches[1],
        device_values,
        update_idxs_tensor=integers(device, positions),
        page_table=integers(device, pages),
    )
    for device_cache, cache, rows in zip(device_caches, caches, (keys, values)):
        assert torch.equal(ttnn.to_torch(device_cache), put(cache, rows, positions, pages, dtype))


@EXAMPLES
@given(length=st.integers(1, 128), user=st.integers(0, 6), dtype=DTYPES, as_tensor=st.booleans())
def test_paged_fill(device, length, user, dtype, as_tensor):
    pages = shuffled_pages(7, 4)
    pages[user, 2] = -1  # a block that is not to be written
    cache = on_host(torch.randn(31, 5, 32, 64), dtype)
    rows = on_host(torch.randn(1, 5, length, 64), dtype)
    device_cache = on(device, cache, dtype)
    where = {"batch_idx_tensor": integers(device, torch.tensor([user]))} if as_tensor else {"batch_idx": user}
    ttnn.experimental.paged_fill_cache(device_cache, on(device, rows, dtype), integers(device, pages), **where)
    expected = cache.clone()
    for position in range(length):
        if position // 32 != 2:
            expected[pages[user, position // 32], :, position % 32] = rows[0, :, position]
    assert torch.equal(ttnn.to_torch(device_cache), expected)


@pytest.mark.parametrize("dtype", [ttnn.bfloat16, ttnn.bfloat8_b])
def test_fill_and_update_of_whole_caches(device, dtype):
    cache, prompt = on_host(torch.randn(8, 2, 96, 64), dtype), on_host(torch.randn(1, 2, 64, 64), dtype)
    rows = torch.randn(1, 2, 32, 64).bfloat16()
    expected = cache.clone()
    expected[3, :, :64], expected[5, :, 32:] = prompt[0], prompt[0]
    for user in range(8):
        expected[user, :, 70] = written(rows[0, :, user], dtype)
    for fill, update in (
        (ttnn.fill_cache, ttnn.update_cache),
        (ttnn.kv_cache.fill_cache_for_user_, ttnn.kv_cache.update_cache_for_token_),
    ):
        device_cache = on(device, cache, dtype)
        fill(device_cache, on(device, prompt, dtype), 3)
        fill(device_cache, on(device, prompt, dtype), 5, update_idx=32)
        update(device_cache, on(device, rows), 70, batch_offset=0)
        assert torch.equal(ttnn.to_torch(device_cache), expected)


def test_load_slice(device):
    cache = torch.randn(1, 4, 96, 64).bfloat16()
    result = ttnn.experimental.nlp_kv_cache_load_slice(on(device, cache), seq_len_start=0, seq_len_end=64)
    assert torch.equal(ttnn.to_torch(result), cache[:, :, :64])


def test_a_block_that_does_not_exist(device):
    cache = on(device, torch.zeros(4, 1, 32, 32))
    _, rows = step_rows(device, 1, 1, 32)
    with pytest.raises(MemoryFault, match="paged_update_cache.*block"):
        ttnn.experimental.paged_update_cache(
            cache,
            rows,
            update_idxs_tensor=integers(device, torch.tensor([3])),
            page_table=integers(device, torch.tensor([[7, 0]])),
        )


@pytest.mark.parametrize("block", [4, 7, -2, -5])
def test_a_prompts_block_that_does_not_exist(device, block):
    """Past the cache's end, or negative and not the mark -1, which alone skips a block: nothing is written."""
    cache = on(device, torch.zeros(4, 1, 32, 32))
    rows, pages = on(device, torch.ones(1, 1, 64, 32)), integers(device, torch.tensor([[block, 1]]))
    with pytest.raises(MemoryFault, match=f"paged_fill_cache.*block {block} of 4"):
        ttnn.experimental.paged_fill_cache(cache, rows, pages, batch_idx=0)
    assert not ttnn.to_torch(cache).any()


def test_other_holders_of_the_values_are_not_changed(device):
    """A cache made from a host tensor, and a copy read before the update, keep their values."""
    host = torch.zeros(1, 1, 32, 32).bfloat16()
    cache = on(device, host)
    before = ttnn.to_torch(cache)
    rows, device_rows = step_rows(device, 1, 1, 32)
    ttnn.experimental.paged_update_cache(cache, device_rows, update_idxs=[4])
    assert torch.equal(ttnn.to_torch(cache)[0, 0, 4], rows[0, 0, 0])
    assert not host.any() and not before.any()


def test_in_a_trace(device):
    """A replay writes where the positions on the device say at that time."""
    pages = shuffled_pages(2, 3)
    cache = torch.zeros(9, 1, 32, 64)
    device_cache, device_pages = on(device, cache), integers(device, pages)
    rows, device_rows = step_rows(device, 2, 1, 64)
    positions = integers(device, torch.tensor([5, 40]))

    def step():
        ttnn.experimental.paged_update_cache(
            device_cache, device_rows, update_idxs_tensor=positions, page_table=device_pages
        )

    step()
    trace = ttnn.begin_trace_capture(device, cq_id=0)
    step()
    ttnn.end_trace_capture(device, trace, cq_id=0)
    expected = put(cache, rows, torch.tensor([5, 40]), pages, ttnn.bfloat16)
    for places in ([6, 41], [31, -1], [32, 64]):
        host = ttnn.from_torch(torch.tensor(places).int(), dtype=ttnn.int32)
        ttnn.copy_host_to_device_tensor(host, positions)
        ttnn.execute_trace(device, trace, cq_id=0, blocking=True)
        expected = put(expected, rows, torch.tensor(places), pages, ttnn.bfloat16)
        assert torch.equal(ttnn.to_torch(device_cache).float(), expected)
    ttnn.release_trace(device, trace)
