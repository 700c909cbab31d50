# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""Help for value functions: using the library's golden functions, and changing number formats."""

import inspect
from collections.abc import Callable
from typing import Any

import torch

import ttnn
from ttnn_emulator.arithmetic import units
from ttnn_emulator.arithmetic.formats import truncate
from ttnn_emulator.arithmetic.native import Rounding
from ttnn_emulator.arithmetic.units import infinity_for_nan
from ttnn_emulator.device.data_types import is_float
from ttnn_emulator.device.registry import value
from ttnn_emulator.install import installed_board

# functions of the vector unit whose kernels do not round before a 16-bit store
_CUT = frozenset(
    """add_unary_sfpu sub_unary_sfpu mul_unary_sfpu div_unary_sfpu maximum minimum clamp clip clamp_tss hardtanh
    relu_max relu_min relu6 threshold fill leaky_relu prelu_sfpu prelu erf erfc erfinv i0 digamma rpow heaviside
    hardmish logsigmoid log_sigmoid softshrink softsign fmod""".split()
)


def on_blackhole() -> bool:
    """Return whether the emulated board is a Blackhole, whose vector unit differs from Wormhole's."""
    board = installed_board()
    return board is not None and board.architecture == "blackhole"


def store(value: torch.Tensor, function: str, wide: bool) -> torch.Tensor:
    """What the vector unit's `function` leaves of its result in the register."""
    if not value.is_floating_point():
        return value
    rounding = Rounding.TRUNCATE if function.lower() in _CUT else Rounding.NEAREST_EVEN
    return units.store(value, rounding, wide)


# settings of an operation that is computed in float32: those that drop no bits of what they multiply
FULL = {"compute_kernel_config": [(fidelity, wide) for fidelity in ("HiFi3", "HiFi4") for wide in (False, True)]}

# and of one whose kernel multiplies in the vector unit alone, with float32 sums
VECTOR = {"compute_kernel_config": [(fidelity, True) for fidelity in ("LoFi", "HiFi2", "HiFi3", "HiFi4")]}


def widen(argument: Any) -> Any:
    """Floats as the vector unit sees them: float32."""
    return argument.float() if isinstance(argument, torch.Tensor) and argument.is_floating_point() else argument


def sums_are_wide(compute: Any, default: bool = False) -> bool:
    """Return whether a compute configuration asks for a register of float32; `default` is the library's choice."""
    return default if compute is None else compute.fp32_dest_acc_en


def significant_bits(wide: bool) -> int:
    """How much of a float32 comes to the matrix unit: 11 bits, or 8 on the way to a register of 16 bits."""
    return 11 if wide else 8


def loaded(value: torch.Tensor, wide: bool) -> torch.Tensor:
    """What of a float32 comes to the matrix unit."""
    return truncate(value.float(), significant_bits(wide))


def goldens(table: dict[str, str], **options: Any) -> None:
    """Register operations whose golden function in the wheel is right.

    `table` maps parameters to operation names; the parameters before the semicolon are passed to the golden function by
    position, because it may call them otherwise than the operation does. `options` are `value`'s.
    """
    for parameters, names in table.items():
        for name in names.split():
            value(name, **options)(from_golden(name, parameters))


def vector_goldens(table: dict[str, str], **options: Any) -> None:
    """Register functions of the vector unit whose golden function is right.

    The unit stores 16 bits unless it was given float32.
    """
    for parameters, names in table.items():
        for name in names.split():
            value(name, **options)(_stored(name, from_golden(name, parameters)))


def _stored(name: str, golden: Callable) -> Callable:
    def function(*args: Any, **kwargs: Any) -> Any:
        operands = [x for x in (*args, *kwargs.values()) if isinstance(x, torch.Tensor)]
        wide = any(operand.dtype == torch.float32 for operand in operands)
        result = golden(*args, **kwargs)
        return store(result if wide else infinity_for_nan(result, *operands), name, wide)

    function.__signature__ = inspect.signature(golden)
    return function


def from_golden(name: str, parameters: str) -> Callable:
    """A value function that widens floats and calls the golden function of `ttnn.NAME`."""
    golden = ttnn.get_golden_function(getattr(ttnn, name))
    positional, _, keywords = (part.strip() for part in parameters.partition(";"))
    positional, keywords = positional.split(), keywords.split()
    signature = inspect.Signature(
        [inspect.Parameter(p, inspect.Parameter.POSITIONAL_OR_KEYWORD) for p in positional]
        + [inspect.Parameter(p, inspect.Parameter.POSITIONAL_OR_KEYWORD, default=None) for p in keywords]
    )

    names = positional + keywords

    def function(*args: Any, **kwargs: Any) -> Any:
        # the library took these arguments before, so they fit the signature
        bound = {key: widen(argument) for key, argument in (*zip(names, args), *kwargs.items())}
        return golden(*[bound.pop(p) for p in positional], **{k: v for k, v in bound.items() if v is not None})

    function.__signature__ = signature
    return function


def convert(value: torch.Tensor, dtype: ttnn.DataType, source: ttnn.DataType | None = None) -> torch.Tensor:
    """`value` in the kind (float or integer) of `dtype`, as the machine's typecast does it.

    float -> int32/uint32 cuts the fraction off; beyond the range int32 gives its lowest value; uint32 saturates, at 0
    for negatives. float -> uint16 rounds to nearest (ties away from zero) and saturates; uint8 keeps the low bits of
    the whole part. int32 -> uint16 saturates. Other integer conversions keep the low bits.
    """
    if is_float(dtype):
        return value if value.is_floating_point() else value.float()
    if value.is_floating_point():
        value = torch.nan_to_num(value.double(), nan=0.0)
        if dtype == ttnn.int32:
            return torch.where(value.abs() < 1 << 31, value, -float(1 << 31)).long()
        if dtype == ttnn.uint32:
            return value.clamp(0, (1 << 32) - 1).long()
        if dtype == ttnn.uint8:
            return value.clamp(-(1 << 31), (1 << 31) - 1).long()
        return (value + 0.5).floor().clamp(0, (1 << 16) - 1).long()
    if dtype == ttnn.uint16 and source in (ttnn.int32, ttnn.uint32):
        return value.clamp(0, (1 << 16) - 1)
    return value
