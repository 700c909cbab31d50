# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""Gradients of elementwise functions: torch's, in float32."""

from collections.abc import Callable

import torch
from torch.nn import functional

from ttnn_emulator.device.registry import value
from ttnn_emulator.operations.support import with_parameters

# functions of one tensor
_OF_ONE: dict[str, Callable] = {
    **{
        name: getattr(torch, name)
        for name in """abs acos acosh asin asinh atan atanh ceil cos cosh deg2rad digamma erf erfc erfinv exp exp2
        expm1 floor frac i0 lgamma log log10 log1p log2 logit neg rad2deg reciprocal relu round rsqrt sigmoid sign sin
        sinh sqrt square tan tanh trunc""".split()
    },
    **{name: getattr(functional, name) for name in "hardsigmoid hardswish relu6 selu silu softsign tanhshrink".split()},
    "log_sigmoid": functional.logsigmoid,
    "fill_zero": lambda x: x * 0,
}
# the options of functions of one tensor
_WITH_OPTIONS: dict[str, tuple[str, Callable]] = {
    "celu": ("alpha", functional.celu),
    "elu": ("alpha", functional.elu),
    "hardshrink": ("lambd", functional.hardshrink),
    "softshrink": ("lambd", functional.softshrink),
    "hardtanh": ("min max", lambda x, min=-1.0, max=1.0: functional.hardtanh(x, min, max)),
    "leaky_relu": ("negative_slope", functional.leaky_relu),
    "softplus": ("beta threshold", functional.softplus),
}
_OF_TWO: dict[str, Callable] = {
    "atan2": torch.atan2,
    "hypot": torch.hypot,
    "ldexp": lambda a, b: a * torch.exp2(b),
    "logaddexp": torch.logaddexp,
    "logaddexp2": torch.logaddexp2,
    "squared_difference": lambda a, b: (a - b) ** 2,
    "xlogy": torch.xlogy,
}
_OF_THREE: dict[str, Callable] = {
    "addcmul": lambda a, b, c, alpha: a + alpha * b * c,
    "addcdiv": lambda a, b, c, alpha: a + alpha * b / c,
}


def _register(name: str, parameters: str, function: Callable) -> None:
    def gradients(gradient: torch.Tensor, *operands: torch.Tensor | float, **options: float) -> list[torch.Tensor]:
        with torch.enable_grad():
            leaves = [x.detach().requires_grad_() if isinstance(x, torch.Tensor) else x for x in operands]
            result = function(*leaves, **options)
        return list(torch.autograd.grad(result, [x for x in leaves if isinstance(x, torch.Tensor)], gradient))

    value(f"{name}_bw")(with_parameters(gradients, f"grad_tensor {parameters}"))


for _name, _function in _OF_ONE.items():
    _register(_name, "input_tensor", _function)
for _name, (_options, _function) in _WITH_OPTIONS.items():
    _register(_name, f"input_tensor; {_options}", _function)
_register("pow", "input_tensor exponent", torch.pow)
for _name, _function in _OF_TWO.items():
    _register(_name, "input_tensor_a input_tensor_b", _function)
for _name, _function in _OF_THREE.items():
    _register(_name, "input_tensor_a input_tensor_b input_tensor_c alpha", _function)
