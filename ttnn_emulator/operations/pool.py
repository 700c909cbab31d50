# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""Pooling over images whose pixels are rows, [1, 1, N H W, C]. Averages are computed in float32 and rounded once."""

from collections.abc import Sequence
from typing import Any

import torch

import ttnn
from ttnn_emulator.device.registry import value
from ttnn_emulator.device.step import Output
from ttnn_emulator.errors import UnsupportedOperation
from ttnn_emulator.operations.images import as_rows, pixels, sides
from ttnn_emulator.operations.support import FULL


@value("max_pool2d")
def max_pool2d(
    input_tensor: torch.Tensor,
    batch_size: int,
    input_h: int,
    input_w: int,
    channels: int,
    kernel_size: Sequence[int],
    stride: Sequence[int],
    padding: Sequence[int],
    dilation: Sequence[int],
    ceil_mode: bool = False,
    *,
    return_indices: bool = False,
    dtype: ttnn.DataType | None = None,
    dram_slice_config: Any = None,  # this and the next four say where rows lie, and for how long
    applied_shard_scheme: Any = None,
    deallocate_input: bool = False,
    reallocate_halo_output: bool = True,
    config_tensor_in_dram: bool = False,
    outputs: list[Output],
) -> torch.Tensor:
    if return_indices:
        raise UnsupportedOperation("ttnn.max_pool2d: return_indices is not emulated")
    images = _images(input_tensor, batch_size, input_h, input_w, channels)
    images = torch.nn.functional.pad(images, sides(padding), value=-torch.inf)
    pooled = torch.nn.functional.max_pool2d(images, kernel_size, stride, 0, dilation, ceil_mode)
    return _rows(pooled, outputs[0])


@value("avg_pool2d", only=FULL)
def avg_pool2d(
    input_tensor: torch.Tensor,
    batch_size: int,
    input_h: int,
    input_w: int,
    channels: int,
    kernel_size: Sequence[int],
    stride: Sequence[int],
    padding: Sequence[int],
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
    *,
    dtype: ttnn.DataType | None = None,
    dram_slice_config: Any = None,
    applied_shard_scheme: Any = None,
    deallocate_input: bool = False,
    reallocate_halo_output: bool = True,
    config_tensor_in_dram: bool = False,
    outputs: list[Output],
) -> torch.Tensor:
    left, right, top, bottom = sides(padding)
    if (left, top) != (right, bottom):
        raise UnsupportedOperation("ttnn.avg_pool2d: padding that differs between two sides is not emulated")
    images = _images(input_tensor, batch_size, input_h, input_w, channels)
    pooled = torch.nn.functional.avg_pool2d(
        images, kernel_size, stride, (top, left), ceil_mode, count_include_pad, divisor_override
    )
    return _rows(pooled, outputs[0])


@value("adaptive_max_pool2d")
def adaptive_max_pool2d(
    input_tensor: torch.Tensor,
    batch_size: int,
    input_h: int,
    input_w: int,
    channels: int,
    output_size: Sequence[int],
    *,
    dram_slice_config: Any = None,
    applied_shard_scheme: Any = None,
    deallocate_input: bool = False,
    reallocate_output: bool = True,
    outputs: list[Output],
) -> torch.Tensor:
    """Pool windows that are as equal as possible. The library refuses sizes for which they are not torch's."""
    images = _images(input_tensor, batch_size, input_h, input_w, channels)
    pooled = torch.nn.functional.adaptive_max_pool2d(images, output_size)
    return _rows(pooled, outputs[0])


@value("adaptive_avg_pool2d", only=FULL)
def adaptive_avg_pool2d(
    input_tensor: torch.Tensor,
    batch_size: int,
    input_h: int,
    input_w: int,
    channels: int,
    output_size: Sequence[int],
    *,
    dram_slice_config: Any = None,
    applied_shard_scheme: Any = None,
    deallocate_input: bool = False,
    reallocate_output: bool = True,
    outputs: list[Output],
) -> torch.Tensor:
    """Average the windows of `adaptive_max_pool2d`."""
    images = _images(input_tensor, batch_size, input_h, input_w, channels)
    pooled = torch.nn.functional.adaptive_avg_pool2d(images, output_size)
    return _rows(pooled, outputs[0])


def _images(rows: torch.Tensor, batch: int, height: int, width: int, channels: int) -> torch.Tensor:
    """Return the images of `rows` as torch pools them: float32 [N, C, H, W]."""
    return pixels(rows, batch, height, width, channels).float().permute(0, 3, 1, 2)


def _rows(images: torch.Tensor, output: Output) -> torch.Tensor:
    """Return images [N, C, H, W] as the rows of a result."""
    return as_rows(images.permute(0, 2, 3, 1), output)
