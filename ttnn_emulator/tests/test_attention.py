# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""Attention against float64 loops over users and heads."""

import math

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import ttnn
from ttnn_emulator.errors import MemoryFault
from ttnn_emulator.tests.test_heads import on
from ttnn_emulator.tests.test_kv_cache import DTYPES, integers, on_host, positions_of, shuffled_pages

EXAMPLES = settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
HEADS = st.sampled_from([(20, 5, 128), (4, 1, 32), (3, 3, 64)])


def on_grid(grid=(8, 8)):
    """Chunks of a tile, on a grid that every board has (with all cores of a Blackhole, one head has too many)."""
    return ttnn.SDPAProgramConfig(
        compute_with_storage_grid_size=grid, q_chunk_size=32, k_chunk_size=32, exp_approx_mode=False
    )


def accurate(device):
    """Float32 sums and the exact exponential. Left to itself the prefill kernel errs by 2 % (see the ledger)."""
    compute = ttnn.init_device_compute_kernel_config(
        device.arch(), math_fidelity=ttnn.MathFidelity.HiFi4, math_approx_mode=False, fp32_dest_acc_en=True
    )
    return {"program_config": on_grid(), "compute_kernel_config": compute}


def attend(query, keys, values, scale=None, visible=None, bias=None, sink=None):
    """One head: query [S, D], keys and values [K, D], `visible` a function of (row, key)."""
    scale = 1 / math.sqrt(query.shape[-1]) if scale is None else scale
    scores = query.double() @ keys.double().T * scale
    if bias is not None:
        scores = scores + bias.double()
    for row in range(scores.shape[0]):
        for key in range(scores.shape[1]):
            if visible is not None and not visible(row, key):
                scores[row, key] = -math.inf
    if sink is not None:
        scores = torch.cat([scores, torch.full((scores.shape[0], 1), float(sink) * scale).double()], -1)
    return torch.softmax(scores, -1)[:, : keys.shape[0]] @ values.double()


