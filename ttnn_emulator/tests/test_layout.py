# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""Layouts, memories and dtypes: values stay, but for the new dtype's rounding."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import ttnn
from ttnn_emulator import UnsupportedOperation
from ttnn_emulator.tests.tensors import (
    assert_close,
    assert_same,
    examples,
    floats,
    get,
    integers,
    put,
    random,
    seeds,
    shapes,
)


@examples
@given(shape=shapes, dtype=st.sampled_from((ttnn.bfloat16, ttnn.float32)), seed=seeds)
def test_layouts_keep_values(device, shape, dtype, seed):
    a, x = put(random(shape, seed), device, dtype)
    rows = ttnn.to_layout(a, ttnn.ROW_MAJOR_LAYOUT)
    assert rows.layout == ttnn.ROW_MAJOR_LAYOUT
    assert_same(rows, x)
    assert_same(ttnn.to_layout(rows, ttnn.TILE_LAYOUT), x)
    assert_same(ttnn.untilize(a), x)
    assert_same(ttnn.tilize_with_zero_padding(rows), x)
    assert_same(ttnn.to_memory_config(a, ttnn.L1_MEMORY_CONFIG), x)
    assert_same(ttnn.clone(a), x)


def test_padding_variants(device):
    rows, x = put(random((1, 1, 40, 50), 1), device, layout=ttnn.ROW_MAJOR_LAYOUT)
    tiles = ttnn.tilize_with_val_padding(rows, (1, 1, 64, 64), 1.0)
    assert_same(tiles, x)
    assert_same(ttnn.untilize_with_unpadding(tiles, (0, 0, 9, 19)), x[:, :, :10, :20])
    aligned, y = put(random((1, 1, 64, 64), 2), device, layout=ttnn.ROW_MAJOR_LAYOUT)
    assert_same(ttnn.tilize(aligned), y)


def _sharded(layout, shard, cores):
    grid = ttnn.CoreRangeSet({ttnn.CoreRange(ttnn.CoreCoord(0, 0), ttnn.CoreCoord(cores[0] - 1, cores[1] - 1))})
    return ttnn.MemoryConfig(layout, ttnn.BufferType.L1, ttnn.ShardSpec(grid, shard, ttnn.ShardOrientation.ROW_MAJOR))


@pytest.mark.parametrize("dtype", [ttnn.bfloat16, ttnn.bfloat8_b])
def test_shards_keep_values(device, dtype):
    a, x = put(random((1, 1, 64, 128), 1), device, dtype)
    heights = _sharded(ttnn.TensorMemoryLayout.HEIGHT_SHARDED, (32, 128), (2, 1))
    widths = _sharded(ttnn.TensorMemoryLayout.WIDTH_SHARDED, (64, 32), (4, 1))
    sharded = ttnn.interleaved_to_sharded(a, heights)
    assert_same(sharded, x)
    assert_same(ttnn.reshard(sharded, widths), x)
    assert_same(ttnn.to_memory_config(a, widths), x)
    assert_same(ttnn.sharded_to_interleaved(sharded, ttnn.DRAM_MEMORY_CONFIG), x)


@examples
@given(shape=shapes, source=floats, target=floats, seed=seeds)
def test_typecast_between_floats(device, shape, source, target, seed):
    a, x = put(random(shape, seed), device, source)
    assert_close(ttnn.typecast(a, target), x)


@pytest.mark.parametrize(
    "target,expected",
    [
        (ttnn.int32, [-2, -1, 0, 0, 1, 2, 300, -(2**31)]),
        (ttnn.uint32, [0, 0, 0, 0, 1, 2, 300, 2**32 - 1]),
        (ttnn.uint16, [0, 0, 0, 1, 2, 3, 300, 65535]),
    ],
)
def test_typecast_to_integers(device, target, expected):
    a, _ = put(torch.tensor([[-2.75, -1.5, -0.5, 0.5, 1.5, 2.5, 300.25, 1e10]]), device, ttnn.float32)
    assert get(ttnn.typecast(a, target)).tolist() == [expected]


