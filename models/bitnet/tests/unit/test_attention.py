# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""The attention sub-block on the device, with its norm and the residual stream, against the reference."""

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import ttnn
from models.bitnet.perf.random_weights import FULL, SharedWeights, random_state, shape
from models.bitnet.reference.attention import Attention as ReferenceAttention
from models.bitnet.reference.rms_norm import RMSNorm as ReferenceNorm
from models.bitnet.tests.common import (
    BATCHES,
    LENGTHS,
    SMALL,
    TINY,
    Pages,
    assert_level,
    decode_bars,
    empty_cache,
    every_other_family,
    every_precision,
    every_scaling,
    faint_stream,
    random_past,
    reference_steps,
    tiny_and_full,
    with_float_weights,
)
from models.bitnet.tests.unit.layer_case import CONTEXT, LayerCase, mixed_positions
from models.bitnet.tt.attention import Attention
from models.bitnet.tt.weights.scales import fold_scales

PREFIX, NORM = "model.layers.0.self_attn", "model.layers.0.input_layernorm"


class Case(LayerCase):
    """One attention block on the device and its reference. The cases of one test use the same `weights`."""

    def __init__(self, device, model, precision, users, state, weights=None):
        super().__init__(device, model, precision, users)
        self.state = state
        self.block = Attention(
            self.config, weights or SharedWeights(device), state, PREFIX, fold_scales(model, state, 0)
        )
        self.norm, self.bare = ReferenceNorm(model, state, NORM), ReferenceAttention(model, state, PREFIX)
        with_float_weights(self.bare)
        self.random_rows = lambda rows: faint_stream(rows, model, state)

    def reference(self, x, *inputs):
        y, cache = self.bare(self.norm(x), *inputs)
        return x + y, cache

    def cached(self, pages, cache, user, positions):
        """The device's keys and values [kv_heads, positions, head_dim] in the reference's order and scale."""
        keys, values = (pages.read(ttnn.to_torch(t).float(), user, positions) for t in (cache.keys, cache.values))
        keys = keys.unflatten(-1, (-1, 2)).transpose(-1, -2).flatten(-2)
        return keys * self.state[f"{PREFIX}.k_proj.weight_scale"], values * self.state[f"{PREFIX}.v_proj.weight_scale"]


@every_scaling
@every_precision
@tiny_and_full
def test_attention_prefill(device, reset_seeds, model, precision, badly_scaled):
    """Lengths are around the edges of tiles and pages. The cache has the keys and values of the reference."""
    case = Case(device, model, precision, 1, random_state(model, badly_scaled))
    for length in (33, 160) if model is FULL else LENGTHS:
        pages = Pages(2, length)
        cache, x = empty_cache(case.config, pages), case.random_rows(length)
        golden, (keys, values) = case.golden(x)
        assert_level(precision, "sub-block", golden, case.prefill(x, pages, cache, user=1))
        for expected, stored in zip((keys, values), case.cached(pages, cache, 1, length)):
            assert_level(precision, "module", expected[0], stored)