def by_head(query, keys, values, bias=None, sinks=None, **rest):
    """[B, heads, S, D] with as many or fewer key heads."""
    group = query.shape[1] // keys.shape[1]

    def one(b, h):
        mask = None if bias is None else bias[b % bias.shape[0], h % bias.shape[1]]
        sink = None if sinks is None else sinks[h]
        return attend(query[b, h], keys[b, h // group], values[b, h // group], bias=mask, sink=sink, **rest)

    return torch.stack([torch.stack([one(b, h) for h in range(query.shape[1])]) for b in range(query.shape[0])])


# what the decode kernel's fast exponential costs: it errs by 4 %, on the simulated kernels too (see the ledger)
FAST = 0.06


def close(result, expected, error=0.01):
    assert result.shape == expected.shape
    torch.testing.assert_close(result.double(), expected, atol=error, rtol=error)


def three(batch, heads, kv_heads, rows, size, keys=None, dtype=ttnn.bfloat16):
    keys = rows if keys is None else keys
    shapes = ((batch, heads, rows, size), (batch, kv_heads, keys, size), (batch, kv_heads, keys, size))
    dtypes = (ttnn.bfloat16, dtype, dtype)
    return [on_host(torch.randn(shape), kind) for shape, kind in zip(shapes, dtypes)]


@EXAMPLES
@given(
    batch=st.integers(1, 2),
    shape=HEADS,
    rows=st.sampled_from([1, 31, 32, 50, 64]),
    causal=st.booleans(),
    scale=st.sampled_from([None, 0.1]),
)
def test_prefill(device, batch, shape, rows, causal, scale):
    heads, kv_heads, size = shape
    tensors = three(batch, heads, kv_heads, rows, size)
    result = ttnn.transformer.scaled_dot_product_attention(
        *(on(device, t) for t in tensors), is_causal=causal, scale=scale, **accurate(device)
    )
    visible = (lambda row, key: key <= row) if causal else None
    close(ttnn.to_torch(result), by_head(*tensors, scale=scale, visible=visible))


def test_prefill_in_windows_of_their_own(device):
    tensors = three(1, 4, 2, 64, 64)
    result = ttnn.transformer.scaled_dot_product_attention(
        *(on(device, t) for t in tensors),
        is_causal=False,
        cu_window_seqlens=integers(device, torch.tensor([0, 20, 64])),
        **accurate(device),
    )
    close(ttnn.to_torch(result), by_head(*tensors, visible=lambda row, key: (row < 20) == (key < 20)))


def test_prefill_with_joined_heads(device):
    tensors = three(2, 4, 2, 64, 64)
    result = ttnn.transformer.scaled_dot_product_attention(
        *(on(device, t) for t in tensors), output_concat_heads=True, **accurate(device)
    )
    expected = by_head(*tensors, visible=lambda row, key: key <= row)
    close(ttnn.to_torch(result), expected.transpose(1, 2).flatten(2).unsqueeze(1))


@pytest.mark.parametrize("mask_heads", [1, 4])
def test_prefill_with_a_mask(device, mask_heads):
    tensors = three(2, 4, 2, 64, 64, keys=96)
    mask = torch.where(torch.rand(2, mask_heads, 64, 96) < 0.3, -1e9, torch.randn(2, mask_heads, 64, 96)).bfloat16()
    result = ttnn.transformer.scaled_dot_product_attention(
        *(on(device, t) for t in tensors), attn_mask=on(device, mask), is_causal=False, **accurate(device)
    )
    close(ttnn.to_torch(result), by_head(*tensors, bias=mask))


def test_prefill_with_a_window_and_sinks(device):
    tensors = three(1, 4, 2, 64, 64)
    inputs = [on(device, t) for t in tensors]
    result = ttnn.transformer.scaled_dot_product_attention(
        *inputs, is_causal=True, sliding_window_size=10, **accurate(device)
    )
    close(ttnn.to_torch(result), by_head(*tensors, visible=lambda row, key: row - 10 < key <= row))
    sinks = torch.randn(4).bfloat16()
    result = ttnn.transformer.scaled_dot_product_attention(
        *inputs, is_causal=True, attention_sink=on(device, sinks.reshape(1, 4, 1, 1)), **accurate(device)
    )
    close(ttnn.to_torch(result), by_head(*tensors, sinks=sinks, visible=lambda row, key: key <= row))


@EXAMPLES
@given(
    users=st.sampled_from([1, 7, 32]), shape=HEADS, block=st.sampled_from([32, 64]), dtype=DTYPES, window=st.booleans()
)
def test_paged_decode(device, users, shape, block, dtype, window):
    heads, kv_heads, size = shape
    query = torch.randn(1, users, heads, size).bfloat16()
    pages, positions = shuffled_pages(users, 3), positions_of(users, 3 * block)
    caches = [on_host(torch.randn(3 * users + 3, kv_heads, block, size), dtype) for _ in range(2)]
    limit = 40 if window else None
    result = ttnn.to_torch(
        ttnn.transformer.paged_scaled_dot_product_attention_decode(
            on(device, query),
            *(on(device, cache, dtype) for cache in caches),
            integers(device, pages),
            cur_pos_tensor=integers(device, positions),
            sliding_window_size=limit,
            program_config=on_grid(),
        )
    )
    for user, position in enumerate(positions.tolist()):
        if position < 0:
            continue
        first = max(0, position + 1 - limit) if window else 0
        keys, values = (cache[pages[user]].transpose(0, 1).flatten(1, 2)[:, first : position + 1] for cache in caches)
        close(result[0, user][None, :, None], by_head(query[0, user][None, :, None], keys[None], values[None]), FAST)


@EXAMPLES
@given(users=st.sampled_from([1, 7, 32]), shape=HEADS, dtype=DTYPES, listed=st.booleans())
def test_decode(device, users, shape, dtype, listed):
    heads, kv_heads, size = shape
    query = torch.randn(1, users, heads, size).bfloat16()
    positions = positions_of(users, 128).clamp_min(0 if listed else -1)
    caches = [on_host(torch.randn(users, kv_heads, 128, size), dtype) for _ in range(2)]
    where = {"cur_pos": positions.tolist()} if listed else {"cur_pos_tensor": integers(device, positions)}
    result = ttnn.to_torch(
        ttnn.transformer.scaled_dot_product_attention_decode(
            on(device, query), *(on(device, cache, dtype) for cache in caches), program_config=on_grid(), **where
        )
    )
    for user, position in enumerate(positions.tolist()):
        if position >= 0:
            keys, values = (cache[user : user + 1, :, : position + 1] for cache in caches)
            close(result[0, user][None, :, None], by_head(query[0, user][None, :, None], keys, values), FAST)


def test_decode_with_a_mask_and_sinks(device):
    query = torch.randn(1, 7, 4, 64).bfloat16()
    caches = [torch.randn(7, 2, 128, 64).bfloat16() for _ in range(2)]
    mask = torch.where(torch.rand(7, 1, 4, 128) < 0.3, -1e9, 0.0).bfloat16()
    inputs = [on(device, t) for t in (query, *caches)]
    result = ttnn.to_torch(
        ttnn.transformer.scaled_dot_product_attention_decode(*inputs, is_causal=False, attn_mask=on(device, mask))
    )
    expected = by_head(query[0][:, :, None], *caches, bias=mask[:, 0][:, :, None])
    close(result[0][:, :, None], expected, FAST)
    sinks = torch.randn(4).bfloat16()
    table = torch.zeros(4, 32).bfloat16()
    table[:, 0] = sinks
    result = ttnn.to_torch(
        ttnn.transformer.scaled_dot_product_attention_decode(
            *inputs, cur_pos=[50] * 7, attention_sink=on(device, table)
        )
    )
    close(result[0][:, :, None], by_head(query[0][:, :, None], *(c[:, :, :51] for c in caches), sinks=sinks), FAST)


@EXAMPLES
@given(
    shape=HEADS,
    start=st.sampled_from([0, 32, 64, 96]),
    rows=st.sampled_from([32, 64]),
    dtype=DTYPES,
    late=st.booleans(),
)
def test_chunked(device, shape, start, rows, dtype, late):
    heads, kv_heads, size = shape
    pages = shuffled_pages(1, 8)
    query = torch.randn(1, heads, rows, size).bfloat16()
    caches = [on_host(torch.randn(11, kv_heads, 32, size), dtype) for _ in range(2)]
    first = {"chunk_start_idx_tensor": integers(device, torch.tensor([start]))} if late else {"chunk_start_idx": start}
    result = ttnn.transformer.chunked_scaled_dot_product_attention(
        on(device, query),
        *(on(device, cache, dtype) for cache in caches),
        integers(device, pages),
        **accurate(device),
        **first,
    )
    keys, values = (cache[pages[0]].transpose(0, 1).flatten(1, 2)[None, :, : start + rows] for cache in caches)
    expected = by_head(query, keys, values, visible=lambda row, key: key <= start + row)
    close(ttnn.to_torch(result), expected)


def test_joint(device):
    tensors, joint = three(1, 4, 4, 64, 64), three(1, 4, 4, 32, 64)
    results = ttnn.transformer.joint_scaled_dot_product_attention(
        *(on(device, t) for t in (*tensors, *joint)), joint_strategy="rear", program_config=on_grid((8, 7))
    )
    expected = by_head(*(torch.cat(pair, 2) for pair in zip(tensors, joint)))
    for result, part in zip(results, expected.split([64, 32], 2)):
        close(ttnn.to_torch(result), part)


@pytest.mark.parametrize("operation", ["attention_softmax", "attention_softmax_"])
def test_softmax(device, operation):
    scores = torch.randn(2, 4, 64, 64).bfloat16()
    mask = torch.where(torch.rand(2, 1, 1, 64) < 0.3, -1e9, 0.0).bfloat16()
    result = getattr(ttnn.transformer, operation)(on(device, scores), head_size=64, attention_mask=on(device, mask))
    close(ttnn.to_torch(result), torch.softmax(scores.double() / 8 + mask.double(), -1))


def test_paged_decode_refuses_a_page_table_that_ends_inside_a_chunk(device):
    """Left to itself the kernel reads 128 positions as one chunk of 4 tiles, and position 128 as one of 8;
    with float32 sums never more than 4."""
    torch.manual_seed(0)
    query = ttnn.from_torch(torch.randn(1, 1, 4, 32), dtype=ttnn.bfloat16, layout=ttnn.TILE_LAYOUT, device=device)
    cache = ttnn.from_torch(torch.randn(16, 1, 32, 32), dtype=ttnn.bfloat16, layout=ttnn.TILE_LAYOUT, device=device)

    def attend_at(position: int, blocks: int, wide: bool = False):
        table = ttnn.from_torch(torch.arange(blocks, dtype=torch.int32)[None], dtype=ttnn.int32, device=device)
        at = ttnn.from_torch(torch.tensor([position], dtype=torch.int32), dtype=ttnn.int32, device=device)
        return ttnn.transformer.paged_scaled_dot_product_attention_decode(
            query,
            cache,
            cache,
            table,
            cur_pos_tensor=at,
            program_config=ttnn.SDPAProgramConfig(
                compute_with_storage_grid_size=(8, 8), q_chunk_size=0, k_chunk_size=0, exp_approx_mode=False
            ),
            compute_kernel_config=ttnn.init_device_compute_kernel_config(device.arch(), fp32_dest_acc_en=wide),
        )

    attend_at(127, 5), attend_at(128, 8)
    with pytest.raises(MemoryFault, match="position 128 is read in chunks of 256 keys"):
        attend_at(128, 5)
    attend_at(256, 12, wide=True)
    with pytest.raises(MemoryFault, match="position 256 is read in chunks of 256 keys"):
        attend_at(256, 12)


def test_paged_decode_refuses_a_block_that_the_cache_has_not(device):
    """Only the blocks that hold a user's positions are read: the others may be any."""
    query = on(device, torch.randn(1, 2, 4, 32).bfloat16())
    cache = on(device, torch.randn(4, 1, 32, 32).bfloat16())

    def attend_at(position: int, *blocks: int):
        table = integers(device, torch.tensor([[0, 1, -1], [*blocks, -1]]))
        at = integers(device, torch.tensor([40, position]))
        return ttnn.transformer.paged_scaled_dot_product_attention_decode(
            query, cache, cache, table, cur_pos_tensor=at, **accurate(device)
        )

    attend_at(31, 3, 4), attend_at(63, 3, 2)
    for position, block in ((32, 4), (63, -1)):
        with pytest.raises(MemoryFault, match=f"the page table names block {block} of 4"):
            attend_at(position, 3, block)
