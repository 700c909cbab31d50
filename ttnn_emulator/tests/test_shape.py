# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""Shape operations: every element where torch's indexing puts it."""

import pytest
import torch
from hypothesis import assume, given
from hypothesis import strategies as st

import ttnn
from ttnn_emulator.errors import TraceError
from ttnn_emulator.tests.tensors import assert_same, examples, get, integers, layouts, put, random, seeds, shapes

kinds = st.sampled_from((ttnn.bfloat16, ttnn.float32, ttnn.int32, ttnn.uint32))


def _operand(device, shape, seed, dtype=ttnn.bfloat16, layout=ttnn.TILE_LAYOUT):
    whole = dtype in (ttnn.int32, ttnn.uint32)
    return put(integers(shape, seed, 0, 1 << 20) if whole else random(shape, seed), device, dtype, layout)


@examples
@given(shape=shapes, dtype=kinds, layout=layouts, seed=seeds)
def test_reshape(device, shape, dtype, layout, seed):
    a, x = _operand(device, shape, seed, dtype, layout)
    rows = x.numel() // x.shape[-1]
    assert_same(ttnn.reshape(a, (rows, x.shape[-1])), x.reshape(rows, -1))
    assert_same(ttnn.reshape(a, (1, 1, x.numel() // rows, rows)), x.reshape(1, 1, -1, rows))
    assert_same(a.reshape(-1, x.shape[-1]), x.reshape(rows, -1))
    assert_same(ttnn.unsqueeze_to_4D(a), x.reshape(*[1] * (4 - x.ndim), *x.shape))
    assert_same(ttnn.unsqueeze(a, 0), x[None])
    assert_same(ttnn.squeeze(ttnn.unsqueeze(a, 0), 0), x)


@examples
@given(shape=shapes, dtype=st.sampled_from((ttnn.bfloat16, ttnn.float32, ttnn.int32)), layout=layouts, data=st.data())
def test_permute_and_transpose(device, shape, dtype, layout, data):
    a, x = _operand(device, shape, 1, dtype, layout)
    order = data.draw(st.permutations(range(len(shape))))
    assert_same(ttnn.permute(a, order), x.permute(order))
    first, second = data.draw(st.permutations(range(-len(shape), 0)))[:2]
    assert_same(ttnn.transpose(a, first, second), x.transpose(first, second))


@examples
@given(shape=shapes, layout=layouts, data=st.data())
def test_slice(device, shape, layout, data):
    a, x = _operand(device, shape, 2, ttnn.bfloat16, layout)
    starts = [data.draw(st.integers(0, size - 1)) for size in shape]
    ends = [data.draw(st.integers(start + 1, size)) for start, size in zip(starts, shape)]
    expected = x[tuple(slice(*bounds) for bounds in zip(starts, ends))]
    assert_same(ttnn.slice(a, starts, ends), expected)
    assert_same(ttnn.slice(a, slice_start=starts, slice_end=ends), expected)
    assert_same(a[tuple(slice(*bounds) for bounds in zip(starts, ends))], expected)


def test_strided_slice(device):
    a, x = _operand(device, (1, 2, 64, 64), 3, layout=ttnn.ROW_MAJOR_LAYOUT)
    assert_same(ttnn.slice(a, [0, 0, 1, 0], [1, 2, 64, 64], [1, 1, 3, 2]), x[:, :, 1::3, ::2])


def test_slice_by_tensors(device):
    """Take as many parts as devices would have. The bounds say which."""
    a, x = _operand(device, (1, 1, 128, 64), 3)
    starts, ends = (
        ttnn.from_torch(torch.tensor(bounds).int(), dtype=ttnn.uint32, layout=ttnn.ROW_MAJOR_LAYOUT, device=device)
        for bounds in ([0, 0, 32, 0], [1, 1, 64, 64])
    )
    assert_same(ttnn.slice(a, starts, ends, slice_dim=2, num_devices=4), x[:, :, 32:64])


@examples
@given(shape=shapes, layout=layouts, below=st.integers(0, 40), right=st.integers(0, 40))
def test_pad(device, shape, layout, below, right):
    a, x = _operand(device, shape, 4, ttnn.bfloat16, layout)
    sides = [(0, 0)] * (len(shape) - 2) + [(0, below), (0, right)]
    expected = torch.nn.functional.pad(x, (0, right, 0, below), value=1.5)
    assert_same(ttnn.pad(a, sides, 1.5), expected)
    assert_same(ttnn.pad(a, padding=sides, value=1.5), expected)
    assert_same(a, x)


def test_pad_to_a_shape(device):
    a, x = _operand(device, (1, 2, 20, 30), 4, ttnn.bfloat16, ttnn.ROW_MAJOR_LAYOUT)
    result = ttnn.pad(a, [1, 3, 24, 32], [0, 0, 0, 0], -1.0)
    assert_same(result, torch.nn.functional.pad(x, (0, 2, 0, 4, 0, 1), value=-1.0))


@examples
@given(shape=shapes, layout=layouts, dtype=kinds, data=st.data())
def test_join_and_split(device, shape, layout, dtype, data):
    dim = data.draw(st.integers(-len(shape), len(shape) - 1))
    other = list(shape)
    other[dim] = data.draw(st.integers(1, 40))
    a, x = _operand(device, shape, 5, dtype, layout)
    b, y = _operand(device, other, 6, dtype, layout)
    assert_same(ttnn.concat([a, b], dim=dim), torch.cat([x, y], dim))


def test_split_chunk_stack(device):
    a, x = _operand(device, (1, 2, 96, 64), 7)
    for result, expected in (
        (ttnn.split(a, 32, 2), x.split(32, 2)),
        (ttnn.split(a, [32, 64], dim=2), x.split([32, 64], 2)),
        (ttnn.chunk(a, 2, 3), x.chunk(2, 3)),
    ):
        assert len(result) == len(expected)
        for one, other in zip(result, expected):
            assert_same(one, other)
    assert_same(ttnn.stack([a, a], 1), torch.stack([x, x], 1))


@examples
@given(shape=shapes, layout=layouts, times=st.integers(2, 3), data=st.data())
def test_repeat(device, shape, layout, times, data):
    a, x = _operand(device, shape, 8, ttnn.bfloat16, layout)
    dim = data.draw(st.integers(0, len(shape) - 1))
    counts = [times if d == dim else 1 for d in range(len(shape))]
    assert_same(ttnn.repeat(a, counts), torch.tile(x, counts))
    assert_same(ttnn.repeat_interleave(a, times, dim), x.repeat_interleave(times, dim))
    assume(shape[0] > 1)
    assert_same(ttnn.roll(a, 1, 0), torch.roll(x, 1, 0))


def test_expand(device):
    a, x = _operand(device, (1, 1, 40, 50), 9)
    assert_same(ttnn.expand(a, [2, 3, 40, 50]), x.expand(2, 3, 40, 50))
    assert_same(ttnn.expand(a, [2, -1, 40, 50]), x.expand(2, 1, 40, 50))


def test_gather_scatter_sort(device):
    a, x = _operand(device, (1, 1, 32, 64), 10)
    chosen = integers((1, 1, 32, 32), 11, 0, 64)
    index, _ = put(chosen, device, ttnn.uint32)
    assert_same(ttnn.gather(a, 3, index), x.gather(3, chosen))
    values, order = ttnn.sort(a, dim=-1, descending=True)
    assert_same(values, x.sort(-1, descending=True).values)
    assert torch.equal(x.gather(-1, get(order)), get(values))

    flat, y = _operand(device, (1, 1, 1, 64), 12, ttnn.bfloat16, ttnn.ROW_MAJOR_LAYOUT)
    places = torch.randperm(64, generator=torch.Generator().manual_seed(1))[:32].reshape(1, 1, 1, 32)
    index, _ = put(places, device, ttnn.int32, ttnn.ROW_MAJOR_LAYOUT)
    source, s = _operand(device, (1, 1, 1, 32), 13, ttnn.bfloat16, ttnn.ROW_MAJOR_LAYOUT)
    expected = y.clone()
    expected[0, 0, 0, places.flatten()] = s.flatten()
    assert_same(ttnn.scatter(flat, 3, index, source), expected)


@pytest.mark.parametrize("on_host", [True, False])
def test_slice_takes_its_bounds_from_tensors(device, on_host):
    layout = ttnn.ROW_MAJOR_LAYOUT if on_host else ttnn.TILE_LAYOUT
    a, x = _operand(device, (1, 2, 64, 32), 15, layout=layout)
    bounds = (torch.tensor(corner) for corner in ([0, 0, 32, 0], [1, 2, 64, 32]))
    starts, ends = (ttnn.from_torch(corner, device=None if on_host else device) for corner in bounds)
    shape = {} if on_host else {"slice_dim": 2, "num_devices": 2}  # the library does not read the device's bounds
    assert_same(ttnn.slice(a, starts, ends, **shape), x[:, :, 32:])


@pytest.mark.parametrize("layout", [ttnn.ROW_MAJOR_LAYOUT, ttnn.TILE_LAYOUT])
@pytest.mark.parametrize("named", [False, True])
def test_slice_with_a_step_by_tensors_on_the_device(device, layout, named):
    a, x = _operand(device, (1, 2, 64, 32), 15, layout=layout)
    bounds = (torch.tensor(corner) for corner in ([0, 1, 8, 0], [1, 2, 64, 32]))
    starts, ends = (ttnn.from_torch(corner, dtype=ttnn.uint32, device=device) for corner in bounds)
    names = {"slice_step": [1, 1, 3, 2]} if named else {}
    positions = [] if named else [[1, 1, 3, 2]]
    assert_same(ttnn.slice(a, starts, ends, *positions, **names), x[:, 1:, 8::3, ::2])
    if layout == ttnn.ROW_MAJOR_LAYOUT:
        assert_same(ttnn.slice(a, starts, ends), x[:, 1:, 8:])


def test_bounds_on_the_device_that_the_library_reads_are_no_part_of_a_trace(device):
    a, _ = _operand(device, (1, 2, 64, 32), 15, layout=ttnn.ROW_MAJOR_LAYOUT)
    bounds = (torch.tensor(corner) for corner in ([0, 1, 8, 0], [1, 2, 64, 32]))
    starts, ends = (ttnn.from_torch(corner, dtype=ttnn.uint32, device=device) for corner in bounds)
    ttnn.slice(a, starts, ends)
    trace = ttnn.begin_trace_capture(device, cq_id=0)
    with pytest.raises(TraceError, match="inside a trace capture"):
        ttnn.slice(a, starts, ends)
    ttnn.end_trace_capture(device, trace, cq_id=0)


def test_a_view_shares_its_storage(device):
    a, x = _operand(device, (1, 1, 64, 64), 14)
    view = ttnn.experimental.view(a, (2, 32, 64))
    ttnn.add_(a, 1.0)
    assert torch.equal(get(view), get(a).reshape(2, 32, 64))
