# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""Activations fused into other operations, named by a string, a `UnaryOpType` or a `UnaryWithParam`.

The exact function is computed also where a parameter selects a fast approximation (of exp, gelu, sigmoid, ...).
"""

from collections.abc import Callable
from typing import Any

import torch
from torch.nn import functional

import ttnn
from ttnn_emulator.arithmetic import vector_functions
from ttnn_emulator.errors import UnsupportedOperation
from ttnn_emulator.operations.support import on_blackhole

# for each op type a function of (x, *parameters) of float32 or int64 tensors
_WITH_PARAMETERS: dict[str, Callable] = {
    "ROUND": lambda x, decimals=0.0: torch.round(x, decimals=int(decimals)) + 0,  # no negative zero
    "LEAKY_RELU": lambda x, slope: functional.leaky_relu(x, slope),
    "PRELU_SFPU": lambda x, slope: functional.leaky_relu(x, slope),
    "ELU": lambda x, alpha=1.0: functional.elu(x, alpha),
    "CELU": lambda x, alpha=1.0, *_: functional.celu(x, alpha),
    "SELU": lambda x, *_: functional.selu(x),
    "RELU_MAX": lambda x, limit: x.clamp(0, limit),
    "RELU_MIN": lambda x, limit: x.clamp(min=limit),
    "HARDTANH": lambda x, low=-1.0, high=1.0: x.clamp(low, high),
    "CLAMP_TSS": lambda x, low, high: x.clamp(low, high),
    "SOFTPLUS": lambda x, beta=1.0, *rest: functional.softplus(x, beta, rest[-1] if rest else 20.0),
    "SOFTSHRINK": lambda x, width=0.5: functional.softshrink(x, width),
    "HARDSHRINK": lambda x, width=0.5: functional.hardshrink(x, width),
    "THRESHOLD": lambda x, limit, other: functional.threshold(x, limit, other),
    "SOFTCAP": lambda x, cap: cap * torch.tanh(x / cap),
    "HEAVISIDE": lambda x, middle: torch.heaviside(x, torch.tensor(middle, dtype=x.dtype)),
    "POWER": lambda x, exponent: x**exponent,
    "POWER_ITERATIVE": lambda x, exponent: x**exponent,
    "RPOW": lambda x, base: base**x,
    "ADD_UNARY_SFPU": lambda x, other: x + other,
    "SUB_UNARY_SFPU": lambda x, other: x - other,
    "MUL_UNARY_SFPU": lambda x, other: x * other + 0,
    "DIV_UNARY_SFPU": lambda x, other: x / other,
    "RSUB": lambda x, other: other - x,
    "MAXIMUM": lambda x, other: x.clamp(min=other),
    "MINIMUM": lambda x, other: x.clamp(max=other),
    "UNARY_EQ": lambda x, other: (x == other).to(x.dtype),
    "UNARY_NE": lambda x, other: (x != other).to(x.dtype),
    "UNARY_GT": lambda x, other: (x > other).to(x.dtype),
    "UNARY_GE": lambda x, other: (x >= other).to(x.dtype),
    "UNARY_LT": lambda x, other: (x < other).to(x.dtype),
    "UNARY_LE": lambda x, other: (x <= other).to(x.dtype),
    "FILL": lambda x, other: torch.full_like(x, other),
}
# the parameters of these select an approximation, and are not used
_PLAIN: dict[str, Callable] = {
    "GELU": functional.gelu,
    "GELU_TANH": lambda x: functional.gelu(x, approximate="tanh"),
    "MISH": functional.mish,
    "HARDSWISH": functional.hardswish,
    "HARDSIGMOID": functional.hardsigmoid,
    "HARDMISH": lambda x: x * (x * 0.5 + 1).clamp(0, 1),
    "LOGSIGMOID": functional.logsigmoid,
    "SOFTSIGN": functional.softsign,
    "TANHSHRINK": functional.tanhshrink,
    "RELU6": functional.relu6,
    "CBRT": lambda x: torch.sgn(x) * x.abs() ** (1 / 3),
    "IDENTITY": lambda x: x,
    "LOGICAL_NOT_UNARY": lambda x: (x == 0).to(x.dtype),
    "EQZ": lambda x: (x == 0).to(x.dtype),
    "NEZ": lambda x: (x != 0).to(x.dtype),
    "GTZ": lambda x: (x > 0).to(x.dtype),
    "GEZ": lambda x: (x >= 0).to(x.dtype),
    "LTZ": lambda x: (x < 0).to(x.dtype),
    "LEZ": lambda x: (x <= 0).to(x.dtype),
    "ISFINITE": lambda x: torch.isfinite(x).to(x.dtype),
    **{
        name.upper(): getattr(torch, name)
        for name in (
            "abs acos acosh asin asinh atan atanh ceil cos cosh digamma erf erfinv exp2 expm1 floor frac i0 "
            "lgamma log10 log1p log2 neg relu sign sin sinh square tan trunc"
        ).split()
    },
}
# other names that a program may use for an op type
_ALIASES = {
    "GELU_APPROX": "GELU",
    "SIGMOID_APPROX": "SIGMOID",
    "LOGICAL_NOT": "LOGICAL_NOT_UNARY",
    "RECIPROCAL": "RECIP",
    "SWISH": "SILU",
    "LOG_SIGMOID": "LOGSIGMOID",
    "POW": "POWER",
}


def activation_name(activation: Any) -> str:
    """Return the name of an activation's `UnaryOpType`."""
    if isinstance(activation, ttnn.UnaryWithParam):
        activation = activation.op_type
    key = activation.name if isinstance(activation, ttnn.UnaryOpType) else str(activation).upper()
    return _ALIASES.get(key, key)


def activate(x: torch.Tensor, activation: Any, wide: bool) -> torch.Tensor:
    """Apply one fused activation to a float32 (or int64) tensor. `wide` says that the register holds float32.

    An activation with a parameter may be a pair, as the library takes it.
    """
    activation = ttnn.UnaryWithParam(*activation) if isinstance(activation, tuple) else activation
    name = activation_name(activation)
    if name.lower() in vector_functions.NAMES:
        return vector_functions.apply(name.lower(), x.float(), wide, on_blackhole())
    if name in _PLAIN:
        return _PLAIN[name](x)
    if name not in _WITH_PARAMETERS:
        raise UnsupportedOperation(f"the fused activation {activation} is not emulated")
    parameters = tuple(activation.params) if isinstance(activation, ttnn.UnaryWithParam) else ()
    return _WITH_PARAMETERS[name](x, *parameters)
