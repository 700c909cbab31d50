# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""What value functions share: the register of the units, the library's golden functions, and typecasts."""

import inspect
import re
from collections.abc import Callable, Iterable
from itertools import product
from typing import Any

import torch

import ttnn
from ttnn_emulator.arithmetic import units
from ttnn_emulator.arithmetic.compute_config import PHASES, ComputeConfig
from ttnn_emulator.arithmetic.formats import truncate
from ttnn_emulator.arithmetic.native import Rounding
from ttnn_emulator.arithmetic.units import infinity_for_nan
from ttnn_emulator.device.data_types import is_float
from ttnn_emulator.device.registry import setting_of, value
from ttnn_emulator.install import installed_board
from ttnn_emulator.library.programs import Program

# Functions of the vector unit whose kernels truncate where they store 16 bits. All others round to nearest even.
_CUT = frozenset(
    """add_unary_sfpu sub_unary_sfpu mul_unary_sfpu div_unary_sfpu maximum minimum clamp clip clamp_tss hardtanh
    relu_max relu_min relu6 threshold fill leaky_relu prelu_sfpu prelu erf erfc erfinv i0 digamma rpow heaviside
    hardmish logsigmoid log_sigmoid softshrink softsign fmod""".split()
)


_COMPUTE = re.compile(r"math_fidelity=(\w+),math_approx_mode=(\d),fp32_dest_acc_en=(\d)")


def on_blackhole() -> bool:
    """Return whether the emulated board is a Blackhole, whose vector unit differs from Wormhole's."""
    board = installed_board()
    return board is not None and board.architecture == "blackhole"


def store(value: torch.Tensor, function: str, wide: bool) -> torch.Tensor:
    """Return what the register holds of `value`, the result of the vector unit's `function`."""
    if not value.is_floating_point():
        return value
    rounding = Rounding.TRUNCATE if function.lower() in _CUT else Rounding.NEAREST_EVEN
    return units.store(value, rounding, wide)


def _settings(fidelities: Iterable[str], widths: Iterable[bool]) -> list[ComputeConfig]:
    return [ComputeConfig(*setting) for setting in product(fidelities, widths, (False, True))]


# `only` for an operation that is computed in float32: the settings that use all bits of the operands.
FULL = {"compute_kernel_config": _settings(("HiFi3", "HiFi4"), (False, True))}

# `only` for an operation whose kernel multiplies in the vector unit alone: the settings with float32 sums.
VECTOR = {"compute_kernel_config": _settings(PHASES, (True,))}


def widen(argument: Any) -> Any:
    """Return a float tensor as the vector unit sees it, in float32. Any other argument stays as it is."""
    return argument.float() if isinstance(argument, torch.Tensor) and argument.is_floating_point() else argument


def compute_config(given: Any, fidelity: str = "HiFi4", wide: bool = False, approximate: bool = False) -> ComputeConfig:
    """Read a `compute_kernel_config`. The other arguments are the library's choice, for a call without one."""
    return ComputeConfig(fidelity, wide, approximate) if given is None else setting_of(given)


def config_of(program: Program) -> ComputeConfig:
    """Return the compute configuration that a program's attributes show."""
    fidelity, approximate, wide = _COMPUTE.search(program.attributes).groups()
    return ComputeConfig(fidelity, wide == "1", approximate == "1")


def significant_bits(wide: bool) -> int:
    """Return how many bits of a float32 reach the matrix unit: 11, or 8 where the register has 16 bits."""
    return 11 if wide else 8


def loaded(value: torch.Tensor, wide: bool) -> torch.Tensor:
    """Return a float tensor as it reaches the matrix unit."""
    return truncate(value.float(), significant_bits(wide))


def goldens(table: dict[str, str], **options: Any) -> None:
    """Register operations whose golden function in the wheel is right.

    `table` maps parameters to operation names. The parameters before the semicolon are passed by position, because the
    golden function may have other names for them. `options` are those of `value`.
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
    """Return a value function that widens floats and calls the golden function of `ttnn.NAME`."""
    return with_parameters(ttnn.get_golden_function(getattr(ttnn, name)), parameters)


def with_parameters(plain: Callable, parameters: str) -> Callable:
    """Return a value function with these parameters, which widens floats and calls `plain`.

    The parameters before the semicolon are passed by position, and of the others those that a call gives.
    """
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
        return plain(*[bound.pop(p) for p in positional], **{k: v for k, v in bound.items() if v is not None})

    function.__signature__ = signature
    return function


def convert(value: torch.Tensor, dtype: ttnn.DataType, source: ttnn.DataType | None = None) -> torch.Tensor:
    """Return `value` in the kind (float or integer) of `dtype`, as the machine's typecast converts it.

    float -> int32 drops the fraction, and gives the lowest int32 for what is out of range. float -> uint32 drops the
    fraction and saturates. float -> uint16 rounds to nearest (ties away from zero) and saturates. float -> uint8 keeps
    the low bits of the whole part. int32 or uint32 -> uint16 saturates. Other integer conversions keep the low bits.
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
