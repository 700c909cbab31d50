# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""Elementwise operations of two or three tensors or scalars, with fused activations.

Floats are computed in float32, and integers in 64 bits, which the result's dtype wraps. Each fused step is rounded to
what the units leave in their register (see `units`). A scalar operand of a 16-bit or block float tensor is rounded to
bfloat16. The wheel's golden functions do neither, and expect integers of other torch dtypes. So this file has functions
of its own.
"""

from collections.abc import Callable
from typing import Any

import torch

import ttnn
from ttnn_emulator.arithmetic import vector_functions
from ttnn_emulator.arithmetic.formats import nearest_even
from ttnn_emulator.arithmetic.native import MOST_STEPS, Operation, Step, binary
from ttnn_emulator.arithmetic.units import infinity_for_nan, matrix_add
from ttnn_emulator.device.data_types import is_float
from ttnn_emulator.device.registry import value
from ttnn_emulator.device.step import Output
from ttnn_emulator.operations.activations import activate, activation_name
from ttnn_emulator.operations.support import convert, on_blackhole, store, vector_goldens, widen

_WORD = (1 << 32) - 1


def _shift_right(a: torch.Tensor, count: torch.Tensor) -> torch.Tensor:
    out_of_range = (count < 0) | (count > 31) & (a < 0)  # numbers that are not negative are shifted by 31 at most
    return torch.where(out_of_range, 0, a >> count.clamp(0, 31))


def _shift_left(a: torch.Tensor, count: torch.Tensor) -> torch.Tensor:
    return torch.where((count >= 0) & (count < 32), a << count.clamp(0, 31), 0)


def _remainder(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    floats = a.is_floating_point() and b.is_floating_point()
    return vector_functions.remainder(a, b, on_blackhole()) if floats else torch.remainder(a, b)


def _logical_shift_right(a: torch.Tensor, count: torch.Tensor) -> torch.Tensor:
    return torch.where((count >= 0) & (count < 32), (a & _WORD) >> count.clamp(0, 31), 0)


_FUNCTIONS: dict[str, Callable] = {
    "add": torch.add,
    "subtract": torch.sub,
    "multiply": torch.mul,
    "rsub": lambda a, b: b - a,
    "squared_difference": lambda a, b: torch.square(a - b),
    "maximum": torch.maximum,
    "minimum": torch.minimum,
    "eq": torch.eq,
    "ne": torch.ne,
    "lt": torch.lt,
    "le": torch.le,
    "gt": torch.gt,
    "ge": torch.ge,
    "logical_and": torch.logical_and,
    "logical_or": torch.logical_or,
    "logical_xor": torch.logical_xor,
    "bitwise_and": torch.bitwise_and,
    "bitwise_or": torch.bitwise_or,
    "bitwise_xor": torch.bitwise_xor,
    "bitwise_left_shift": _shift_left,
    "bitwise_right_shift": _shift_right,
    "logical_left_shift": _shift_left,
    "logical_right_shift": _logical_shift_right,
    "logaddexp": torch.logaddexp,
    "logaddexp2": torch.logaddexp2,
    "ldexp": lambda a, b: a * torch.exp2(b),
    "xlogy": torch.xlogy,
    "bias_gelu": lambda a, b: torch.nn.functional.gelu(a + b),
    "remainder": _remainder,
    "gcd": torch.gcd,
    "lcm": torch.lcm,
}
# operations of floats that are computed in one pass: in the matrix unit where it takes part, else in the vector unit
_IN_ONE_PASS: dict[str, tuple[Operation, Operation]] = {
    "add": (Operation.FPU_ADD, Operation.ADD),
    "subtract": (Operation.FPU_SUBTRACT, Operation.SUBTRACT),
    "rsub": (Operation.FPU_RSUB, Operation.RSUB),
    "multiply": (Operation.MULTIPLY, Operation.MULTIPLY),
    "divide": (Operation.DIVIDE, Operation.DIVIDE),
    "maximum": (Operation.MAXIMUM, Operation.MAXIMUM),
    "minimum": (Operation.MINIMUM, Operation.MINIMUM),
}
_ROUNDED_BY_PACKER = ("remainder", "fmod")  # these keep float32 in the register
_SCALAR_IS_A_PARAMETER = ("maximum", "minimum", "fmod", "remainder")
_IN_PLACE = """add subtract multiply rsub squared_difference eq ne lt le gt ge logical_and logical_or logical_xor
    logaddexp logaddexp2 ldexp bias_gelu""".split()


def _register(names: list[str], function: Callable) -> None:
    # the names of the operands differ between operations and overloads
    @value(*names)
    def of_two(
        input_tensor_a=None,
        input_tensor_b=None,
        *,
        input_a=None,
        input_b=None,
        dtype: Any = None,
        activations: Any = (),
        input_tensor_a_activations: Any = (),
        input_tensor_b_activations: Any = (),
        fast_and_approximate_mode: bool | None = None,
        outputs: list[Output],
    ):
        first = input_a if input_tensor_a is None else input_tensor_a
        second = input_b if input_tensor_b is None else input_tensor_b
        fused = (input_tensor_a_activations, input_tensor_b_activations, activations)
        return compute(function, first, second, fused, outputs[0].dtype, names[0], fast_and_approximate_mode)


def compute(
    function: Callable,
    first: Any,
    second: Any,
    activations: tuple,
    dtype: ttnn.DataType,
    name: str,
    fast: bool | None = None,
) -> torch.Tensor:
    """Return `function` of two tensors or scalars, with the activations before and after it, as the units leave it.

    `fast` is `fast_and_approximate_mode`. True makes the matrix unit multiply, and False makes the vector unit add.
    """
    tensors = [operand for operand in (first, second) if isinstance(operand, torch.Tensor)]
    types = [tensor.dtype for tensor in tensors]
    wide = dtype == ttnn.float32 or torch.float32 in types
    # the vector unit adds what is float32 on both sides (a scalar has its tensor's dtype), and integers
    on_matrix_unit = torch.bfloat16 in types and fast is not False
    operands = _operand(first, tensors, name), _operand(second, tensors, name)
    if name in _IN_ONE_PASS and (operands[0].is_floating_point() or operands[1].is_floating_point()):
        operation = _IN_ONE_PASS[name][0 if on_matrix_unit else 1]
        if name == "multiply" and fast and not wide:
            operation = Operation.FPU_MULTIPLY
        return convert(_in_one_pass(operation, operands, activations, wide, dtype), dtype)
    before_a, before_b, after = activations
    a, b = (_fuse(widen(x), before, wide) for x, before in zip(operands, (before_a, before_b)))
    if name == "squared_difference" and on_matrix_unit:
        result = store(matrix_add(a, -b, wide).square(), "square", wide)
    else:
        result = function(a, b, wide) if name == "divide" else function(a, b)
        if result.is_floating_point():
            result = result if wide else infinity_for_nan(result, a, b)
            result = store(result, name, wide or name in _ROUNDED_BY_PACKER)
    if after:
        result = widen(result) if result.dtype != torch.bool else result.to(a.dtype)
        result = _fuse(result, after, wide)
    if result.dtype == torch.bool:
        return result
    if result.is_floating_point() and _rounds(dtype) and name not in _ROUNDED_BY_PACKER:
        result = nearest_even(result)
    return convert(result, dtype)


def _in_one_pass(
    operation: Operation, operands: tuple[torch.Tensor, ...], activations: tuple, wide: bool, dtype: ttnn.DataType
) -> torch.Tensor:
    """Compute an operation with its activations in one compiled pass, and before or after it what the pass lacks."""
    operands = [x if x.is_floating_point() else x.float() for x in operands]
    steps = [_steps(part) for part in activations]
    for place, part in enumerate(activations[:2]):
        if steps[place] is None:
            operands[place], steps[place] = _fuse(operands[place].float(), part, wide), ()
    later = activations[2] if steps[2] is None else ()
    steps[2] = () if later else steps[2]
    kept = torch.bfloat16 if _rounds(dtype) and not later else torch.float32
    result = binary(operation, *operands, steps, wide, on_blackhole(), kept)
    if not later:
        return result
    result = _fuse(result, later, wide)
    return nearest_even(result) if _rounds(dtype) else result


def _steps(activations: Any) -> tuple[tuple[Step, float], ...] | None:
    """Return activations as the compiled pass knows them, with their parameters, or None where it lacks one."""
    if not activations:
        return ()
    steps = tuple(_step(activation) for activation in activations)
    return None if None in steps or len(steps) > MOST_STEPS else steps


def _step(activation: Any) -> tuple[Step, float] | None:
    name = activation_name(activation)
    parameters = activation.params if isinstance(activation, ttnn.UnaryWithParam) else ()
    parameter = parameters[0] if parameters else 0.0
    known = name in Step.__members__ and not (name == "ROUND" and parameter)  # ROUND to decimals is not compiled
    return (Step[name], parameter) if known else None


def _rounds(dtype: ttnn.DataType) -> bool:
    """Return whether the vector unit's kernels round to bfloat16 before the packer."""
    return is_float(dtype) and dtype != ttnn.float32


