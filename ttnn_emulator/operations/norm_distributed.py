# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""Norms whose rows are spread over chips: each chip's statistics, then, once they were gathered, the norm of its part.

The programs for sharded and for interleaved inputs keep other statistics: means, E[x] before E[x*x], where the others
keep sums, sum(x*x) before sum(x). Each stands in the first column of a tile of its own.
"""

from typing import Any

import torch

from ttnn_emulator.arithmetic.units import matrix_add
from ttnn_emulator.device.registry import value
from ttnn_emulator.device.step import Operand

_TILE = 32


def _statistics(operand: Operand, residual: Operand | None, of_rms: bool) -> torch.Tensor:
    """A chip's share, in the first column of each tile."""
    x = operand.value.float()
    if residual is not None:
        x = matrix_add(x, residual.value.float(), wide=False)
        if operand.sharded:
            operand.own().copy_(operand.round(x))  # the program writes the sum over its input
    parts = [x.square()] if of_rms else [x, x.square()] if operand.sharded else [x.square(), x]
    reduced = [part.mean(-1) if operand.sharded else part.sum(-1) for part in parts]
    statistics = torch.zeros(*x.shape[:-1], _TILE * len(parts))
    statistics[..., ::_TILE] = torch.stack(reduced, -1)
    return statistics


def _means(operand: Operand, statistics: torch.Tensor, count: int) -> tuple[torch.Tensor, ...]:
    """What the program takes for the means over all chips, of `count` statistics in the order they are kept."""
    chips = statistics.float()[..., ::_TILE].unflatten(-1, (-1, count))
    means = chips.mean(-2) if operand.sharded else chips.mean(-2) / operand.value.shape[-1]
    return means.split(1, -1)


def _affine(x: torch.Tensor, weight: Operand | None, bias: Operand | None) -> torch.Tensor:
    width = x.shape[-1]
    if weight is not None:
        x = x * weight.value.float().reshape(-1)[:width]
    return x if bias is None else x + bias.value.float().reshape(-1)[:width]


@value("rms_norm_pre_all_gather", operands=True)
def rms_norm_pre_all_gather(
    input_tensor, *, residual_input_tensor=None, dtype: Any = None, use_2d_core_grid: Any = None
):
    return _statistics(input_tensor, residual_input_tensor, of_rms=True)


@value("layer_norm_pre_all_gather", operands=True)
def layer_norm_pre_all_gather(input_tensor, *, residual_input_tensor=None, dtype: Any = None, recip_tensor=None):
    return _statistics(input_tensor, residual_input_tensor, of_rms=False)


@value("rms_norm_post_all_gather", operands=True)
def rms_norm_post_all_gather(
    input_tensor,
    stats,
    *,
    epsilon: float = 1e-12,
    weight=None,
    bias=None,
    dtype: Any = None,
    use_2d_core_grid: Any = None,
):
    (mean_of_squares,) = _means(input_tensor, stats.value, 1)
    return _affine(input_tensor.value.float() * torch.rsqrt(mean_of_squares + epsilon), weight, bias)


@value("layer_norm_post_all_gather", operands=True)
def layer_norm_post_all_gather(
    input_tensor, stats, *, epsilon: float = 1e-12, weight=None, bias=None, dtype: Any = None
):
    means = _means(input_tensor, stats.value, 2)
    mean, mean_of_squares = means if input_tensor.sharded else reversed(means)
    deviation = torch.rsqrt(mean_of_squares - mean.square() + epsilon)
    return _affine((input_tensor.value.float() - mean) * deviation, weight, bias)
