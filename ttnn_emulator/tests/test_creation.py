# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""Tensors made on the device."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import ttnn
from ttnn_emulator.tests.tensors import assert_same, examples, get, layouts, put, random, shapes

dtypes = st.sampled_from((ttnn.bfloat16, ttnn.float32, ttnn.int32, ttnn.uint32))


@examples
@given(shape=shapes, dtype=dtypes, layout=layouts)
def test_constants(device, shape, dtype, layout):
    options = {"dtype": dtype, "layout": layout, "device": device}
    assert_same(ttnn.zeros(shape, **options), torch.zeros(shape))
    assert_same(ttnn.ones(shape, **options), torch.ones(shape))
    assert_same(ttnn.full(shape, 3, **options), torch.full(shape, 3))
    like = ttnn.full(shape, fill_value=7, **options)
    assert_same(ttnn.zeros_like(like), torch.zeros(shape))
    assert_same(ttnn.ones_like(like), torch.ones(shape))
    assert_same(ttnn.full_like(like, 5), torch.full(shape, 5))


@examples
@given(start=st.integers(-20, 20), count=st.integers(1, 50), step=st.integers(1, 4))
def test_arange(device, start, count, step):
    expected = torch.arange(start, start + count, step)
    assert_same(ttnn.arange(start, start + count, step, dtype=ttnn.int32, device=device), expected)
    assert_same(ttnn.arange(start, start + count, step, dtype=ttnn.float32, device=device), expected)
    assert_same(ttnn.arange(end=count, dtype=ttnn.int32, device=device), torch.arange(count))


def test_empty_reads_as_nothing_sensible(device):
    empty = ttnn.empty((4, 5), dtype=ttnn.float32, device=device)
    assert get(empty).isnan().all()
    assert get(ttnn.empty_like(empty)).isnan().all()
    assert get(ttnn.allocate_tensor_on_device(empty.spec, device)).isnan().all()


def test_random(device):
    first, again, other = (ttnn.rand((64, 64), device, dtype=ttnn.float32, seed=seed) for seed in (5, 5, 6))
    assert_same(first, get(again))
    assert not torch.equal(get(first), get(other))
    assert 0 <= get(first).min() < 0.05 and 0.95 < get(first).max() <= 1
    normal = get(ttnn.randn((64, 64), device, dtype=ttnn.float32, seed=5))
    assert abs(normal.mean()) < 0.1 and abs(normal.std() - 1) < 0.1
    target, _ = put(random((64, 64), 1), device)
    ttnn.uniform(target, -3.0, -2.0, 7)
    assert -3 <= get(target).min() and get(target).max() <= -2
    likely, _ = put(torch.full((64, 64), 0.9), device)
    assert 0.85 < get(ttnn.bernoulli(likely, 3)).mean() < 0.95


@pytest.mark.parametrize("name,values", [("fill_rm", (3.0, -2.0)), ("fill_ones_rm", ())])
def test_a_corner_is_filled(device, name, values):
    like, _ = put(random((1, 1, 1, 1), 1), device, layout=ttnn.ROW_MAJOR_LAYOUT)
    result = get(getattr(ttnn, name)(2, 3, 64, 32, 40, 10, like, *values))
    inside, outside = values or (1.0, 0.0)
    expected = torch.full((2, 3, 64, 32), outside, dtype=torch.float64)
    expected[:, :, :40, :10] = inside
    assert torch.equal(result, expected)


def test_dropout(device):
    ones = ttnn.ones((1, 1, 256, 256), dtype=ttnn.bfloat16, layout=ttnn.TILE_LAYOUT, device=device)
    first, again, other = (
        get(ttnn.experimental.dropout(ones, probability=0.25, scale=2.0, seed=seed)) for seed in (1, 1, 2)
    )
    assert torch.equal(first, again) and not torch.equal(first, other)
    assert set(first.unique().tolist()) == {0.0, 2.0}
    assert abs((first == 0).double().mean() - 0.25) < 0.01