def _operand(operand: Any, tensors: list[torch.Tensor], name: str) -> torch.Tensor:
    """Return a tensor operand as it is, and a scalar as the unit sees it: float32, or int64 beside integers."""
    if isinstance(operand, torch.Tensor):
        return operand
    other = tensors[0]
    if not other.is_floating_point():
        # a fraction makes an operation of integers one of float32, a whole number does not
        whole = float(operand).is_integer()
        return torch.tensor(int(operand) if whole else float(operand), dtype=torch.int64 if whole else torch.float32)
    scalar = torch.tensor(float(operand), dtype=torch.float32)
    # the library fills a scalar into a tile of the tensor's dtype, or passes it to a program of one operand
    return scalar if other.dtype == torch.float32 or name in _SCALAR_IS_A_PARAMETER else nearest_even(scalar).float()


def _fuse(x: torch.Tensor, activations: Any, wide: bool) -> torch.Tensor:
    for activation in activations or ():
        x = store(activate(x, activation, wide), activation_name(activation), wide)
    return x


for _name, _function in _FUNCTIONS.items():
    _register([_name, f"{_name}_"] if _name in _IN_PLACE else [_name], _function)


@value("prelu")
def prelu(input_tensor_a, weight):
    x = input_tensor_a.float()
    if isinstance(weight, torch.Tensor):
        channels = weight.float().reshape(-1, *[1] * (x.ndim - 2)) if weight.ndim == 1 else weight.float()
    else:
        channels = torch.tensor(weight, dtype=torch.float32).reshape(-1, *[1] * (x.ndim - 2))
    return torch.where(x >= 0, x, channels * x)


