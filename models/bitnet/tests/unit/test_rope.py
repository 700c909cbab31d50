# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""The rotation on the device, with heads in adjacent pairs, against the reference, with heads in halves.

In `fused` a fused program rotates the heads of a decode step: see test_rotate_and_cache.py.
"""

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import ttnn
from models.bitnet.perf.random_weights import FULL, shape
from models.bitnet.reference.rope import apply_rope, rope_tables
from models.bitnet.tests.common import (
    BATCHES,
    LENGTHS,
    SMALL,
    TINY,
    assert_level,
    decode_rotation,
    pairs_order,
    stock_precision,
    tiny_and_full,
    whole_tiles,
)
from models.bitnet.tt.layout import first_cores, users_memory_config
from models.bitnet.tt.model_config import ModelConfig
from models.bitnet.tt.rope import RotaryEmbedding

pytestmark = pytest.mark.board

CONTEXT = 1024


def new_rope(device, model, precision="accuracy", users=1, max_seq_len=CONTEXT) -> RotaryEmbedding:
    return RotaryEmbedding(ModelConfig(model, device, precision, users, max_seq_len=max_seq_len))


def rotate_prefill(rope: RotaryEmbedding, heads: torch.Tensor, start: int) -> torch.Tensor:
    """Rotate heads [1, heads, length, head_dim] on the device: the reference's order -> the device's order."""
    length = heads.shape[2]
    padded = torch.randn(1, heads.shape[1], whole_tiles(length), heads.shape[3])
    padded[:, :, :length] = pairs_order(heads)
    rotation = rope.forward_prefill(start, padded.shape[2])
    x = ttnn.from_torch(padded, dtype=ttnn.bfloat16, layout=ttnn.TILE_LAYOUT, device=rope.config.device)
    y = ttnn.experimental.rotary_embedding_llama(x, rotation.cos, rotation.sin, rotation.pairs, is_decode_mode=False)
    return ttnn.to_torch(y).float()[:, :, :length]


def rotate_decode(rope: RotaryEmbedding, q: torch.Tensor, k: torch.Tensor, positions: list[int]):
    """Rotate q, k [users, heads, head_dim] on the device: the reference's order -> the device's order."""
    config, users, rotation = rope.config, len(positions), decode_rotation(rope, positions)
    # Queries are on the first cores and keys on the cores that follow, row by row, as after the split of heads. Shard i
    # of the angles must be on the core of row i. (`both.subtract(queries)` has the same cores in another order.)
    queries = first_cores(users, config.chip)
    both = ttnn.corerange_to_cores(first_cores(2 * users, config.chip), 2 * users, row_wise=True)
    keys = ttnn.CoreRangeSet([ttnn.CoreRange(core, core) for core in both[users:]])

    def upload(heads: torch.Tensor, cores: ttnn.CoreRangeSet) -> ttnn.Tensor:
        memory = users_memory_config(users, config.model.head_dim, cores)
        x = pairs_order(heads)[None]
        return ttnn.from_torch(
            x, dtype=ttnn.bfloat16, layout=ttnn.TILE_LAYOUT, device=config.device, memory_config=memory
        )

    rotated = ttnn.experimental.rotary_embedding_llama_fused_qk(
        upload(q, queries), upload(k, keys), rotation.cos, rotation.sin, rotation.pairs
    )
    return [ttnn.to_torch(heads).float()[0] for heads in rotated]


def check_decode(rope: RotaryEmbedding, positions: list[int]) -> None:
    model = rope.config.model
    q = torch.randn(len(positions), model.num_attention_heads, model.head_dim).bfloat16().float()
    k = torch.randn(len(positions), model.num_key_value_heads, model.head_dim).bfloat16().float()
    for heads, rotated in zip((q, k), rotate_decode(rope, q, k, positions)):
        golden = [
            apply_rope(one[None, :, None], *rope_tables(model, max(position, 0), 1))[0, :, 0]
            for one, position in zip(heads, positions)
        ]
        assert_level("accuracy", "operation", pairs_order(torch.stack(golden)), rotated[:, : heads.shape[1]])


@tiny_and_full
def test_rope_prefill(device, reset_seeds, model):
    """Chunks start at several positions. All precisions have one threshold, because attention kernels read bfloat16."""
    rope = new_rope(device, model)
    for start in (0, 32, 512):
        for length in (160,) if model is FULL else LENGTHS:
            heads = torch.randn(1, model.num_attention_heads, length, model.head_dim).bfloat16().float()
            golden = pairs_order(apply_rope(heads, *rope_tables(model, start, length)))
            assert_level("accuracy", "operation", golden, rotate_prefill(rope, heads, start))


@tiny_and_full
@pytest.mark.parametrize("users", BATCHES)
def test_rope_decode(device, reset_seeds, model, users):
    """One program rotates the queries and keys of all users. Each user has another position."""
    edges = [31, 32, CONTEXT - 1, 0, 127, 128, 33]
    check_decode(new_rope(device, model, users=users), (edges + torch.randint(0, CONTEXT, (25,)).tolist())[:users])


def test_rope_decode_with_idle_users(device, reset_seeds):
    """An idle user (position -1) gets any angle. The other users get theirs."""
    check_decode(new_rope(device, TINY, users=4), [5, -1, 77, -1])


def test_rope_prefill_whole_context(device, reset_seeds):
    """Every angle of the 2B-4T's context is that of float64, rounded once to bfloat16."""
    rope = new_rope(device, FULL, max_seq_len=FULL.max_position_embeddings)
    rotation = rope.forward_prefill(0, FULL.max_position_embeddings)
    exponent = torch.arange(0, FULL.head_dim, 2, dtype=torch.float64) / FULL.head_dim
    angle = torch.arange(4096, dtype=torch.float64)[:, None] / FULL.rope_theta**exponent
    for table, golden in ((rotation.cos, angle.cos()), (rotation.sin, angle.sin())):
        table = ttnn.to_torch(table)[0, 0]
        assert torch.equal(table[:, ::2], table[:, 1::2])
        assert torch.equal(table[:, ::2], golden.float().bfloat16())


