# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""Elementwise operations of one tensor, and fused activations, against torch in float64."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import ttnn
from ttnn_emulator import UnsupportedOperation
from ttnn_emulator.operations.activations import activate
from ttnn_emulator.tests.tensors import assert_close, examples, floats, put, random, seeds, shapes

F = torch.nn.functional
UNARY = {  # name -> (torch in float64, range of inputs)
    "abs": (torch.abs, -4, 4),
    "acos": (torch.acos, -1, 1),
    "acosh": (lambda x: (x + (x * x - 1).sqrt()).log(), 1.5, 4),
    "asin": (torch.asin, -1, 1),
    "asinh": (torch.asinh, -4, 4),
    "atan": (torch.atan, -4, 4),
    "atanh": (lambda x: 0.5 * ((1 + x) / (1 - x)).log(), -0.9, 0.9),
    "cbrt": (lambda x: x.sign() * x.abs().pow(1 / 3), -4, 4),
    "ceil": (torch.ceil, -4, 4),
    "celu": (lambda x: torch.where(x > 0, x, x.exp() - 1), -4, 4),
    "cos": (torch.cos, -3, 3),
    "cosh": (lambda x: (x.exp() + (-x).exp()) / 2, -4, 4),
    "deg2rad": (lambda x: x * math.pi / 180, -400, 400),
    "digamma": (torch.digamma, 1, 9),
    "elu": (lambda x: torch.where(x > 0, x, x.exp() - 1), -4, 4),
    "eqz": (lambda x: x == 0, -4, 4),
    "erf": (torch.erf, -4, 4),
    "erfc": (torch.erfc, -2, 2),
    "erfinv": (torch.erfinv, -0.9, 0.9),
    "exp": (torch.exp, -4, 4),
    "exp2": (lambda x: 2.0**x, -4, 4),
    "expm1": (torch.expm1, -4, 4),
    "floor": (torch.floor, -4, 4),
    "frac": (lambda x: x - x.trunc(), -4, 4),
    "gelu": (lambda x: x * 0.5 * (1 + torch.erf(x / math.sqrt(2))), -3, 4),
    "gez": (lambda x: x >= 0, -4, 4),
    "gtz": (lambda x: x > 0, -4, 4),
    "hardmish": (lambda x: x * (x / 2 + 1).clamp(0, 1), -4, 4),
    "hardshrink": (lambda x: torch.where(x.abs() > 0.5, x, 0), -4, 4),
    "hardsigmoid": (lambda x: (x / 6 + 0.5).clamp(0, 1), -4, 4),
    "hardswish": (lambda x: x * (x / 6 + 0.5).clamp(0, 1), -4, 4),
    "hardtanh": (lambda x: x.clamp(-1, 1), -4, 4),
    "i0": (torch.special.i0, -4, 4),
    "i1": (torch.special.i1, -4, 4),
    "identity": (lambda x: x, -4, 4),
    "isfinite": (lambda x: x == x, -4, 4),
    "isnan": (lambda x: x != x, -4, 4),
    "lez": (lambda x: x <= 0, -4, 4),
    "lgamma": (torch.lgamma, 3, 9),
    "log": (torch.log, 2, 9),
    "log10": (torch.log10, 2, 9),
    "log1p": (lambda x: (1 + x).log(), 1, 9),
    "log2": (torch.log2, 2, 9),
    "log_sigmoid": (lambda x: -(1 + (-x).exp()).log(), -4, 4),
    "logical_not": (lambda x: x == 0, -4, 4),
    "ltz": (lambda x: x < 0, -4, 4),
    "mish": (lambda x: x * (1 + x.exp()).log().tanh(), -4, 4),
    "neg": (lambda x: -x, -4, 4),
    "nez": (lambda x: x != 0, -4, 4),
    "rad2deg": (lambda x: x * 180 / math.pi, -4, 4),
    "reciprocal": (lambda x: 1 / x, 0.1, 4),
    "relu": (lambda x: x.clamp(min=0), -4, 4),
    "relu6": (lambda x: x.clamp(0, 6), -9, 9),
    "round": (torch.round, -4, 4),
    "rsqrt": (lambda x: 1 / x.sqrt(), 0.1, 4),
    "selu": (lambda x: 1.0507009 * torch.where(x > 0, x, 1.6732632 * (x.exp() - 1)), -4, 4),
    "sigmoid": (lambda x: 1 / (1 + (-x).exp()), -4, 4),
    "sigmoid_accurate": (lambda x: 1 / (1 + (-x).exp()), -4, 4),
    "sign": (torch.sign, -4, 4),
    "signbit": (lambda x: x < 0, -4, 4),
    "silu": (lambda x: x / (1 + (-x).exp()), -4, 4),
    "sin": (torch.sin, -3, 3),
    "sinh": (lambda x: (x.exp() - (-x).exp()) / 2, -4, 4),
    "softplus": (lambda x: (1 + x.exp()).log(), -4, 4),
    "softshrink": (lambda x: x.sign() * (x.abs() - 0.5).clamp(min=0), -4, 4),
    "softsign": (lambda x: x / (1 + x.abs()), -4, 4),
    "sqrt": (torch.sqrt, 0, 4),
    "square": (lambda x: x * x, -4, 4),
    "swish": (lambda x: x / (1 + (-x).exp()), -4, 4),
    "tan": (torch.tan, -1, 1),
    "tanh": (torch.tanh, -4, 4),
    "tanhshrink": (lambda x: x - x.tanh(), -4, 4),
    "trunc": (torch.trunc, -4, 4),
    "xielu": (lambda x: torch.where(x > 0, 0.8 * x * x, 0.8 * (x.exp() - 1 - x)) + x / 2, -4, 4),
}
PARAMETERS = [  # call, torch in float64
    (lambda t: ttnn.elu(t, alpha=2.0), lambda x: torch.where(x > 0, x, 2 * (x.exp() - 1))),
    (lambda t: ttnn.leaky_relu(t, negative_slope=0.1), lambda x: torch.where(x > 0, x, 0.1 * x)),
    (lambda t: ttnn.clamp(t, -1.0, 0.5), lambda x: x.clamp(-1, 0.5)),
    (lambda t: ttnn.clip(t, min=0.25), lambda x: x.clamp(min=0.25)),
    (lambda t: ttnn.relu_max(t, 1.0), lambda x: x.clamp(0, 1)),
    (lambda t: ttnn.relu_min(t, -1.0), lambda x: x.clamp(min=-1)),
    (lambda t: ttnn.hardtanh(t, min_val=-2.0, max_val=0.5), lambda x: x.clamp(-2, 0.5)),
    (lambda t: ttnn.softplus(t, beta=2.0, threshold=9.0), lambda x: (1 + (2 * x).exp()).log() / 2),
    (lambda t: ttnn.threshold(t, 0.5, 3.0), lambda x: torch.where(x > 0.5, x, 3.0)),
    (lambda t: ttnn.heaviside(t, 0.5), lambda x: torch.where(x == 0, 0.5, (x > 0).double())),
    (lambda t: ttnn.pow(t, 3), lambda x: x * x * x),
    (lambda t: ttnn.rpow(t, 2.0), lambda x: 2.0**x),
    (lambda t: ttnn.rdiv(t, 2.0), lambda x: 2 / x),
    (lambda t: ttnn.polyval(t, [1.0, 2.0, 3.0]), lambda x: x * x + 2 * x + 3),
    (lambda t: ttnn.gelu(t, variant=ttnn.GeluVariant.Tanh), lambda x: F.gelu(x, approximate="tanh")),
    (lambda t: ttnn.tril(t), torch.tril),
    (lambda t: ttnn.triu(t, diagonal=1), lambda x: torch.triu(x, 1)),
    (lambda t: ttnn.fill(t, 2.5), lambda x: torch.full_like(x, 2.5)),
    (lambda t: ttnn.prelu(t, 0.25), lambda x: torch.where(x > 0, x, 0.25 * x)),
    (lambda t: ttnn.unary_chain(t, [_fused("RELU"), _fused("POWER", 2.0)]), lambda x: x.clamp(min=0) ** 2),
    (lambda t: ttnn.mac(t, 2.0, 3.0), lambda x: 2 * x + 3),
    (lambda t: ttnn.where(ttnn.gtz(t), t, 0.0), lambda x: torch.where(x > 0, x, 0.0)),
]


