# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""Normalisations. A weight or bias may be packed as rows of 32: [1, 1, D / 32, 32].

rms_norm and layer_norm take the steps of their kernel, each in the matrix unit, and batch_norm with a 16-bit register
those of its kernels; the others are computed in float32.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import torch

import ttnn
from ttnn_emulator.arithmetic import vector_functions
from ttnn_emulator.arithmetic.formats import round_to_bfloat16, truncate
from ttnn_emulator.arithmetic.sums import products, sum_of_products
from ttnn_emulator.arithmetic.units import matrix_add
from ttnn_emulator.device.registry import value
from ttnn_emulator.device.step import Operand
from ttnn_emulator.errors import UnsupportedOperation
from ttnn_emulator.operations.support import on_blackhole, store

_TILE = 32


@value("rms_norm")
def rms_norm(
    input_tensor,
    *,
    epsilon: float = 1e-12,
    weight=None,
    bias=None,
    residual_input_tensor=None,
    program_config: Any = None,
    compute_kernel_config: Any = None,
):
    how = _Steps.of(program_config, compute_kernel_config, wide=False)
    return how.divide_by_deviation(how.add(input_tensor, residual_input_tensor), epsilon, weight, bias)


@value("layer_norm")  # the golden function cannot take a weight packed as rows of 32, and changes its input
def layer_norm(
    input_tensor,
    *,
    epsilon: float = 1e-12,
    weight=None,
    bias=None,
    residual_input_tensor=None,
    recip_tensor=None,
    program_config: Any = None,
    compute_kernel_config: Any = None,
):
    how = _Steps.of(program_config, compute_kernel_config, wide=True)
    x = how.add(input_tensor, residual_input_tensor)
    if getattr(program_config, "use_welford", False):  # another kernel, whose steps are not taken here
        affine = [None if part is None else _row(part, x.shape[-1]) for part in (weight, bias)]
        return torch.nn.functional.layer_norm(x, x.shape[-1:], *affine, eps=epsilon)
    return how.divide_by_deviation(matrix_add(x, -how.mean(x), how.wide), epsilon, weight, bias)


@dataclass(frozen=True)
class _Steps:
    """Those of the kernels of rms_norm and layer_norm: the matrix unit's passes, whether sums are float32, and, where
    columns are shared out among cores, how many lie on each and how many cores a row of them has."""

    fidelity: str
    wide: bool
    columns: int = 0
    cores: int = 0

    @classmethod
    def of(cls, program: Any, compute: Any, wide: bool) -> "_Steps":
        """As configured; `wide` is what the library likes."""
        arithmetic = (compute.math_fidelity.name, compute.fp32_dest_acc_en) if compute else ("HiFi4", wide)
        if not isinstance(program, ttnn.LayerNormShardedMultiCoreProgramConfig):
            return cls(*arithmetic)
        return cls(*arithmetic, _TILE * program.block_w, program.compute_with_storage_grid_size.x)

    def add(self, x: torch.Tensor, residual: torch.Tensor | None) -> torch.Tensor:
        x = x.float() if self.wide else truncate(x.float(), 8)
        return x if residual is None else matrix_add(x, residual.float(), self.wide)

    def divide_by_deviation(self, x: torch.Tensor, epsilon: float, weight, bias) -> torch.Tensor:
        variance = self.mean(products(x, x, self.fidelity, self.wide))
        shifted = matrix_add(variance, torch.tensor(epsilon), self.wide)
        deviation = vector_functions.apply("rsqrt", shifted, self.wide, on_blackhole())
        result = products(x, deviation, self.fidelity, self.wide)
        if weight is not None:
            result = products(result, _row(weight, x.shape[-1]), self.fidelity, self.wide)
        return result if bias is None else matrix_add(result, _row(bias, x.shape[-1]), self.wide)

    def mean(self, x: torch.Tensor) -> torch.Tensor:
        """Of each row. On one core the matrix unit sums and the vector unit divides."""
        if not self.columns:
            return store(self._sum(x, 1.0) * torch.tensor(1 / x.shape[-1]), "mul_unary_sfpu", self.wide)
        # each core's mean, then theirs; cores in several rows first add up the means of all rows but the first
        shares = torch.nn.functional.pad(x, (0, -x.shape[-1] % self.columns)).unflatten(-1, (-1, self.columns))
        means = self._sum(shares, 1 / self.columns).squeeze(-1)
        first, *others = means.split(self.cores, -1)
        totals = [self._sum(_tiles(row), 1.0) for row in others]
        return self._sum(_tiles(torch.cat([first, *totals], -1)), 1 / means.shape[-1])

    def _sum(self, x: torch.Tensor, factor: float) -> torch.Tensor:
        factors = torch.full((x.shape[-1], 1), factor, dtype=torch.bfloat16)  # as the kernels keep them
        return sum_of_products(x, factors, self.fidelity, self.wide)


