# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""Pooling against loops over windows."""

import pytest
import torch

import ttnn
from ttnn_emulator.tests.tensors import assert_close, put, random


def windows(images: torch.Tensor, kernel: int, stride: int, padding: int, fill: float) -> torch.Tensor:
    """[N, H', W', C, window] of [N, H, W, C]."""
    padded = torch.nn.functional.pad(images, (0, 0, padding, padding, padding, padding), value=fill)
    return padded.unfold(1, kernel, stride).unfold(2, kernel, stride).flatten(-2)


@pytest.mark.parametrize("device_params", [{"l1_small_size": 32768}], indirect=True)
@pytest.mark.parametrize("kernel,stride,padding", [(2, 2, 0), (3, 2, 1)])
def test_pools(device, kernel, stride, padding):
    batch, height, width, channels = 2, 16, 16, 64
    rows, value = put(random((1, 1, batch * height * width, channels), 1), device, layout=ttnn.ROW_MAJOR_LAYOUT)
    images = value.reshape(batch, height, width, channels)
    sizes = ([kernel] * 2, [stride] * 2, [padding] * 2)
    largest = windows(images, kernel, stride, padding, -torch.inf).amax(-1).reshape(1, 1, -1, channels)
    assert_close(ttnn.max_pool2d(rows, batch, height, width, channels, *sizes, [1, 1]), largest)
    mean = windows(images, kernel, stride, padding, 0.0).mean(-1).reshape(1, 1, -1, channels)
    assert_close(ttnn.avg_pool2d(rows, batch, height, width, channels, *sizes), mean)


@pytest.mark.parametrize("device_params", [{"l1_small_size": 16384}], indirect=True)
def test_a_pool_in_slices_gives_images(device):
    images, value = put(random((1, 32, 64, 16), 2), device, layout=ttnn.ROW_MAJOR_LAYOUT)
    slices = ttnn.Op2DSliceConfig(num_slices=2, slice_type=ttnn.Op2DDRAMSliceWidth)
    pooled = ttnn.max_pool2d(images, 1, 32, 64, 16, [2, 2], [2, 2], [0, 0], [1, 1], dram_slice_config=slices)
    assert_close(pooled, windows(value, 2, 2, 0, -torch.inf).amax(-1))


@pytest.mark.parametrize("device_params", [{"l1_small_size": 32768}], indirect=True)
@pytest.mark.parametrize("size,result", [(10, 1), (12, 4), (9, 3), (11, 5)])
def test_adaptive_pools(device, size, result):
    """Each window begins and ends where its part of the image does, rounded outwards."""
    rows, value = put(random((1, 1, size * size, 32), 1), device, layout=ttnn.ROW_MAJOR_LAYOUT)
    image = value.reshape(size, size, 32)
    parts = [slice(i * size // result, -(-(i + 1) * size // result)) for i in range(result)]
    windows = [image[y, x].flatten(0, 1) for y in parts for x in parts]
    asked = (1, size, size, 32, [result, result])
    assert_close(ttnn.adaptive_max_pool2d(rows, *asked), torch.stack([w.amax(0) for w in windows])[None, None])
    assert_close(ttnn.adaptive_avg_pool2d(rows, *asked), torch.stack([w.mean(0) for w in windows])[None, None])
