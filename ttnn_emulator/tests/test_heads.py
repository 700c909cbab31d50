# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""Splitting and joining attention heads, element by element against plain indexing."""

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import ttnn

EXAMPLES = settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
HEADS = [(20, 5, 128), (4, 1, 32), (8, 8, 64)]


def numbers(*shape):
    """Values that a bfloat16 holds exactly, so that every element can be told from its neighbours."""
    return torch.randint(-128, 128, shape).bfloat16()


def on(device, value, dtype=ttnn.bfloat16, memory_config=None):
    return ttnn.from_torch(value, dtype=dtype, layout=ttnn.TILE_LAYOUT, device=device, memory_config=memory_config)


def per_user(users, shard):
    """Height-sharded: one user a core."""
    cores = ttnn.num_cores_to_corerangeset(users, ttnn.CoreCoord(8, 8), True)
    return ttnn.create_sharded_memory_config(
        shard, cores, ttnn.ShardStrategy.HEIGHT, use_height_and_width_as_shard_shape=True
    )


def head(row, number, size):
    return row[..., number * size : (number + 1) * size]


@pytest.mark.parametrize("users", [1, 7, 32])
@pytest.mark.parametrize("overlap", [True, False])
@pytest.mark.parametrize("heads,kv_heads,size", HEADS)
def test_decode_heads(device, users, overlap, heads, kv_heads, size):
    fused = numbers(1, 1, users, (heads + 2 * kv_heads) * size)
    results = ttnn.experimental.nlp_create_qkv_heads_decode(
        on(device, fused),
        num_heads=heads,
        num_kv_heads=kv_heads,
        overlap_qk_coregrid=overlap,
        memory_config=ttnn.L1_HEIGHT_SHARDED_MEMORY_CONFIG,
    )
    first = 0
    for result, count in zip(results, (heads, kv_heads, kv_heads)):
        values = ttnn.to_torch(result)
        assert values.shape == (1, users, count, size)
        for user in range(users):
            for number in range(count):
                assert torch.equal(values[0, user, number], head(fused[0, 0, user], first + number, size))
        first += count


def test_decode_heads_of_some_users(device):
    fused = numbers(1, 1, 32, 30 * 128)
    shards = ttnn.create_sharded_memory_config([1, 1, 32, 30 * 128], ttnn.CoreGrid(x=6, y=5), ttnn.ShardStrategy.WIDTH)
    offset = ttnn.from_torch(torch.tensor([8], dtype=torch.int32), device=device, dtype=ttnn.uint32)
    query, key, _ = ttnn.experimental.nlp_create_qkv_heads_decode(
        on(device, fused, memory_config=shards),
        num_heads=20,
        num_kv_heads=5,
        batch_offset=offset,
        slice_size=8,
        overlap_qk_coregrid=False,
        memory_config=ttnn.L1_HEIGHT_SHARDED_MEMORY_CONFIG,
    )
    assert torch.equal(ttnn.to_torch(query)[0, 3, 19], head(fused[0, 0, 11], 19, 128))
    assert torch.equal(ttnn.to_torch(key)[0, 7, 4], head(fused[0, 0, 15], 24, 128))


@pytest.mark.parametrize("users", [1, 7, 32])
@pytest.mark.parametrize("padded", [False, True])
def test_join_heads_of_users(device, users, padded):
    x = numbers(1, users, 32 if padded else 20, 128)
    grid = ttnn.num_cores_to_corerangeset(20, ttnn.CoreCoord(8, 8), True)
    result = ttnn.experimental.nlp_concat_heads_decode(
        on(device, x, memory_config=per_user(users, (32, 128))),
        num_heads=20,
        memory_config=ttnn.create_sharded_memory_config(
            (32, 128), grid, ttnn.ShardStrategy.WIDTH, use_height_and_width_as_shard_shape=True
        ),
    )
    values = ttnn.to_torch(result)
    assert values.shape == (1, 1, 32, 2560)
    for user in range(users):
        assert torch.equal(values[0, 0, user], torch.cat([x[0, user, number] for number in range(20)]))