def _fused(name: str, *parameters: float) -> ttnn.UnaryWithParam:
    return ttnn.UnaryWithParam(getattr(ttnn.UnaryOpType, name), *parameters)


@pytest.mark.parametrize("name", UNARY)
def test_unary(name, device):
    function, low, high = UNARY[name]
    for dtype in (ttnn.bfloat16, ttnn.float32):
        tensor, x = put(random((1, 2, 33, 40), 1, low, high), device, dtype)
        # float32 logarithms and powers differ in some ulps; the kernel of erfc multiplies by an estimated reciprocal
        assert_close(getattr(ttnn, name)(tensor), function(x), 2**-7 if name == "erfc" else 1e-4)


@examples
@given(shape=shapes, dtype=floats, seed=seeds, which=st.sampled_from(range(len(PARAMETERS))))
def test_unary_with_parameters(device, shape, dtype, seed, which):
    call, function = PARAMETERS[which]
    tensor, x = put(random(shape, seed, 0.5, 4), device, dtype)
    assert_close(call(tensor), function(x), 1e-4)


def test_fused_activations_are_the_operations_of_that_name():
    emulated = 0
    for name, (function, low, high) in UNARY.items():
        x = random((64, 64), 1, low, high)
        try:
            result = activate(x, name, wide=True)
        except (UnsupportedOperation, TypeError):
            continue  # the library has no such activation, or it wants a parameter
        emulated += 1
        relative = 2**-7 if name == "erfc" else 1e-4
        torch.testing.assert_close(result.double(), function(x.double()).double(), rtol=relative, atol=1e-6)
    assert emulated > 50
    with pytest.raises(UnsupportedOperation):
        activate(torch.zeros(2), _fused("BITCAST"), wide=True)