def test_typecast_to_bytes_keeps_the_low_bits_of_the_whole_part(device):
    a, _ = put(torch.tensor([[0.5, 1.5, -0.5, -1.5, 255.5, 256.0, 300.0]]), device, ttnn.float32)
    assert get(ttnn.typecast(a, ttnn.uint8)).tolist() == [[0, 1, 0, 255, 255, 0, 44]]


def test_parts_between_interleaved_and_sharded(device):
    source, x = put(random((1, 1, 64, 64), 4), device)
    target, expected = put(torch.zeros(1, 1, 64, 64), device)
    scheme, orientation = ttnn.TensorMemoryLayout.HEIGHT_SHARDED, ttnn.ShardOrientation.ROW_MAJOR
    part = ttnn.interleaved_to_sharded_partial(source, (8, 8), [32, 64], 2, 1, scheme, orientation)
    assert_same(part, x[:, :, 32:])
    ttnn.sharded_to_interleaved_partial(part, target, 2, 1, memory_config=ttnn.DRAM_MEMORY_CONFIG)
    expected[:, :, 32:] = x[:, :, 32:]
    assert_same(target, expected)


@pytest.mark.parametrize("value", [torch.tensor(7), torch.arange(5)])
def test_what_fills_up_a_scalar_and_a_row(device, value):
    tensor, _ = put(value.int(), device, ttnn.int32, ttnn.ROW_MAJOR_LAYOUT)
    padded = ttnn.tilize_with_val_padding(tensor, [32, 32], -32).cpu().to_torch_with_padded_shape()
    expected = torch.full((32, 32), -32)
    expected[0, : value.numel()] = value
    assert torch.equal(padded.long(), expected)


def test_typecast_from_integers(device):
    a, x = put(torch.tensor([[0, 1, 257, 70000, -5]]), device, ttnn.int32)
    assert_close(ttnn.typecast(a, ttnn.float32), x)
    assert_close(ttnn.typecast(a, ttnn.bfloat16), x)
    assert get(ttnn.typecast(a, ttnn.uint16)).tolist() == [[0, 1, 257, 65535, 0]]
    assert get(ttnn.typecast(a, ttnn.uint32)).tolist() == [[0, 1, 257, 70000, 2**32 - 5]]


def test_copies(device):
    a, x = put(random((64, 50), 1), device)
    target, _ = put(torch.zeros(64, 50), device)
    ttnn.copy(a, target)
    assert_same(target, x)
    other, _ = put(torch.zeros(64, 50), device)
    ttnn.assign(a, other)
    assert_same(other, x)
    assert_same(ttnn.assign(a, memory_config=ttnn.L1_MEMORY_CONFIG), x)
    copy = ttnn.clone(a)
    ttnn.add_(a, 1.0)
    assert_same(copy, x)
    assert_same(ttnn.move(copy), x)
    assert_same(ttnn.reallocate(ttnn.clone(target)), x)


@pytest.mark.parametrize(
    "dtype,fill", [(ttnn.bfloat16, 2.5), (ttnn.float32, -1.0), (ttnn.bfloat8_b, 0.5), (ttnn.int32, 7)]
)
def test_tile_padding_is_what_was_put_there(device, dtype, fill):
    value = integers((2, 40, 50), 1) if dtype == ttnn.int32 else random((2, 40, 50), 1)
    a, x = put(value, device, dtype)
    assert torch.equal(a.to_torch_with_padded_shape(), _padded(a, x, 0))
    filled = ttnn.fill_implicit_tile_padding(a, fill)
    x = get(filled) if dtype == ttnn.bfloat8_b else x  # its last numbers share their exponent with the padding
    assert_same(filled, x)
    assert torch.equal(filled.to_torch_with_padded_shape(), _padded(filled, x, fill))
    moved = ttnn.to_memory_config(filled, ttnn.L1_MEMORY_CONFIG)
    assert torch.equal(moved.cpu().to_torch_with_padded_shape(), _padded(filled, x, fill))
    assert torch.equal(ttnn.to_device(moved.cpu(), device).to_torch_with_padded_shape(), _padded(filled, x, fill))