@EXAMPLES
@given(
    batch=st.integers(1, 3),
    rows=st.integers(1, 100),
    shape=st.sampled_from(HEADS),
    transpose=st.booleans(),
    apart=st.booleans(),
)
def test_prefill_heads(device, batch, rows, shape, transpose, apart):
    heads, kv_heads, size = shape
    fused = numbers(batch, 1, rows, (heads + 2 * kv_heads) * size)
    parts = fused.split([heads * size, 2 * kv_heads * size], -1) if apart else (fused,)
    query, key, val = (
        ttnn.to_torch(t)
        for t in ttnn.experimental.nlp_create_qkv_heads(
            *(on(device, part) for part in parts),
            num_heads=heads,
            num_kv_heads=kv_heads,
            transpose_k_heads=transpose,
        )
    )
    key = key.mT if transpose else key
    for b in range(batch):
        for number in range(heads):
            assert torch.equal(query[b, number], head(fused[b, 0], number, size))
        for number in range(kv_heads):
            assert torch.equal(key[b, number], head(fused[b, 0], heads + number, size))
            assert torch.equal(val[b, number], head(fused[b, 0], heads + kv_heads + number, size))


@EXAMPLES
@given(batch=st.integers(1, 3), rows=st.integers(1, 100), heads=st.integers(1, 8), size=st.sampled_from([32, 64, 128]))
def test_join_heads(device, batch, rows, heads, size):
    x = numbers(batch, heads, rows, size)
    expected = torch.stack([torch.cat(list(x[b]), -1) for b in range(batch)])
    assert torch.equal(ttnn.to_torch(ttnn.experimental.nlp_concat_heads(on(device, x)))[:, 0], expected)
    assert torch.equal(ttnn.to_torch(ttnn.transformer.concatenate_heads(on(device, x))), expected)


@pytest.mark.parametrize("heads,kv_heads", [(16, 16), (20, 5)])
def test_split_heads(device, heads, kv_heads):
    fused = numbers(2, 50, (heads + 2 * kv_heads) * 64)
    query, key, val = ttnn.transformer.split_query_key_value_and_split_heads(
        on(device, fused), num_heads=heads, num_kv_heads=kv_heads, transpose_key=True
    )
    assert torch.equal(ttnn.to_torch(query)[1, 3], head(fused[1], 3, 64))
    assert torch.equal(ttnn.to_torch(key)[1, 3], head(fused[1], heads + 3, 64).mT)
    assert torch.equal(ttnn.to_torch(val)[1, 3], head(fused[1], heads + kv_heads + 3, 64))


@pytest.mark.parametrize("heads,kv_heads", [(4, 4), (16, 4)])
def test_split_heads_of_a_sharded_tensor(device, heads, kv_heads):
    """There each key and value follows the queries that use it."""
    group = heads // kv_heads
    fused = numbers(2, 64, (heads + 2 * kv_heads) * 64)
    blocks = ttnn.create_sharded_memory_config(fused.shape, ttnn.CoreGrid(x=4, y=2), ttnn.ShardStrategy.BLOCK)
    query, key, val = ttnn.transformer.split_query_key_value_and_split_heads(
        on(device, fused, memory_config=blocks),
        num_heads=heads,
        num_kv_heads=kv_heads,
        transpose_key=True,
        memory_config=ttnn.L1_HEIGHT_SHARDED_MEMORY_CONFIG,
    )
    first = 3 * (group + 2)  # of the last group
    assert torch.equal(ttnn.to_torch(query)[1, heads - 1], head(fused[1], first + group - 1, 64))
    assert torch.equal(ttnn.to_torch(key)[1, 3], head(fused[1], first + group, 64).mT)
    assert torch.equal(ttnn.to_torch(val)[1, 3], head(fused[1], first + group + 1, 64))


def test_falcon_vit_and_segformer(device):
    fused = numbers(1, 1, 64, 73 * 64)
    query, key, val = map(ttnn.to_torch, ttnn.experimental.nlp_create_qkv_heads_falcon7b(on(device, fused)))
    assert torch.equal(query[0, 70], head(fused[0, 0], 70, 64))
    assert torch.equal(key[0, 0], head(fused[0, 0], 71, 64)) and torch.equal(val[0, 0], head(fused[0, 0], 72, 64))
    fused = numbers(1, 1, 64, 36 * 64)
    for first, part in enumerate(map(ttnn.to_torch, ttnn.experimental.nlp_create_qkv_heads_vit(on(device, fused)))):
        assert torch.equal(part[0, 11], head(fused[0, 0], 12 * first + 11, 64))
    one = numbers(1, 1, 64, 64)
    for part in map(ttnn.to_torch, ttnn.experimental.nlp_create_qkv_heads_segformer(on(device, one))):
        assert torch.equal(part[0, 1], head(one[0, 0], 1, 32))


