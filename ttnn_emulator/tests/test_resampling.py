# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""Images of another size against torch in float64."""

import pytest
import torch
from torch.nn import functional

import ttnn
from ttnn_emulator.tests.tensors import assert_same, get, put, random

pytestmark = pytest.mark.parametrize("device_params", [{"l1_small_size": 32768}], indirect=True)
# weights of four pixels are cut to 8 bits, then the sum is rounded to 8 bits after each of its terms
ERROR = 2**-5


def images(device, shape=(2, 4, 6, 32), seed=1) -> tuple[ttnn.Tensor, torch.Tensor]:
    return put(random(shape, seed), device, layout=ttnn.ROW_MAJOR_LAYOUT)


def channels_first(value: torch.Tensor) -> torch.Tensor:
    return value.permute(0, 3, 1, 2)


def assert_near(result: ttnn.Tensor, expected: torch.Tensor, largest: float = 4.0) -> None:
    value, expected = get(result), expected.permute(0, 2, 3, 1)
    assert value.shape == expected.shape
    assert (value - expected).abs().max() <= ERROR * largest


@pytest.mark.parametrize("scale", [2, (3, 1), 1.5, (2.25, 0.75)])
def test_nearest_pixels(device, scale):
    tensor, value = images(device, (2, 8, 12, 32))
    down, across = scale if isinstance(scale, tuple) else (scale, scale)
    rows = [int(row / down) for row in range(int(8 * down))]
    columns = [int(column / across) for column in range(int(12 * across))]
    assert_same(ttnn.upsample(tensor, scale), value[:, rows][:, :, columns])


@pytest.mark.parametrize("scale", [(2, 2), (3, 2), (4, 1)])
def test_bilinear_pixels(device, scale):
    tensor, value = images(device)
    expected = functional.interpolate(
        channels_first(value), scale_factor=[float(s) for s in scale], mode="bilinear", align_corners=False
    )
    assert_near(ttnn.upsample(tensor, list(scale), mode="bilinear"), expected)


def places(device, dtype, points=1, seed=2) -> tuple[ttnn.Tensor, torch.Tensor]:
    """Return a grid of which some places lie outside the images."""
    return put(random((2, 5, 7, 2 * points), seed, -1.2, 1.2), device, dtype, ttnn.ROW_MAJOR_LAYOUT)


@pytest.mark.parametrize("dtype", [ttnn.bfloat16, ttnn.float32])
@pytest.mark.parametrize("align_corners", [False, True])
def test_grid_sample(device, dtype, align_corners):
    (tensor, value), (grid, at) = images(device), places(device, dtype)
    expected = functional.grid_sample(channels_first(value), at, align_corners=align_corners)
    assert_near(ttnn.grid_sample(tensor, grid, align_corners=align_corners), expected)


@pytest.mark.parametrize("into_channels", [False, True])
def test_several_points_of_a_grid(device, into_channels):
    (tensor, value), (grid, at) = images(device), places(device, ttnn.float32, 3)
    expected = functional.grid_sample(channels_first(value), at.reshape(2, 5, 21, 2), align_corners=False)
    if into_channels:
        expected = expected.unflatten(-1, (7, 3)).permute(0, 4, 1, 2, 3).flatten(1, 2)
    assert_near(ttnn.grid_sample(tensor, grid, batch_output_channels=into_channels), expected)


@pytest.mark.parametrize("mode", ["bilinear", "nearest"])
def test_a_precomputed_grid(device, mode):
    tensor, value = images(device)
    at = random((2, 5, 7, 2), 3, -1.2, 1.2)
    host = ttnn.prepare_grid_sample_grid(
        ttnn.from_torch(at, dtype=ttnn.float32), [2, 4, 6, 32], mode=mode, output_dtype=ttnn.bfloat16
    )
    grid = ttnn.to_device(host, device)
    result = ttnn.grid_sample(tensor, grid, mode=mode, use_precomputed_grid=True)
    assert_near(result, functional.grid_sample(channels_first(value), at.double(), mode=mode, align_corners=False))


def folded(value: torch.Tensor, high: int, wide: int) -> torch.Tensor:
    batch, height, width, channels = value.shape
    blocks = functional.unfold(channels_first(value), (high, wide), stride=(high, wide))
    return (
        blocks.unflatten(1, (channels, high * wide))
        .permute(0, 3, 2, 1)
        .reshape(batch, height // high, width // wide, -1)
    )


@pytest.mark.parametrize("strides,padding", [((2, 2), [0, 0]), ((2, 3), [0, 0, 0, 0]), ((2, 2), [1, 1, 1, 1, 0, 2])])
def test_fold(device, strides, padding):
    tensor, value = images(device, (2, 4, 6, 16))
    sides = padding if len(padding) == 6 else [0] * 6
    value = functional.pad(value, (sides[4], sides[5], sides[2], sides[3], sides[0], sides[1]))
    assert_same(ttnn.fold(tensor, *strides, padding=padding), folded(value, *strides))


def test_fold_to_rows(device):
    tensor, value = images(device, (2, 4, 6, 16))
    assert_same(ttnn.fold(tensor, 2, 2, collapse_output=True), folded(value, 2, 2).reshape(1, 1, -1, 64))


def test_transposing_fold(device):
    tensor, value = images(device, (1, 3, 30, 28))
    result = ttnn.fold(tensor, 2, 2, use_transpose_as_fold=True, padding=[1, 1, 2, 2, 0, 1])
    padded = functional.pad(value, (0, 4, 0, 2, 0, 1)).permute(0, 2, 3, 1)
    assert_same(result, folded(padded, 2, 2))


def test_transposing_fold_of_shards(device):
    """Fold the images of a ResNet-50, of which 48 cores hold equally many rows."""
    cores = ttnn.CoreRangeSet({ttnn.CoreRange(ttnn.CoreCoord(0, 0), ttnn.CoreCoord(7, 7))})
    value = random((16, 3, 224, 224), 1).bfloat16()
    memory = ttnn.create_sharded_memory_config(value.shape, ttnn.CoreGrid(y=8, x=6), ttnn.ShardStrategy.HEIGHT)
    tensor = ttnn.from_torch(value, device=device, layout=ttnn.ROW_MAJOR_LAYOUT, memory_config=memory)
    result = ttnn.fold(tensor, 2, 2, use_transpose_as_fold=True, padding=[3, 3, 3, 3, 0, 1], grid_size=cores)
    padded = functional.pad(value, (3, 3, 3, 3, 0, 1)).permute(0, 2, 3, 1)
    blocks = padded.unflatten(1, (-1, 2)).unflatten(3, (-1, 2)).permute(0, 1, 3, 2, 4, 5)
    assert_same(result, blocks.flatten(3))
