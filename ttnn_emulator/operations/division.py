# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""Quotients and remainders. Quotients are rounded to whole numbers after they were stored in the result's dtype."""

from functools import partial
from typing import Any

import torch

from ttnn_emulator.arithmetic import vector_functions
from ttnn_emulator.arithmetic.units import infinity_for_nan
from ttnn_emulator.device.registry import value
from ttnn_emulator.device.step import Output
from ttnn_emulator.operations.eltwise import compute
from ttnn_emulator.operations.support import on_blackhole, store

_UNFUSED = ((), (), ())


@value("div", "divide_", only={"fast_and_approximate_mode": [False]})
def div(
    input_tensor_a=None,
    input_tensor_b=None,
    *,
    input_a=None,
    input_b=None,
    value=None,
    rounding_mode: str | None = None,
    dtype: Any = None,
    activations: Any = (),
    input_tensor_a_activations: Any = (),
    input_tensor_b_activations: Any = (),
    outputs: list[Output],
):
    first = input_a if input_tensor_a is None else input_tensor_a
    second = next(operand for operand in (input_tensor_b, input_b, value) if operand is not None)
    fused = (input_tensor_a_activations, input_tensor_b_activations, activations)
    function = partial(_quotient, rounding_mode=rounding_mode)
    result = compute(function, first, second, fused, outputs[0].dtype, "divide")
    if rounding_mode is None or not result.is_floating_point():
        return result
    return result.floor() if rounding_mode == "floor" else result.trunc()  # a second program rounds the stored quotient


def _quotient(a: torch.Tensor, b: torch.Tensor, wide: bool, rounding_mode: str | None) -> torch.Tensor:
    whole = rounding_mode is not None and not a.is_floating_point() and not b.is_floating_point()
    if whole and bool((b != 0).all()):
        return torch.div(a, b, rounding_mode=rounding_mode)  # integers are divided exactly, beyond float32's precision
    return vector_functions.divide(a.float(), b.float(), wide, on_blackhole())


@value("floor_div")
def floor_div(input_tensor_a, input_tensor_b=None, *, value=None, outputs: list[Output]):
    second = value if input_tensor_b is None else input_tensor_b
    if isinstance(second, (int, float)) and second and input_tensor_a.is_floating_point():
        # the program for a scalar divisor multiplies by its inverse
        return compute(torch.mul, input_tensor_a, 1 / second, _UNFUSED, outputs[0].dtype, "multiply").floor()
    return div(input_tensor_a, second, rounding_mode="floor", outputs=outputs)


@value("div_no_nan")
def div_no_nan(input_tensor_a, input_tensor_b=None, *, value=None, outputs: list[Output]):
    second = value if input_tensor_b is None else input_tensor_b
    return compute(
        lambda a, b: torch.where(b == 0, 0.0, a / b), input_tensor_a, second, _UNFUSED, outputs[0].dtype, "div_no_nan"
    )


@value("fmod")
def fmod(input_tensor_a, input_tensor_b=None, *, scalar=None, outputs: list[Output]):
    second = scalar if input_tensor_b is None else input_tensor_b
    if isinstance(second, (int, float)) and input_tensor_a.is_floating_point():
        wide, x = input_tensor_a.dtype == torch.float32, input_tensor_a.float()
        result = _fmod_by_number(x, second)
        return store(result if wide else infinity_for_nan(result, x), "fmod", wide)
    return compute(torch.fmod, input_tensor_a, second, _UNFUSED, outputs[0].dtype, "fmod")


def _fmod_by_number(x: torch.Tensor, number: float) -> torch.Tensor:
    """Return x fmod number by the steps of the program for a scalar, which multiplies by its inverse and corrects."""
    step = torch.tensor(abs(number), dtype=torch.float32)
    quotient = x.abs() * (1 / step)
    quotient = torch.where(quotient < 1 << 23, quotient.trunc(), quotient)
    quotient = torch.where((quotient < 1 << 23) & (quotient * step > x.abs()), quotient - 1, quotient)
    left = (x.abs().double() - quotient.double() * step.double()).float()  # a fused multiply-add, rounded once
    left = torch.copysign(left, x)
    left = torch.where(left.abs() == step, 0.0, torch.where(left > step, left - step, left))
    return torch.where(x.isinf() | (step == 0), torch.nan, left)