def test_heads_grouped_by_key(device):
    """create_qkv_heads: each key and value follows the queries that use it."""
    fused = numbers(2, 1, 64, 4 * 6 * 64)
    blocks = ttnn.create_sharded_memory_config(fused.shape, ttnn.CoreGrid(x=4, y=2), ttnn.ShardStrategy.BLOCK)
    query, key, val = map(
        ttnn.to_torch,
        ttnn.experimental.create_qkv_heads(
            on(device, fused, memory_config=blocks),
            num_heads=16,
            num_kv_heads=4,
            transpose_k_heads=False,
            memory_config=ttnn.L1_HEIGHT_SHARDED_MEMORY_CONFIG,
        ),
    )
    for group in range(4):
        for number in range(4):
            assert torch.equal(query[1, 4 * group + number], head(fused[1, 0], 6 * group + number, 64))
        assert torch.equal(key[1, group], head(fused[1, 0], 6 * group + 4, 64))
        assert torch.equal(val[1, group], head(fused[1, 0], 6 * group + 5, 64))


@pytest.mark.parametrize("transpose", [False, True])
@pytest.mark.parametrize("apart", [False, True])
def test_keys_that_are_the_values(device, transpose, apart):
    fused = numbers(1, 1, 32, 8 * 64)
    parts = fused.chunk(2, -1) if apart else (fused,)
    _, key, val = map(
        ttnn.to_torch,
        ttnn.experimental.nlp_create_qkv_heads(
            *(on(device, part) for part in parts),
            num_heads=4,
            num_kv_heads=4,
            transpose_k_heads=transpose,
            kv_tied=True,
        ),
    )
    assert torch.equal(key.mT if transpose else key, val)
    assert torch.equal(val[0, 3], head(fused[0, 0], 7, 64))


def test_heads_of_separate_tensors(device):
    """create_qkv_heads_from_separate_tensors: key and value alternate."""
    fused, fused_kv = numbers(2, 1, 64, 2 * 64), numbers(2, 1, 32, 4 * 64)
    inputs = [
        on(
            device,
            x,
            memory_config=ttnn.create_sharded_memory_config(x.shape, ttnn.CoreGrid(x=2, y=2), ttnn.ShardStrategy.BLOCK),
        )
        for x in (fused, fused_kv)
    ]
    query, key, val = map(
        ttnn.to_torch,
        ttnn.experimental.create_qkv_heads_from_separate_tensors(
            *inputs,
            num_heads=2,
            num_kv_heads=2,
            transpose_k_heads=True,
            memory_config=ttnn.L1_HEIGHT_SHARDED_MEMORY_CONFIG,
        ),
    )
    assert torch.equal(query[1, 1], head(fused[1, 0], 1, 64))
    assert torch.equal(key[1, 1], head(fused_kv[1, 0], 2, 64).mT)
    assert torch.equal(val[1, 1], head(fused_kv[1, 0], 3, 64))


@pytest.mark.parametrize("heads,columns", [(12, 6), (4, 2)])
def test_sharded_heads(device, heads, columns):
    """Each core's block has the query heads of the core, then their keys, then their values."""
    batch, rows, size = 2, 64, 32
    fused = numbers(batch, 1, rows, 3 * heads * size)
    cores = ttnn.CoreRangeSet({ttnn.CoreRange(ttnn.CoreCoord(0, 0), ttnn.CoreCoord(columns - 1, batch - 1))})
    spec = ttnn.ShardSpec(cores, (rows, 3 * heads * size // columns), ttnn.ShardOrientation.ROW_MAJOR)
    blocks = ttnn.MemoryConfig(ttnn.TensorMemoryLayout.BLOCK_SHARDED, ttnn.BufferType.L1, spec)
    results = ttnn.experimental.split_query_key_value_and_split_heads(
        on(device, fused, memory_config=blocks),
        device.compute_with_storage_grid_size(),
        num_heads=heads,
        memory_config=ttnn.L1_HEIGHT_SHARDED_MEMORY_CONFIG,
    )
    query, key, value = map(ttnn.to_torch, results)
    each = heads // columns
    for number in range(heads):
        core, place = divmod(number, each)
        first = core * 3 * each + place
        assert torch.equal(query[:, number], head(fused[:, 0], first, size))
        assert torch.equal(key[:, number], head(fused[:, 0], first + each, size).mT)
        assert torch.equal(value[:, number], head(fused[:, 0], first + 2 * each, size))


def test_heads_by_the_program_of_falcon(device):
    fused = numbers(1, 64, 73 * 64)
    query, key, value = ttnn.transformer.split_query_key_value_and_split_heads(
        on(device, fused), num_heads=71, num_kv_heads=1, transpose_key=False, use_falcon7b_backend=True
    )
    assert torch.equal(ttnn.to_torch(query)[:, 70], head(fused, 70, 64))
    assert torch.equal(ttnn.to_torch(key)[:, 0], head(fused, 71, 64))
    assert torch.equal(ttnn.to_torch(value)[:, 0], head(fused, 72, 64))
