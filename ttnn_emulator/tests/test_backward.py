# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""Gradients of elementwise functions against difference quotients of torch's functions in float64."""

from collections.abc import Callable

import pytest
import torch
from torch.nn import functional

import ttnn
from ttnn_emulator.tests.tensors import get, put, random

_STEP = 1e-6
# where a function is not defined, or not smooth, its own interval
_BETWEEN = {
    "acos": (-0.9, 0.9),
    "acosh": (1.2, 4.0),
    "asin": (-0.9, 0.9),
    "atanh": (-0.9, 0.9),
    "digamma": (0.5, 4.0),
    "erfinv": (-0.8, 0.8),
    "lgamma": (0.5, 4.0),
    "log": (0.2, 4.0),
    "log10": (0.2, 4.0),
    "log1p": (-0.8, 4.0),
    "log2": (0.2, 4.0),
    "logit": (0.1, 0.9),
    "rsqrt": (0.3, 4.0),
    "sqrt": (0.3, 4.0),
    "reciprocal": (0.3, 4.0),
    "tan": (-1.2, 1.2),
}
_IN_FUNCTIONAL = "hardsigmoid hardswish relu6 selu silu softsign tanhshrink".split()
_OF_ONE = """abs acos acosh asin asinh atan atanh cos cosh deg2rad digamma erf erfc erfinv exp exp2 expm1 i0 lgamma log
    log10 log1p log2 logit neg rad2deg reciprocal relu rsqrt sigmoid sin sinh sqrt square tan tanh""".split()


def quotient(function: Callable, *operands: torch.Tensor, place: int = 0) -> torch.Tensor:
    """Return the slope of a function along one of its operands."""
    above, below = (
        [x + step if number == place else x for number, x in enumerate(operands)] for step in (_STEP, -_STEP)
    )
    return (function(*above) - function(*below)) / (2 * _STEP)


def assert_near(result: ttnn.Tensor, expected: torch.Tensor) -> None:
    value = get(result)
    assert value.shape == expected.shape
    assert ((value - expected).abs() <= 2**-7 * expected.abs() + 1e-2).all()


def away_from_kinks(shape: tuple[int, ...], seed: int, between: tuple[float, float]) -> torch.Tensor:
    """Return numbers that lie nowhere near a multiple of a half, where some functions bend."""
    value = random(shape, seed, *between)
    return torch.where((value * 2 - (value * 2).round()).abs() < 0.05, value + 0.05, value)


@pytest.mark.parametrize("name", [*_OF_ONE, *_IN_FUNCTIONAL, "log_sigmoid"])
def test_of_one_operand(device, name):
    values = away_from_kinks((1, 1, 32, 64), 1, _BETWEEN.get(name, (-3.5, 3.5)))
    (operand, x), (gradient, g) = put(values, device), put(random((1, 1, 32, 64), 2), device)
    module = functional if name in (*_IN_FUNCTIONAL, "log_sigmoid") else torch
    function = getattr(module, "logsigmoid" if name == "log_sigmoid" else name)
    (result,) = getattr(ttnn, f"{name}_bw")(gradient, operand)
    assert_near(result, g * quotient(function, x))


@pytest.mark.parametrize("name", ["ceil", "floor", "round", "sign", "trunc", "fill_zero"])
def test_of_steps(device, name):
    (operand, _), (gradient, g) = put(random((1, 1, 32, 64), 1), device), put(random((1, 1, 32, 64), 2), device)
    (result,) = getattr(ttnn, f"{name}_bw")(gradient, operand)
    assert_near(result, torch.zeros_like(g))


@pytest.mark.parametrize(
    "name,options,function",
    [
        ("celu", {"alpha": 0.5}, lambda x: functional.celu(x, 0.5)),
        ("elu", {"alpha": 0.5}, lambda x: functional.elu(x, 0.5)),
        ("hardshrink", {"lambd": 1.25}, lambda x: functional.hardshrink(x, 1.25)),
        ("softshrink", {"lambd": 1.25}, lambda x: functional.softshrink(x, 1.25)),
        ("hardtanh", {"min": -1.25, "max": 2.25}, lambda x: x.clamp(-1.25, 2.25)),
        ("leaky_relu", {"negative_slope": 0.125}, lambda x: functional.leaky_relu(x, 0.125)),
        ("softplus", {"beta": 2.0, "threshold": 20.0}, lambda x: functional.softplus(x, 2.0, 20.0)),
        ("frac", {}, torch.frac),
    ],
)
def test_with_parameters(device, name, options, function):
    values = away_from_kinks((1, 1, 32, 64), 1, (-3.5, 3.5))
    values = torch.where((values.abs() - 1.25).abs().minimum((values - 2.25).abs()) < 0.05, values + 0.1, values)
    (operand, x), (gradient, g) = put(values, device), put(random((1, 1, 32, 64), 2), device)
    (result,) = getattr(ttnn, f"{name}_bw")(gradient, operand, **options)
    assert_near(result, g * quotient(function, x))


def test_of_powers(device):
    (operand, x), (gradient, g) = put(random((1, 1, 32, 64), 1, 0.2, 2.0), device), put(
        random((1, 1, 32, 64), 2), device
    )
    (result,) = ttnn.pow_bw(gradient, operand, 3.0)
    assert_near(result, g * 3 * x**2)


@pytest.mark.parametrize(
    "name,function",
    [
        ("atan2", torch.atan2),
        ("hypot", torch.hypot),
        ("ldexp", lambda a, b: a * 2**b),
        ("logaddexp", torch.logaddexp),
        ("logaddexp2", torch.logaddexp2),
        ("squared_difference", lambda a, b: (a - b) ** 2),
        ("xlogy", torch.xlogy),
    ],
)
def test_of_two_operands(device, name, function):
    (first, a), (second, b) = (put(random((1, 1, 32, 64), seed, 0.5, 3.0), device) for seed in (1, 2))
    gradient, g = put(random((1, 1, 32, 64), 3), device)
    results = getattr(ttnn, f"{name}_bw")(gradient, first, second)
    for place, result in enumerate(results):
        assert_near(result, g * quotient(function, a, b, place=place))


@pytest.mark.parametrize("name,function", [("addcmul", torch.mul), ("addcdiv", torch.div)])
def test_of_three_operands(device, name, function):
    tensors, values = zip(*(put(random((1, 1, 32, 64), seed, 0.5, 3.0), device) for seed in (1, 2, 3)))
    gradient, g = put(random((1, 1, 32, 64), 4), device)
    results = getattr(ttnn, f"{name}_bw")(gradient, *tensors, 0.5)
    for place, result in enumerate(results):
        assert_near(result, g * quotient(lambda x, y, z: x + 0.5 * function(y, z), *values, place=place))