def test_rope_prefill_context_that_ends_inside_a_tile(device, reset_seeds):
    rope = new_rope(device, SMALL, max_seq_len=75)
    heads = torch.randn(1, SMALL.num_attention_heads, 75 - 64, SMALL.head_dim).bfloat16().float()
    golden = pairs_order(apply_rope(heads, *rope_tables(SMALL, 64, 75 - 64)))
    assert_level("accuracy", "operation", golden, rotate_prefill(rope, heads, 64))


@stock_precision
def test_rope_prefill_and_decode_agree(device, reset_seeds, precision):
    """Scores of decoded queries with prefilled keys are right, which they are only if both rotations agree."""
    rope = new_rope(device, SMALL, precision, users=1)
    k = torch.randn(1, 1, 96, SMALL.head_dim).bfloat16().float()
    q = torch.randn(1, SMALL.num_attention_heads, SMALL.head_dim).bfloat16().float()
    keys = rotate_prefill(rope, k, 0)
    query, _ = rotate_decode(rope, q, q[:, : SMALL.num_key_value_heads], [96])
    expected_query = apply_rope(q[:, :, None], *rope_tables(SMALL, 96, 1))
    golden = expected_query[0, :, 0] @ apply_rope(k, *rope_tables(SMALL, 0, 96))[0, 0].T
    scores = query[0, : SMALL.num_attention_heads] @ keys[0, 0].T
    assert_level("accuracy", "operation", golden, scores, slack=1.5)


@settings(max_examples=6, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    head_dim=st.sampled_from([32, 64, 96, 128]),
    heads=st.integers(1, 8),
    positions=st.lists(st.integers(0, CONTEXT - 1), min_size=1, max_size=32),
    seed=st.integers(0, 1000),
)
def test_rope_decode_of_any_positions(device, head_dim, heads, positions, seed):
    torch.manual_seed(seed)
    check_decode(new_rope(device, shape(heads, 1, head_dim, 64), users=len(positions)), positions)