@value("bcast")
def bcast(input_a, input_b, math_op, dim):
    """Broadcast one row, one column or one value of the second operand over the first."""
    row, column = "H" in dim.name, "W" in dim.name
    b = input_b[..., : 1 if row else None, : 1 if column else None].float()
    function = {"ADD": torch.add, "SUB": torch.sub, "MUL": torch.mul}[math_op.name]
    return function(input_a.float(), b)


@value("where")
def where(predicate, true_value, false_value, *, outputs: list[Output]):
    kind = torch.float32 if is_float(outputs[0].dtype) else torch.int64
    branches = [torch.as_tensor(branch).to(kind) for branch in (true_value, false_value)]
    return torch.where(predicate != 0, *branches)


@value("mac")
def mac(input_tensor_a, input_tensor_b=None, input_tensor_c=None, *, value=None, value1=None, value2=None):
    factor = next(x for x in (input_tensor_b, value1, value) if x is not None)
    term = next(x for x in (input_tensor_c, value2, value) if x is not None)
    return widen(input_tensor_a) * widen(factor) + widen(term)


vector_goldens(
    {
        "input_tensor_a input_tensor_b": "atan2 hypot nextafter outer",
        "input_tensor_a input_tensor_b alpha": "addalpha subalpha",
        "input_tensor_a input_tensor_b; rtol atol equal_nan": "isclose",
        "input_a input_b input_c; value": "addcmul addcdiv",
        "input end weight": "lerp",
        "input_tensor alpha beta": "snake_beta",
        "gate up limit": "clamped_silu_glu",
        "gate up beta1 beta2": "situ_glu",
    }
)
