# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""Rotary embeddings against rotations of complex numbers in float64."""

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import ttnn
from ttnn_emulator.tests.test_heads import on, per_user

EXAMPLES = settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])


def angles(positions, size):
    return positions[..., None].double() * 10000.0 ** (-torch.arange(0, size, 2).double() / size)


def pair_matrix():
    """x @ matrix maps each pair (a, b) to (-b, a)."""
    matrix = torch.zeros(1, 1, 32, 32)
    even = torch.arange(0, 32, 2)
    matrix[..., even, even + 1], matrix[..., even + 1, even] = 1, -1
    return matrix


def turn_pairs(x, angle):
    pairs = torch.view_as_complex(x.double().unflatten(-1, (-1, 2)).contiguous())
    return torch.view_as_real(pairs * torch.polar(torch.ones_like(angle), angle)).flatten(-2)


def turn_halves(x, angle):
    first, second = x.double().chunk(2, -1)
    pairs = torch.complex(first, second) * torch.polar(torch.ones_like(angle), angle)
    return torch.cat([pairs.real, pairs.imag], -1)


def tables(angle, spread):
    """cos and sin over the whole width: each angle twice, side by side or in two halves."""
    wide = angle.repeat_interleave(2, -1) if spread == "pairs" else torch.cat([angle, angle], -1)
    return wide.cos().float(), wide.sin().float()


def close(result, expected):
    assert result.shape == expected.shape
    torch.testing.assert_close(result.double(), expected, atol=0.04, rtol=0.02)


@EXAMPLES
@given(
    batch=st.integers(1, 2),
    heads=st.integers(1, 6),
    rows=st.integers(1, 100),
    size=st.sampled_from([32, 64, 128]),
    first=st.integers(0, 1000),
)
def test_llama_prefill(device, batch, heads, rows, size, first):
    x = torch.randn(batch, heads, rows, size).bfloat16()
    angle = angles(torch.arange(first, first + rows), size)
    cos, sin = (on(device, table[None, None]) for table in tables(angle, "pairs"))
    result = ttnn.experimental.rotary_embedding_llama(on(device, x), cos, sin, on(device, pair_matrix()))
    close(ttnn.to_torch(result), turn_pairs(x, angle))


def test_llama_prefill_beyond_the_tables(device):
    x = torch.randn(1, 2, 64, 32).bfloat16()
    angle = angles(torch.arange(32), 32)
    cos, sin = (on(device, table[None, None]) for table in tables(angle, "pairs"))
    result = ttnn.to_torch(ttnn.experimental.rotary_embedding_llama(on(device, x), cos, sin, on(device, pair_matrix())))
    close(result[:, :, :32], turn_pairs(x[:, :, :32], angle))
    assert not result[:, :, 32:].any()


@pytest.mark.parametrize("users", [1, 7, 32])
@pytest.mark.parametrize("heads,size", [(20, 128), (5, 128), (3, 32)])
def test_llama_decode(device, users, heads, size):
    x = torch.randn(1, users, heads, size).bfloat16()
    angle = angles(torch.randint(0, 4000, (users,)), size)
    cos, sin = (
        on(device, table[None, :, None], memory_config=per_user(users, (32, size))) for table in tables(angle, "pairs")
    )
    matrix = on(device, pair_matrix().repeat(1, 1, users, 1), memory_config=per_user(users, (32, 32)))
    result = ttnn.experimental.rotary_embedding_llama(
        on(device, x, memory_config=per_user(users, (32, size))), cos, sin, matrix, is_decode_mode=True
    )
    close(ttnn.to_torch(result), turn_pairs(x, angle[None, :, None]))


