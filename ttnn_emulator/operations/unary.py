# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""Elementwise operations of one tensor, computed in float32, or in integers for integer tensors.

`fast_and_approximate_mode` is refused where the kernel has an approximate form. The exact sigmoid is computed for all
settings of `vector_mode` and `mode`.
"""

from typing import Any

import torch

import ttnn
from ttnn_emulator.arithmetic import native
from ttnn_emulator.device.data_types import is_float, storage_dtype
from ttnn_emulator.device.registry import value
from ttnn_emulator.device.step import Output
from ttnn_emulator.operations.activations import activate, activation_name
from ttnn_emulator.operations.support import convert, on_blackhole, store, vector_goldens, widen

_EXACT = {"fast_and_approximate_mode": [False]}

vector_goldens({"input_tensor": "erf log10 log2 mish"}, only=_EXACT)
vector_goldens(
    {"input_tensor": "log1p"}, without_effect={"fast_and_approximate_mode": "log1p's kernel has one form, and says so"}
)
vector_goldens(
    {
        "input_tensor": """abs acos acosh asin asinh atan atanh bitwise_not cbrt ceil cos cosh deg2rad digamma eqz
            erfinv exp2 expm1 floor frac gez gtz hardmish hardsigmoid hardswish i0 i1 identity isfinite isinf
            isnan isneginf isposinf lez lgamma log_sigmoid ltz multigammaln neg nez rad2deg
            relu6 sign signbit sin sinh softsign tan tanhshrink trunc logical_not""",
        "input_tensor; alpha": "elu celu",
        "input_tensor; alpha_p alpha_n": "xielu",
        "input_tensor; scale alpha": "selu",
        "input_tensor; min_val max_val": "hardtanh",
        "input_tensor; beta threshold": "softplus",
        "input_tensor; lambd": "hardshrink softshrink",
        "input_tensor; negative_slope": "leaky_relu",
        "input_tensor; diagonal": "tril triu",
        "input_tensor; min max": "clamp clip",
        "input_tensor; dim": "glu reglu swiglu",
        "input_tensor; dim variant": "geglu",
        "input_tensor upper_limit": "relu_max",
        "input_tensor lower_limit": "relu_min",
        "input_tensor threshold value": "threshold",
        "input_tensor value": "heaviside",
        "input_tensor beta": "softcap",
        "input_tensor k": "polygamma",
        "input_tensor_a coeffs": "polyval",
        "input_tensor; eps": "logit",
    }
)


def _stored(result: torch.Tensor, source: torch.Tensor, function: str) -> torch.Tensor:
    return store(result, function, source.dtype == torch.float32)


def _activated(x: torch.Tensor, activation: Any, source: torch.Tensor) -> torch.Tensor:
    return _stored(activate(x, activation, source.dtype == torch.float32), source, activation_name(activation))


def _register(function: str, *names: str, **options: Any) -> None:
    @value(*names, **options)
    def unary(input_tensor):
        if not input_tensor.is_floating_point():  # the library lets relu and square have integers
            return getattr(torch, function)(input_tensor)
        return native.unary(native.Step[function.upper()], input_tensor, on_blackhole())


for _name in ("relu", "square"):
    _register(_name, _name)
for _name in ("exp", "log", "rsqrt", "sqrt", "tanh"):
    _register(_name, _name, only=_EXACT)
_register("erfc", "erfc")
_register("recip", "reciprocal")
_register("sigmoid", "sigmoid_accurate", only=_EXACT)
_register("silu", "silu", "swish")


@value("round")
def round(input_tensor, *, decimals: int = 0):
    # + 0 as in the kernel: no negative zero
    return _stored(torch.round(input_tensor.float(), decimals=decimals) + 0, input_tensor, "round")


@value("logical_not_")  # the golden function computes nothing
def logical_not_(input_tensor):
    return input_tensor == 0


@value("sigmoid")
def sigmoid(input_tensor, *, vector_mode: int = 4, mode: Any = None):
    return native.unary(native.Step.SIGMOID, input_tensor, on_blackhole())


@value("gelu", only=_EXACT)  # the golden function computes nothing for the fast variants
def gelu(input_tensor, *, variant: Any = None):
    approximate = "tanh" if variant == ttnn.GeluVariant.Tanh else "none"
    return _stored(torch.nn.functional.gelu(input_tensor.float(), approximate=approximate), input_tensor, "gelu")


@value("rdiv")
def rdiv(input_tensor, value, *, rounding_mode: str | None = None):
    quotient = torch.div(torch.tensor(float(value)), input_tensor.float(), rounding_mode=rounding_mode)
    return _stored(quotient, input_tensor, "rdiv")


@value("pow")
def power(
    input_tensor,
    exponent,
    *,
    dtype: Any = None,
    activations: Any = (),
    input_tensor_a_activations: Any = (),
    input_tensor_b_activations: Any = (),
    outputs: list[Output],
):
    if not isinstance(input_tensor, torch.Tensor):  # a number to the power of a tensor
        return rpow(exponent, input_tensor)
    base, exponent = widen(input_tensor), widen(exponent)
    for activation in input_tensor_a_activations:
        base = _activated(base, activation, input_tensor)
    for activation in input_tensor_b_activations:
        exponent = _activated(exponent, activation, input_tensor)
    result = _stored(torch.pow(base, exponent), input_tensor, "pow")
    for activation in activations:
        result = _activated(result, activation, input_tensor)
    return convert(result, outputs[0].dtype)


@value("rpow")
def rpow(input_tensor, exponent):
    return _stored(torch.pow(float(exponent), input_tensor.float()), input_tensor, "rpow")


@value("bitcast")
def bitcast(input_tensor, dtype, *, outputs: list[Output]):
    """Read the same bits as another type of the same width."""
    bits = {ttnn.uint16: torch.int16, ttnn.bfloat16: torch.int16}.get(outputs[0].dtype, torch.int32)
    held = input_tensor.view(bits) if input_tensor.is_floating_point() else input_tensor.to(bits)
    return held.view(storage_dtype(outputs[0].dtype)) if is_float(outputs[0].dtype) else held.long()


@value("alt_complex_rotate90")
def alt_complex_rotate90(input_tensor):
    """Multiply pairs (real, imaginary) by i."""
    real, imaginary = input_tensor.unflatten(-1, (-1, 2)).unbind(-1)
    return torch.stack((-imaginary, real), -1).flatten(-2)


@value("unary_chain")
def unary_chain(input_tensor, ops_chain):
    result = widen(input_tensor)
    for activation in ops_chain:
        result = _activated(result, activation, input_tensor)
    return result


@value("fill")
def fill(input_tensor, fill_value):
    return torch.full_like(input_tensor, fill_value)
