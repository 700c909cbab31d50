# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""Norms whose rows are spread over chips: each chip's statistics, then, once they were gathered, the norm of its part.

The programs for sharded and for interleaved inputs keep other statistics: means, E[x] before E[x*x], where the others
keep sums, sum(x*x) before sum(x). Each stands in the first column of a tile of its own.
"""

from typing import Any

import torch

import ttnn
from ttnn_emulator.arithmetic.formats import truncate
from ttnn_emulator.arithmetic.sums import products
from ttnn_emulator.arithmetic.units import matrix_add
from ttnn_emulator.device.registry import value
from ttnn_emulator.device.step import Operand
from ttnn_emulator.errors import UnsupportedOperation
from ttnn_emulator.operations.flash import pack
from ttnn_emulator.operations.norm import Steps, as_tiles

_TILE = 32


def _statistics(
    operand: Operand, residual: Operand | None, of_rms: bool, program: Any, compute: Any, fast: bool
) -> torch.Tensor:
    """A chip's share, in the first column of each tile."""
    how = _steps(program, compute)
    x, exact = operand.value.float(), operand.dtype == ttnn.float32
    if exact and fast:
        raise UnsupportedOperation("the statistics of a float32 tensor in fast_and_approximate_mode are not emulated")
    if residual is not None:
        # the vector unit adds float32
        x = x + residual.value.float() if exact else pack(matrix_add(x, residual.value.float(), how.wide))
        if operand.sharded:
            operand.own().copy_(operand.round(x))  # the program writes the sum over its input
    squares = x.square() if exact else products(x, x, how.fidelity, how.wide)
    if operand.sharded:
        reduced = [how.mean(part) for part in ([squares] if of_rms else [x, squares])]
    else:
        parts = [pack(squares) if not exact else squares, *([] if of_rms else [x])]
        reduced = [part.sum(-1, keepdim=True) if exact else how.sum(part, torch.tensor(1.0)) for part in parts]
    statistics = torch.zeros(*x.shape[:-1], _TILE * len(reduced))
    statistics[..., ::_TILE] = torch.cat(reduced, -1)
    return statistics


def _steps(program: Any, compute: Any) -> Steps:
    """As configured, or with 16-bit sums."""
    if getattr(program, "use_welford", False):
        raise UnsupportedOperation("the norm's statistics by Welford's method (use_welford) are not emulated")
    return Steps.of(program, compute, wide=False)


def _means(how: Steps, operand: Operand, statistics: torch.Tensor, count: int) -> tuple[torch.Tensor, ...]:
    """What the program takes for the means over all chips, of `count` statistics in the order they are kept."""
    chips = statistics.float()[..., ::_TILE].unflatten(-1, (-1, count))
    width = 1 if operand.sharded else operand.value.shape[-1]
    factor = truncate(torch.tensor(1 / (width * chips.shape[-2])), 8)  # as it lies in a tile of bfloat16: cut
    return tuple(how.sum(as_tiles(of_chips), factor) for of_chips in chips.unbind(-1))


def _affine(*parts: Operand | None) -> list[torch.Tensor | None]:
    return [None if part is None else part.value for part in parts]


@value("rms_norm_pre_all_gather", operands=True)
def rms_norm_pre_all_gather(
    input_tensor,
    *,
    residual_input_tensor=None,
    dtype: Any = None,
    use_2d_core_grid: Any = None,
    program_config: Any = None,
    compute_kernel_config: Any = None,
    fast_and_approximate_mode: bool = False,
):
    settings = (program_config, compute_kernel_config, fast_and_approximate_mode)
    return _statistics(input_tensor, residual_input_tensor, True, *settings)


@value("layer_norm_pre_all_gather", operands=True)
def layer_norm_pre_all_gather(
    input_tensor,
    *,
    residual_input_tensor=None,
    dtype: Any = None,
    recip_tensor=None,
    program_config: Any = None,
    compute_kernel_config: Any = None,
    fast_and_approximate_mode: bool = False,
):
    settings = (program_config, compute_kernel_config, fast_and_approximate_mode)
    return _statistics(input_tensor, residual_input_tensor, False, *settings)


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
    program_config: Any = None,
    compute_kernel_config: Any = None,
):
    how = _steps(program_config, compute_kernel_config)
    (mean_of_squares,) = _means(how, input_tensor, stats.value, 1)
    return how.divide(input_tensor.value.float(), mean_of_squares, epsilon, *_affine(weight, bias))


@value("layer_norm_post_all_gather", operands=True)
def layer_norm_post_all_gather(
    input_tensor,
    stats,
    *,
    epsilon: float = 1e-12,
    weight=None,
    bias=None,
    dtype: Any = None,
    program_config: Any = None,
    compute_kernel_config: Any = None,
):
    how = _steps(program_config, compute_kernel_config)
    means = _means(how, input_tensor, stats.value, 2)
    mean, mean_of_squares = means if input_tensor.sharded else reversed(means)
    variance = matrix_add(mean_of_squares, -products(mean, mean, how.fidelity, how.wide), how.wide)
    x = matrix_add(input_tensor.value.float(), -mean, how.wide)
    return how.divide(x, variance, epsilon, *_affine(weight, bias))