def test_padding_may_go_beyond_the_last_tiles(device):
    rows, x = put(random((1, 2, 40, 50), 1), device, layout=ttnn.ROW_MAJOR_LAYOUT)
    tiles = ttnn.tilize_with_val_padding(rows, (1, 3, 64, 96), 1.5)
    assert tuple(tiles.cpu().padded_shape) == (1, 3, 64, 96)
    assert torch.equal(tiles.to_torch_with_padded_shape(), _padded(tiles, x, 1.5))


def test_padding_that_an_operation_left_is_not_made_up(device):
    a, x = put(random((40, 50), 1), device)
    result = ttnn.exp(a)
    with pytest.raises(UnsupportedOperation, match="fills up the tiles"):
        result.to_torch_with_padded_shape()
    host = result.cpu()
    assert_close(host, x.exp())
    assert host.to_torch_with_padded_shape()[40:].isnan().all()


def test_untilized_padding_is_what_was_put_there(device):
    rows, x = put(random((1, 1, 40, 50), 1), device, layout=ttnn.ROW_MAJOR_LAYOUT)
    tiles = ttnn.tilize_with_val_padding(rows, (1, 1, 64, 64), 1.5)
    result = get(ttnn.untilize_with_unpadding(tiles, (0, 0, 49, 59)))
    assert torch.equal(result, torch.nn.functional.pad(x, (0, 10, 0, 10), value=1.5))
    with pytest.raises(UnsupportedOperation, match="ends past the tiles"):
        ttnn.untilize_with_unpadding(tiles, (0, 0, 64, 59))
    with pytest.raises(UnsupportedOperation, match="is not known here"):
        ttnn.untilize_with_unpadding(ttnn.exp(tiles), (0, 0, 49, 59))


def _padded(tensor, x, fill):
    whole = torch.full(tuple(tensor.padded_shape), fill, dtype=ttnn.to_torch(tensor).dtype)
    whole[tuple(slice(0, size) for size in x.shape)] = x.to(whole.dtype)
    return whole


@pytest.mark.parametrize("dtype", [ttnn.bfloat8_b, ttnn.bfloat4_b])
@pytest.mark.parametrize("sharded", [False, True])
def test_block_floats_on_their_way_to_shards_are_rounded_twice(device, dtype, sharded):
    """The library's own host tensor for the same place goes through bfloat16 as well, on the simulator too."""
    grid = ttnn.CoreRangeSet([ttnn.CoreRange(ttnn.CoreCoord(0, 0), ttnn.CoreCoord(3, 0))])
    spec = ttnn.ShardSpec(grid, [32, 32], ttnn.ShardOrientation.ROW_MAJOR)
    shards = ttnn.MemoryConfig(ttnn.TensorMemoryLayout.WIDTH_SHARDED, ttnn.BufferType.L1, spec)
    options = {"dtype": dtype, "layout": ttnn.TILE_LAYOUT, "memory_config": shards if sharded else None}
    value = random((1, 1, 32, 128), 7)
    on_host = ttnn.to_torch(ttnn.from_torch(value, **options))
    once = ttnn.to_torch(ttnn.from_torch(value, dtype=dtype, layout=ttnn.TILE_LAYOUT))
    assert torch.equal(ttnn.to_torch(ttnn.from_torch(value, device=device, **options)), on_host)
    assert torch.equal(on_host, once) != sharded


def test_a_block_float_upload_may_share_exponents_down_the_columns(device):
    x = torch.ones(32, 64)
    x[:, 0] = 1e4  # in a row it would swallow its neighbours
    a = ttnn.from_torch(x, dtype=ttnn.bfloat8_b, layout=ttnn.TILE_LAYOUT, device=device, col_tilize=True)
    value = get(a)
    assert tuple(value.shape) == (64, 32) and (value[1:] == 1).all()
