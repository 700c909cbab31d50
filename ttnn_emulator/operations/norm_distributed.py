# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""Norms whose rows are spread over chips: first each chip's statistics, then the norm from all chips' statistics.

The programs for sharded inputs keep means, E[x] before E[x*x]. The programs for interleaved inputs keep sums, sum(x*x)
before sum(x). Each statistic is the first column of a tile.
"""

from dataclasses import dataclass
from typing import Any

import torch

import ttnn
from ttnn_emulator.arithmetic import vector_functions
from ttnn_emulator.arithmetic.compute_config import ComputeConfig
from ttnn_emulator.arithmetic.formats import truncate
from ttnn_emulator.arithmetic.sums import products, sum_of_products
from ttnn_emulator.arithmetic.units import matrix_add
from ttnn_emulator.device.registry import value
from ttnn_emulator.device.step import Operand
from ttnn_emulator.errors import UnsupportedOperation
from ttnn_emulator.operations.flash import pack
from ttnn_emulator.operations.norm import sharding
from ttnn_emulator.operations.support import compute_config, on_blackhole, store

_TILE = 32


@dataclass(frozen=True)
class Steps:
    """The steps of the kernels of norms, by themselves (`arithmetic/native/norm.h` takes them in one pass).

    Where columns are sharded, `columns` lie on each core, and a row of cores has `cores`. Else both are 0.
    """

    compute: ComputeConfig
    columns: int
    cores: int

    @classmethod
    def of(cls, program: Any, compute: Any) -> "Steps":
        """Return the steps as configured, or with 16-bit sums."""
        if getattr(program, "use_welford", False):
            raise UnsupportedOperation("the norm's statistics by Welford's method (use_welford) are not emulated")
        return cls(compute_config(compute), *sharding(program))

    def divide(self, x: torch.Tensor, variance: torch.Tensor, epsilon: float, weight, bias) -> torch.Tensor:
        """Divide by the root of a variance."""
        wide, width = self.compute.wide, x.shape[-1]
        shifted = matrix_add(variance, torch.tensor(epsilon), wide)
        result = products(x, vector_functions.apply("rsqrt", shifted, wide, on_blackhole()), self.compute)
        if weight is not None:
            result = products(result, weight.float().reshape(-1)[:width], self.compute)
        return result if bias is None else matrix_add(result, bias.float().reshape(-1)[:width], wide)

    def mean(self, x: torch.Tensor) -> torch.Tensor:
        """Return the mean of each row. On one core the matrix unit sums and the vector unit divides."""
        if not self.columns:
            mean = self.sum(x, torch.tensor(1.0)) * torch.tensor(1 / x.shape[-1])
            return store(mean, "mul_unary_sfpu", self.compute.wide)
        # the mean of each core, then the mean of means; each row of cores but the first adds up its means before that
        shares = torch.nn.functional.pad(x, (0, -x.shape[-1] % self.columns)).unflatten(-1, (-1, self.columns))
        means = self.sum(shares, torch.tensor(1 / self.columns)).squeeze(-1)
        first, *others = means.split(self.cores, -1)
        totals = [self.sum(as_tiles(row), torch.tensor(1.0)) for row in others]
        return self.sum(as_tiles(torch.cat([first, *totals], -1)), torch.tensor(1 / means.shape[-1]))

    def sum(self, x: torch.Tensor, factor: torch.Tensor) -> torch.Tensor:
        """Return the sum of each row, times a factor that the kernels keep as bfloat16."""
        factors = factor.bfloat16().float().expand(x.shape[-1], 1)
        return sum_of_products(truncate(x, 11), factors, self.compute)


def as_tiles(x: torch.Tensor) -> torch.Tensor:
    """Return each column as the first of a tile of zeros."""
    return torch.nn.functional.pad(x.unsqueeze(-1), (0, _TILE - 1)).flatten(-2)


def _statistics(
    operand: Operand, residual: Operand | None, of_rms: bool, program: Any, compute: Any, fast: bool
) -> torch.Tensor:
    """Return the statistics of one chip, each in the first column of a tile."""
    steps = Steps.of(program, compute)
    x, exact = operand.value.float(), operand.dtype == ttnn.float32
    if exact and fast:
        raise UnsupportedOperation("the statistics of a float32 tensor in fast_and_approximate_mode are not emulated")
    if residual is not None:
        # the vector unit adds float32
        x = x + residual.value.float() if exact else pack(matrix_add(x, residual.value.float(), steps.compute.wide))
        if operand.sharded:
            operand.own().copy_(operand.round(x))  # the program overwrites its input with the sum
    squares = x.square() if exact else products(x, x, steps.compute)
    if operand.sharded:
        reduced = [steps.mean(part) for part in ([squares] if of_rms else [x, squares])]
    else:
        parts = [pack(squares) if not exact else squares, *([] if of_rms else [x])]
        reduced = [part.sum(-1, keepdim=True) if exact else steps.sum(part, torch.tensor(1.0)) for part in parts]
    statistics = torch.zeros(*x.shape[:-1], _TILE * len(reduced))
    statistics[..., ::_TILE] = torch.cat(reduced, -1)
    return statistics


def _means(steps: Steps, operand: Operand, statistics: torch.Tensor, count: int) -> tuple[torch.Tensor, ...]:
    """Return the means over all chips of `count` statistics, in the order in which the program keeps them."""
    chips = statistics.float()[..., ::_TILE].unflatten(-1, (-1, count))
    width = 1 if operand.sharded else operand.value.shape[-1]
    factor = truncate(torch.tensor(1 / (width * chips.shape[-2])), 8)  # truncated: it lies in a tile of bfloat16
    return tuple(steps.sum(as_tiles(of_chips), factor) for of_chips in chips.unbind(-1))


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
    steps = Steps.of(program_config, compute_kernel_config)
    (mean_of_squares,) = _means(steps, input_tensor, stats.value, 1)
    return steps.divide(input_tensor.value.float(), mean_of_squares, epsilon, *_affine(weight, bias))


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
    steps = Steps.of(program_config, compute_kernel_config)
    means = _means(steps, input_tensor, stats.value, 2)
    mean, mean_of_squares = means if input_tensor.sharded else reversed(means)
    variance = matrix_add(mean_of_squares, -products(mean, mean, steps.compute), steps.compute.wide)
    x = matrix_add(input_tensor.value.float(), -mean, steps.compute.wide)
    return steps.divide(x, variance, epsilon, *_affine(weight, bias))
