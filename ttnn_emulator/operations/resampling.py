# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""Images of another size: upsample, grid_sample, and fold, which moves neighbours into channels.

Interpolation weighs four pixels in the matrix unit, by weights that are cut to bfloat16.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch.nn import functional

from ttnn_emulator.arithmetic.compute_config import ComputeConfig
from ttnn_emulator.arithmetic.formats import truncate
from ttnn_emulator.arithmetic.sums import sum_of_products
from ttnn_emulator.device.registry import value
from ttnn_emulator.device.step import Operand, Output
from ttnn_emulator.errors import UnsupportedOperation
from ttnn_emulator.operations.support import compute_config

_ONE = 1 << 16  # of the fixed-point numbers with 16 bits behind the point in which the kernels compute places
_BFLOAT16_BITS = 8


@value("upsample")
def upsample(
    input_tensor: torch.Tensor,
    scale_factor: float | Sequence[float],
    *,
    mode: str = "nearest",
    compute_kernel_config: Any = None,
) -> torch.Tensor:
    """Return larger images [N, H, W, C]."""
    scales = scale_factor if isinstance(scale_factor, Sequence) else (scale_factor, scale_factor)
    if mode == "nearest":
        rows, columns = (_nearest(size, scale) for size, scale in zip(input_tensor.shape[1:3], scales))
        return input_tensor[:, rows][:, :, columns]
    down, across = (_Places.between(size, int(scale)) for size, scale in zip(input_tensor.shape[1:3], scales))
    compute = compute_config(compute_kernel_config)
    images = [_interpolate(image, down.row(), across.column(), compute) for image in input_tensor]
    return torch.stack(images)