@pytest.mark.board
@every_scaling
@every_precision
@tiny_and_full
def test_attention_decode(device, reset_seeds, model, precision, badly_scaled):
    """Every batch size, with users at different positions. Only the new position of each user's cache changes."""
    state, weights = random_state(model, badly_scaled), SharedWeights(device)
    for users in BATCHES:
        case = Case(device, model, precision, users, state, weights)
        pages, positions = Pages(users, CONTEXT), mixed_positions(users)
        cache, past = random_past(case.config, pages, state, positions)
        before = [ttnn.to_torch(t) for t in (cache.keys, cache.values)]
        x = case.random_rows(users)
        golden, new = reference_steps(case.reference, x, model, past)
        assert_level(decode_bars(precision, model), "decode", golden, case.decode(x, pages, cache, positions))

        for user, position in enumerate(positions):
            block, offset = pages.table[user, position // 32], position % 32
            for pool, after in zip(before, (cache.keys, cache.values)):
                pool[block, :, offset] = ttnn.to_torch(after)[block, :, offset]
            for expected, stored in zip(new[user], case.cached(pages, cache, user, position + 1)):
                assert_level(precision, "module", expected[0, :, -1], stored[:, -1])
        assert all(torch.equal(pool, ttnn.to_torch(t)) for pool, t in zip(before, (cache.keys, cache.values)))


@every_precision
def test_attention_prefill_and_decode_where_eps_counts(device, reset_seeds, precision):
    """The scale of v is so small that attended rows have about the size of eps. Eps without this scale is far off."""
    state = random_state(TINY) | {f"{PREFIX}.v_proj.weight_scale": torch.tensor(1e-3)}
    case, length = Case(device, TINY, precision, 1, state), 33
    pages, x = Pages(1, length + 1), case.random_rows(length + 1)
    cache, (golden, _) = empty_cache(case.config, pages), case.golden(x)
    assert_level(precision, "sub-block", golden[:length], case.prefill(x[:length], pages, cache))
    step = case.decode(x[length:], pages, cache, [length])
    assert_level(decode_bars(precision, TINY), "decode", golden[length:], step)


@pytest.mark.board
@every_precision
@every_other_family
def test_attention_prefill_and_decode_of_other_families(device, reset_seeds, model, precision):
    case, length = Case(device, model, precision, 1, random_state(model)), 33
    pages, x = Pages(1, length + 1), case.random_rows(length + 1)
    cache, (golden, _) = empty_cache(case.config, pages), case.golden(x)
    assert_level(precision, "sub-block", golden[:length], case.prefill(x[:length], pages, cache))
    step = case.decode(x[length:], pages, cache, [length])
    assert_level(decode_bars(precision, model), "decode", golden[length:], step)


@every_precision
@pytest.mark.parametrize("model", [TINY, pytest.param(FULL, marks=pytest.mark.slow)], ids=["tiny", "2b"])
def test_attention_decode_after_prefill(device, reset_seeds, model, precision):
    """Three decode steps after a prefill give the same rows as a prefill of the longer sequence.

    The rows are not equal bit for bit, because the kernels add in different orders. A sum next to a rounding boundary
    then changes an int8 code by one.
    """
    case = Case(device, model, precision, 2, random_state(model))
    for length in (32, 65) if model is FULL else LENGTHS:
        pages, x = Pages(2, length + 3 + 32), case.random_rows(length + 3)
        longer = case.prefill(x, pages, empty_cache(case.config, pages))
        cache = empty_cache(case.config, pages)
        for user in range(2):
            case.prefill(x[:length], pages, cache, user)
        for position in range(length, length + 3):
            step = case.decode(x[position].expand(2, -1), pages, cache, [position] * 2)
            assert_level(decode_bars(precision, model), "decode", longer[position].expand(2, -1), step)


@pytest.mark.board
@every_precision
@pytest.mark.parametrize("first, rest", [(64, 33), (96, 31), (128, 65)])
def test_attention_prefill_in_chunks(device, reset_seeds, precision, first, rest):
    """A prompt in two chunks gives the same rows and cache as in one chunk, bit for bit if rows are integers.

    The order in which the emulated device adds floats depends on the number of rows.
    """
    case = Case(device, SMALL, precision, 1, random_state(SMALL))
    pages, x = Pages(1, first + rest), case.random_rows(first + rest)
    whole = case.prefill(x, pages, empty_cache(case.config, pages))
    cache = empty_cache(case.config, pages)
    parts = [case.prefill(x[:first], pages, cache), case.prefill(x[first:], pages, cache, start=first)]
    golden, new = case.golden(x)
    assert_level(precision, "sub-block", golden, torch.cat(parts))
    assert precision == "performance" or torch.equal(torch.cat(parts), whole)
    for expected, stored in zip(new, case.cached(pages, cache, 0, first + rest)):
        assert_level(precision, "module", expected[0], stored)


@every_precision
def test_attention_prefill_leaves_others_alone(device, reset_seeds, precision):
    """A prefill of a user writes the pages of this user and no others."""
    case = Case(device, TINY, precision, 1, random_state(TINY))
    pages = Pages(3, 96)
    cache = empty_cache(case.config, pages)
    before = [ttnn.to_torch(t) for t in (cache.keys, cache.values)]
    case.prefill(case.random_rows(65), pages, cache, user=1)
    others = torch.ones(pages.paging.max_num_blocks, dtype=torch.bool)
    others[pages.table[1].long()] = False
    for old, new in zip(before, (cache.keys, cache.values)):
        assert torch.equal(old[others], ttnn.to_torch(new)[others])


@every_precision
def test_attention_decode_skips_idle_users(device, reset_seeds, precision):
    """Users with position -1 write nothing, and the rows of other users do not depend on them."""
    state = random_state(TINY)
    case = Case(device, TINY, precision, 7, state)
    pages, positions = Pages(7, CONTEXT), [40, -1, 0, 127, -1, -1, 64]
    busy = [user for user, position in enumerate(positions) if position >= 0]
    cache, past = random_past(case.config, pages, state, [max(position, 0) for position in positions])
    before = [ttnn.to_torch(t) for t in (cache.keys, cache.values)]
    x = case.random_rows(7)
    golden, _ = reference_steps(case.reference, x[busy], TINY, [past[user] for user in busy])
    step = case.decode(x, pages, cache, positions)[busy]
    assert_level(decode_bars(precision, TINY), "decode", golden, step)
    for user in set(range(7)) - set(busy):
        blocks = pages.table[user].long()
        for old, new in zip(before, (cache.keys, cache.values)):
            assert torch.equal(old[blocks], ttnn.to_torch(new)[blocks])


@pytest.mark.board
@settings(max_examples=6, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_attention_prefill_then_decode_of_any_shape(device, data):
    """Prefill of every user and then one decode step of all users, with any heads, pages, batch and lengths."""
    torch.manual_seed(data.draw(st.integers(0, 1000), "seed"))
    kv_heads = data.draw(st.integers(1, 4), "kv heads")
    heads = kv_heads * data.draw(st.integers(1, 4), "queries a kv head")
    model = shape(heads, kv_heads, data.draw(st.sampled_from([32, 64, 96, 128]), "head_dim"), 64)
    lengths = data.draw(st.lists(st.integers(1, 130), min_size=1, max_size=4), "lengths")
    precision = data.draw(st.sampled_from(["accuracy", "performance", "fused"]), "precision")
    case = Case(device, model, precision, len(lengths), random_state(model, badly_scaled=True))
    pages = Pages(len(lengths), 160, block_size=data.draw(st.sampled_from([32, 64, 128]), "block size"))
    cache, past = empty_cache(case.config, pages), []
    for user, length in enumerate(lengths):
        x = case.random_rows(length)
        golden, reference_cache = case.golden(x)
        past.append(reference_cache)
        assert_level(precision, "sub-block", golden, case.prefill(x, pages, cache, user))
    x = case.random_rows(len(lengths))
    golden, _ = reference_steps(case.reference, x, model, past)
    assert_level(decode_bars(precision, model), "decode", golden, case.decode(x, pages, cache, lengths))