def _tiles(x: torch.Tensor) -> torch.Tensor:
    """Each column as the first of a tile of zeros."""
    return torch.nn.functional.pad(x.unsqueeze(-1), (0, _TILE - 1)).flatten(-2)


def _row(part: torch.Tensor, width: int) -> torch.Tensor:
    return part.float().reshape(-1)[:width]


@value("batch_norm", operands=True)
def batch_norm(
    input,
    *,
    running_mean=None,
    running_var=None,
    training: bool = False,
    eps: float = 1e-05,
    momentum: float = 0.1,
    weight=None,
    bias=None,
    compute_kernel_config: Any = None,
):
    if not training and (running_mean is None or running_var is None):
        raise UnsupportedOperation("ttnn.batch_norm: inference without running_mean and running_var is not emulated")
    operands = (input, running_mean, running_var, weight, bias)
    x, mean, var, scale, shift = (None if part is None else part.value.float() for part in operands)
    narrow = compute_kernel_config is not None and not compute_kernel_config.fp32_dest_acc_en
    steps = _Steps16(operands, compute_kernel_config.math_fidelity.name) if narrow else None
    if training:
        variance, average = torch.var_mean(x, (0, 2, 3), keepdim=True)
        for running, of_batch in ((running_mean, average), (running_var, variance)):
            if running is not None:
                old = running.value.float().reshape(of_batch.shape)
                new = steps.blend(old, of_batch, momentum) if steps else torch.lerp(old, of_batch, momentum)
                running.own().copy_(running.round(new.reshape(running.value.shape)))
        mean, var = average, x.var((0, 2, 3), unbiased=False, keepdim=True)
    if steps:
        return steps.normalize(x, mean, var, eps, scale, shift)
    mean, var, scale, shift = (None if part is None else part.flatten() for part in (mean, var, scale, shift))
    return torch.nn.functional.batch_norm(x, mean, var, scale, shift, eps=eps)


class _Steps16:
    """The steps of batch_norm's kernels with a 16-bit register: in the vector unit, which knows no fidelity, where a
    tensor is float32, else in the matrix unit."""

    def __init__(self, operands: Iterable[Operand | None], fidelity: str):
        self._vector = any(operand is not None and operand.dtype == ttnn.float32 for operand in operands)
        self._fidelity = fidelity

    def normalize(self, x, mean, var, eps: float, scale, shift) -> torch.Tensor:
        shifted = self._add(self._load(var), self._load(torch.tensor(eps)))
        root = vector_functions.apply("rsqrt", shifted, wide=False, blackhole=on_blackhole())
        result = self._add(self._load(x), -self._load(mean))
        for factor in (root, scale):
            result = result if factor is None else self._multiply(result, self._load(factor))
        return result if shift is None else self._add(result, self._load(shift))

    def blend(self, old: torch.Tensor, new: torch.Tensor, momentum: float) -> torch.Tensor:
        share = self._load(torch.tensor(momentum))
        kept = self._multiply(self._add(torch.tensor(1.0), -share), self._load(old))
        return store(kept + self._multiply(share, self._load(new)), "add_unary_sfpu", wide=False)

    def _load(self, value: torch.Tensor) -> torch.Tensor:
        """What the register gets of a tensor: float32 is cut, bfloat16 statistics were rounded when they were made."""
        return truncate(value, 8) if self._vector else round_to_bfloat16(value).float()

    def _add(self, a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
        return store(a + b, "add_unary_sfpu", wide=False) if self._vector else matrix_add(a, b, wide=False)

    def _multiply(self, a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
        if self._vector:
            return store(a * b, "mul", wide=False)
        return products(a, b, self._fidelity, wide=False)