def test_gated_units(device):
    a, x = put(random((1, 1, 32, 128), 1), device, ttnn.float32)
    left, right = x[..., :64], x[..., 64:]
    assert_close(ttnn.glu(a, -1), left * right.sigmoid())
    assert_close(ttnn.reglu(a, -1), left * right.clamp(min=0))
    assert_close(ttnn.geglu(a, -1), left * F.gelu(right), 1e-4)
    assert_close(ttnn.swiglu(a, -1), left * F.silu(right))


@pytest.mark.parametrize(
    "dtype, other, bits", [(ttnn.uint16, ttnn.bfloat16, 16256), (ttnn.uint32, ttnn.float32, 1 << 30)]
)
def test_bitcast(device, dtype, other, bits):
    number = {16256: 1.0, 1 << 30: 2.0}[bits]
    integer, _ = put(torch.tensor([[bits, 0]]), device, dtype)
    assert ttnn.to_torch(ttnn.bitcast(integer, other)).tolist() == [[number, 0.0]]
    real, _ = put(torch.tensor([[number, 0.0]]), device, other)
    assert ttnn.to_torch(ttnn.bitcast(real, dtype)).tolist() == [[bits, 0]]


def test_a_number_to_the_power_of_a_tensor(device):
    a, x = put(random((32, 32), 3), device, ttnn.float32)
    assert_close(ttnn.pow(1.5, a), 1.5**x)


def test_pairs_as_complex_numbers_turned(device):
    a, x = put(random((32, 64), 5), device)
    turned = torch.view_as_real(torch.view_as_complex(x.reshape(32, 32, 2)) * 1j).reshape(32, 64)
    assert torch.equal(ttnn.to_torch(ttnn.alt_complex_rotate90(a)).double(), turned)
