# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""Reductions, scans and searches against torch in float64."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import ttnn
from ttnn_emulator.tests.tensors import assert_close, assert_same, examples, floats, get, integers, put, random, seeds
from ttnn_emulator.tests.tensors import shapes as all_shapes

REDUCTIONS = {
    "sum": torch.sum,
    "mean": torch.mean,
    "max": torch.amax,
    "min": torch.amin,
    "std": torch.std,
    "var": torch.var,
}
shapes = all_shapes.filter(lambda shape: min(shape[-2:]) > 1)  # a variance needs two values


@examples
@given(shape=shapes, dtype=floats, keepdim=st.booleans(), name=st.sampled_from(sorted(REDUCTIONS)), seed=seeds)
def test_reduce(device, shape, dtype, keepdim, name, seed):
    a, x = put(random(shape, seed, 0.5, 4), device, dtype)
    for dim in (-1, -2, (-2, -1)):
        result = getattr(ttnn, name)(a, dim=dim, keepdim=keepdim)
        if result.dtype == ttnn.bfloat8_b and not keepdim:
            continue  # the blocks of a block float lie along the dimension that is gone
        assert_close(result, REDUCTIONS[name](x, dim=dim, keepdim=keepdim), 1e-4)


def test_reduce_everything(device):
    a, x = put(random((2, 3, 40, 50), 1, 0.5, 1.5), device, ttnn.float32)
    assert_close(ttnn.sum(a), x.sum())
    assert_close(ttnn.max(a), x.max())
    assert_close(ttnn.mean(a, scalar=2.0), 2 * x.mean())
    one, y = put(random((1, 1, 4, 8), 2, 0.5, 1.5), device)
    assert_close(ttnn.prod(one), y.prod(), 1e-2)
    assert_close(ttnn.prod(a, 1), x.prod(1), 1e-4)


def test_integer_sums_are_exact(device):
    a, x = put(integers((32, 64), 1, -(2**24), 2**24), device, ttnn.int32)
    assert_close(ttnn.sum(a, -1), x.sum(-1))
    assert_close(ttnn.max(a, -1), x.amax(-1))


@examples
@given(shape=all_shapes, seed=seeds, keepdim=st.booleans())
def test_argmax(device, shape, seed, keepdim):
    a, x = put(random(shape, seed), device, layout=ttnn.ROW_MAJOR_LAYOUT)
    first = (x == x.amax(-1, keepdim=True)).long().argmax(-1, keepdim=keepdim)  # the first of equals
    assert_close(ttnn.argmax(a, dim=-1, keepdim=keepdim), first)


@pytest.mark.parametrize("k,largest", [(32, True), (16, True), (32, False)])
def test_topk(device, k, largest):
    a, x = put(random((1, 1, 32, 128), 1), device)
    values, indices = ttnn.topk(a, k, dim=-1, largest=largest, sorted=True)
    assert_same(values, x.sort(-1, descending=largest).values[..., :k])
    assert torch.equal(x.gather(-1, get(indices)), get(values))


def test_scans(device):
    a, x = put(random((1, 2, 40, 50), 1, 0.9, 1.1), device, ttnn.float32)
    assert_close(ttnn.cumsum(a, dim=2), x.cumsum(2), 1e-4)
    assert_close(ttnn.cumprod(a, dim=2), x.cumprod(2), 1e-4)


@pytest.mark.parametrize("skip", [False, True])
def test_plus_one(device, skip):
    a, x = put(torch.tensor([3, -1, 0, 7]), device, ttnn.int32, ttnn.ROW_MAJOR_LAYOUT)
    ttnn.plus_one(a, skip_negative_entries=skip)
    assert get(a).tolist() == [4, -1 if skip else 0, 1, 8]