@pytest.mark.parametrize("users", [1, 7, 32])
def test_llama_query_and_key_at_once(device, users):
    query, key = torch.randn(1, users, 20, 128).bfloat16(), torch.randn(1, users, 5, 128).bfloat16()
    angle = angles(torch.randint(0, 4000, (users,)), 128)

    def cores(first, count):
        """`count` cores, from core number `first` on, rows of 8."""
        whole = ttnn.CoreRangeSet([ttnn.CoreRange(ttnn.CoreCoord(0, 0), ttnn.CoreCoord(7, 7))])
        start = ttnn.CoreCoord(first % 8, first // 8)
        return ttnn.num_cores_to_corerangeset_in_subcoregrids(start, count, whole, True)

    def sharded(shard, first, count):
        return ttnn.create_sharded_memory_config(
            shard, cores(first, count), ttnn.ShardStrategy.HEIGHT, use_height_and_width_as_shard_shape=True
        )

    cos, sin = (
        on(device, table.repeat(2, 1)[None, :, None], memory_config=sharded((32, 128), 0, 2 * users))
        for table in tables(angle, "pairs")
    )
    results = ttnn.experimental.rotary_embedding_llama_fused_qk(
        on(device, query, memory_config=sharded((32, 128), 0, users)),
        on(device, key, memory_config=sharded((32, 128), users, users)),
        cos,
        sin,
        on(device, pair_matrix().repeat(1, 1, 2 * users, 1), memory_config=sharded((32, 32), 0, 2 * users)),
    )
    for result, x in zip(results, (query, key)):
        close(ttnn.to_torch(result), turn_pairs(x, angle[None, :, None]))


ALL_BITS = 1 + torch.arange(128) / 128  # every significand that bfloat16 has


@pytest.mark.parametrize("rotation", ["llama prefill", "llama decode", "halves", "hf"])
@pytest.mark.parametrize("varies", ["x", "cosines", "sines"])
def test_every_bit_counts(device, rotation, varies):
    """Products with 1 are exact: no bit of the heads and none of the tables is dropped, as fewer passes of the matrix
    unit would drop them."""
    x = ALL_BITS if varies == "x" else torch.ones(128)
    cos = ALL_BITS if varies == "cosines" else torch.full((128,), float(varies == "x"))
    sin = ALL_BITS if varies == "sines" else torch.zeros(128)
    operands = [row.expand(1, 1, 32, 128).contiguous() for row in (x, cos, sin)]
    if rotation == "llama prefill":
        result = ttnn.experimental.rotary_embedding_llama(
            *(on(device, each) for each in operands), on(device, pair_matrix())
        )
    elif rotation == "llama decode":
        heads, cos_row, sin_row = (on(device, each, memory_config=per_user(1, (32, 128))) for each in operands)
        matrix = on(device, pair_matrix(), memory_config=per_user(1, (32, 32)))
        result = ttnn.experimental.rotary_embedding_llama(heads, cos_row, sin_row, matrix, is_decode_mode=True)
    elif rotation == "halves":
        result = ttnn.experimental.rotary_embedding(*(on(device, each) for each in operands))
    else:
        result = ttnn.experimental.rotary_embedding_hf(*(on(device, each) for each in operands))
    first = torch.arange(128) % 2 == 0 if rotation.startswith("llama") else torch.arange(128) < 64
    expected = torch.where(first, -sin, sin) if varies == "sines" else ALL_BITS
    assert torch.equal(ttnn.to_torch(result).float(), expected.expand(1, 1, 32, 128))


@EXAMPLES
@given(heads=st.integers(1, 6), rows=st.integers(1, 100), size=st.sampled_from([64, 128]))
def test_halves_prefill(device, heads, rows, size):
    x = torch.randn(1, heads, rows, size).bfloat16()
    angle = angles(torch.arange(128), size)
    cos, sin = (on(device, table[None, None]) for table in tables(angle, "halves"))
    result = ttnn.to_torch(ttnn.experimental.rotary_embedding(on(device, x), cos, sin))
    close(result[:, :, :rows], turn_halves(x, angle[:rows]))


@pytest.mark.parametrize("position", [0, 5, 100])
def test_halves_decode(device, position):
    x = torch.randn(1, 4, 32, 64).bfloat16()
    angle = angles(torch.arange(128), 64)
    cos, sin = (on(device, table[None, None]) for table in tables(angle, "halves"))
    result = ttnn.experimental.rotary_embedding(on(device, x), cos, sin, position)
    close(ttnn.to_torch(result), turn_halves(x, angle[position]))


def test_hf(device):
    x = torch.randn(1, 4, 64, 64).bfloat16()
    angle = angles(torch.arange(64), 64)
    cos, sin = (on(device, table[None, None]) for table in tables(angle, "halves"))
    close(ttnn.to_torch(ttnn.experimental.rotary_embedding_hf(on(device, x), cos, sin)), turn_halves(x, angle))
    x, angle = torch.randn(1, 7, 20, 128).bfloat16(), angles(torch.randint(0, 4000, (7,)), 128)
    shards = per_user(7, (32, 128))
    cos, sin = (on(device, table[None, :, None], memory_config=shards) for table in tables(angle, "halves"))
    result = ttnn.experimental.rotary_embedding_hf(on(device, x, memory_config=shards), cos, sin, is_decode_mode=True)
    close(ttnn.to_torch(result), turn_halves(x, angle[None, :, None]))