def _nearest(size: int, scale: float) -> torch.Tensor:
    """Return the pixel that each pixel of the result copies."""
    step = torch.ceil(_ONE * (1 / torch.tensor(scale, dtype=torch.float32))).long()
    return (torch.arange(int(size * scale)) * step // _ONE).clamp(max=size - 1)


class _Places:
    """The two pixels between which each pixel of a result lies, and how far it lies behind the first of them."""

    def __init__(self, first: torch.Tensor, second: torch.Tensor, part: torch.Tensor):
        self.first, self.second, self.part = first, second, part  # the part is in 1 / _ONE

    @classmethod
    def between(cls, size: int, scale: int) -> "_Places":
        """Return the places of a size that grows by `scale`. Beyond the edge both neighbours are the edge."""
        place = _ONE // (2 * scale) - _ONE // 2 + torch.arange(scale) * (_ONE // scale)
        whole, part = place // _ONE, place % _ONE
        first = (torch.arange(size)[:, None] + whole).flatten()
        return cls(first.clamp(min=0), (first + 1).clamp(max=size - 1), part.repeat(size))

    def row(self) -> "_Places":
        return _Places(self.first[:, None], self.second[:, None], self.part[:, None])

    def column(self) -> "_Places":
        return self


def _interpolate(image: torch.Tensor, down: _Places, across: _Places, compute: ComputeConfig) -> torch.Tensor:
    """Return [H', W', C] of an image [H, W, C]."""
    corners = [image[y, x] for y in (down.first, down.second) for x in (across.first, across.second)]
    parts = [y * x // _ONE for y in (_ONE - down.part, down.part) for x in (_ONE - across.part, across.part)]
    weights = [truncate(part.float() / _ONE, _BFLOAT16_BITS) for part in parts]
    return _weigh(torch.stack(corners, -2), torch.stack(weights, -1), compute)


def _weigh(corners: torch.Tensor, weights: torch.Tensor, compute: ComputeConfig) -> torch.Tensor:
    """Return [..., C] of four pixels [..., 4, C] and their weights [..., 4]."""
    return sum_of_products(weights.unsqueeze(-2), corners, compute).squeeze(-2)


@value("grid_sample")
def grid_sample(
    input_tensor: torch.Tensor,
    grid: torch.Tensor,
    *,
    mode: str = "bilinear",
    padding_mode: str = "zeros",
    align_corners: bool = False,
    use_precomputed_grid: bool = False,
    batch_output_channels: bool = False,
    compute_kernel_config: Any = None,
    outputs: list[Output],
) -> torch.Tensor:
    """Return the pixels of images [N, H, W, C] at the places of a grid [N, H', W', points].

    A precomputed grid holds pixel numbers as bits of bfloat16, and for interpolation the weights.
    """
    height, width = input_tensor.shape[1:3]
    numbers = 2 if mode == "nearest" or not use_precomputed_grid else 6
    points = grid.unflatten(-1, (-1, numbers))
    if mode == "nearest":
        if not use_precomputed_grid:
            raise UnsupportedOperation("ttnn.grid_sample: mode='nearest' is emulated for a precomputed grid only")
        row, column = _bits(points).unbind(-1)
        return _pixels_at(input_tensor, row, column).reshape(outputs[0].shape)
    if use_precomputed_grid:
        row, column = _bits(points[..., :2]).unbind(-1)
        weights = points[..., 2:].float()
    else:
        across, down = (
            _place(points[..., axis].float(), size, align_corners) for axis, size in enumerate((width, height))
        )
        row, column = down.floor(), across.floor()
        down, across = down - row, across - column
        weights = torch.stack([(1 - down) * (1 - across), (1 - down) * across, down * (1 - across), down * across], -1)
        weights, row, column = truncate(weights, _BFLOAT16_BITS), row.long(), column.long()
    corners = [_pixels_at(input_tensor, row + below, column + right) for below in (0, 1) for right in (0, 1)]
    found = _weigh(torch.stack(corners, -2), weights, compute_config(compute_kernel_config))
    return found.reshape(outputs[0].shape)


def _bits(numbers: torch.Tensor) -> torch.Tensor:
    return numbers.contiguous().view(torch.int16).long()


def _place(relative: torch.Tensor, size: int, align_corners: bool) -> torch.Tensor:
    """Return pixel numbers of places between -1 and 1, in float32."""
    scale = (size - 1) * 0.5 if align_corners else size * 0.5
    return relative * scale + (scale if align_corners else scale - 0.5)


def _pixels_at(images: torch.Tensor, row: torch.Tensor, column: torch.Tensor) -> torch.Tensor:
    """Return the pixels [N, ..., C] at places of each image, and zeros outside it."""
    height, width = images.shape[1:3]
    inside = (row >= 0) & (row < height) & (column >= 0) & (column < width)
    image = torch.arange(len(images)).view(-1, *[1] * (row.ndim - 1))
    pixels = images[image, row.clamp(0, height - 1), column.clamp(0, width - 1)]
    return torch.where(inside.unsqueeze(-1), pixels, torch.zeros((), dtype=pixels.dtype))


@value("fold", operands=True)
def fold(
    input: Operand,
    stride_h: int,
    stride_w: int,
    use_transpose_as_fold: bool = False,
    output_shape: Sequence[int] | None = None,
    padding: Sequence[int] = (0, 0),
    grid_size: Any = None,  # this and the next say where the result lies
    override_memory_config: Any = None,
    collapse_output: bool = False,
    *,
    outputs: list[Output],
) -> torch.Tensor:
    """Move blocks of pixels of images [N, H, W, C] into channels. The transposing form takes images [N, C, H, W]."""
    shape = outputs[0].shape
    top, bottom, left, right, front, back = _six(padding)
    if not use_transpose_as_fold:
        images = functional.pad(input.value, (front, back, left, right, top, bottom))
        return _blocks(images, stride_h, stride_w).reshape(shape)
    # this form knows the padding at the first sides alone, and applies it at both sides to sharded images only
    before = (left, top) if input.sharded else (0, 0)
    images = functional.pad(input.value.permute(0, 2, 3, 1), (0, back, before[0], left, before[1], top))
    more_rows, more_columns = shape[1] * stride_h - images.shape[1], shape[2] * stride_w - images.shape[2]
    return _blocks(functional.pad(images, (0, 0, 0, more_columns, 0, more_rows)), stride_h, stride_w)


def _blocks(images: torch.Tensor, high: int, wide: int) -> torch.Tensor:
    """Return [N, H / high, W / wide, high wide C]."""
    return images.unflatten(2, (-1, wide)).unflatten(1, (-1, high)).transpose(2, 3).flatten(3)


def _six(padding: Sequence[int]) -> Sequence[int]:
    if len(padding) == 2:
        padding = (padding[0], padding[0], padding[1], padding[1])
    return (*padding, 0, 0) if len(padding) == 4 else padding
