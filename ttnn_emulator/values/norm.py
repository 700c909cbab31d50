# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""Normalisations. A weight or bias may be packed as rows of 32: [1, 1, D / 32, 32].

rms_norm takes the steps of its kernel, each in the matrix unit, and batch_norm with a 16-bit register those of its
kernels; the others are computed in float32.
"""

from collections.abc import Iterable
from typing import Any

import torch
import ttnn

from ttnn_emulator import vector_functions
from ttnn_emulator.errors import UnsupportedOperation
from ttnn_emulator.numerics import round_to_bfloat16, truncate
from ttnn_emulator.registry import value
from ttnn_emulator.step import Operand
from ttnn_emulator.sums import products, sum_of_products
from ttnn_emulator.units import matrix_add, store

_SUMMED_IN_ORDER = 512  # squares of a row; in 16 bits the order matters much (2 % of 2560), in float32 little


@value("rms_norm")
def rms_norm(
    input_tensor,
    *,
    epsilon: float = 1e-12,
    weight=None,
    bias=None,
    residual_input_tensor=None,
    compute_kernel_config: Any = None,
):
    fidelity = compute_kernel_config.math_fidelity.name if compute_kernel_config else "HiFi4"
    wide = bool(compute_kernel_config and compute_kernel_config.fp32_dest_acc_en)
    x = input_tensor.float() if wide else truncate(input_tensor.float(), 8)
    if residual_input_tensor is not None:
        x = matrix_add(x, residual_input_tensor.float(), wide)
    variance = matrix_add(_mean_of_squares(x, fidelity, wide), torch.tensor(epsilon), wide)
    deviation = vector_functions.apply("rsqrt", variance, wide)
    result = products(*_alike(x, deviation), fidelity, wide)
    if weight is not None:
        result = products(*_alike(result, weight.float().reshape(-1)[: x.shape[-1]]), fidelity, wide)
    if bias is not None:
        result = matrix_add(result, bias.float().reshape(-1)[: x.shape[-1]], wide)
    return result


def _mean_of_squares(x: torch.Tensor, fidelity: str, wide: bool) -> torch.Tensor:
    squares = products(x, x, fidelity, wide)
    share = torch.tensor(1 / x.shape[-1])
    if wide and x.shape[-1] > _SUMMED_IN_ORDER:
        return squares.sum(-1, keepdim=True) * share
    kept = truncate(squares, 11).unsqueeze(-2)
    total = sum_of_products(kept, torch.ones(x.shape[-1], 1), fidelity, wide).squeeze(-1)
    return store(total * share, "mul_unary_sfpu", wide)


def _alike(a: torch.Tensor, b: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    a, b = torch.broadcast_tensors(a, b)
    return a.contiguous(), b.contiguous()


@value("layer_norm")  # the golden function cannot take a weight packed as rows of 32, and changes its input
def layer_norm(
    input_tensor, *, epsilon: float = 1e-12, weight=None, bias=None, residual_input_tensor=None, recip_tensor=None
):
    x = input_tensor.float()
    if residual_input_tensor is not None:
        x = x + residual_input_tensor.float()
    width = x.shape[-1]
    affine = [None if part is None else part.float().reshape(-1)[:width] for part in (weight, bias)]
    return torch.nn.functional.layer_norm(x, (width,), *affine, eps=epsilon)


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
        root = vector_functions.apply("rsqrt", self._add(self._load(var), self._load(torch.tensor(eps))), wide=False)
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
        return products(*_alike(a, b), self._fidelity, wide=False)
