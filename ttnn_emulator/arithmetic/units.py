# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""What the two arithmetic units leave in the destination register, from which the packer writes results.

The register holds 16 bits a value (bfloat16) unless float32 takes part (`wide`). The vector unit computes in float32;
most of its functions round to nearest even before they store 16 bits, the others are cut. The matrix unit adds numbers
of 11 significant bits, aligned to the larger one, and rounds ties away from zero. All of it was found on a simulator
that executes the kernels: `python -m ttnn_emulator.ledger`.
"""

import torch

from ttnn_emulator.install import installed_board

SMALLEST = 2.0**-126  # below it the units know only zero
# functions of the vector unit whose kernels do not round before a 16-bit store
_CUT = frozenset(
    """add_unary_sfpu sub_unary_sfpu mul_unary_sfpu div_unary_sfpu maximum minimum clamp clip clamp_tss hardtanh
    relu_max relu_min relu6 threshold fill leaky_relu prelu_sfpu prelu erf erfc erfinv i0 digamma rpow heaviside
    hardmish logsigmoid log_sigmoid softshrink softsign fmod""".split()
)


def on_blackhole() -> bool:
    """Whose vector unit has a reciprocal of its own, and keeps the sign of some zeros."""
    board = installed_board()
    return board is not None and board.architecture == "blackhole"


def store(value: torch.Tensor, function: str, wide: bool) -> torch.Tensor:
    """What the vector unit's `function` leaves of its float32 result."""
    if not value.is_floating_point():
        return value
    from ttnn_emulator.arithmetic import vector_unit  # here, because numba takes half a second to come

    return vector_unit.store(value, function.lower() in _CUT, wide)


def infinity_for_nan(result: torch.Tensor, *operands: torch.Tensor) -> torch.Tensor:
    """In 16 bits the packer writes infinity for what is no number (0 / 0). The NaN of an operand stays one here, unlike
    on the machine: unwritten memory holds NaN, and that must not go unseen."""
    invalid = result.isnan()
    if bool(invalid.any()):
        for operand in operands:
            invalid = invalid & ~operand.isnan()
        return torch.where(invalid, torch.inf, result)
    return result


def matrix_add(a: torch.Tensor, b: torch.Tensor, wide: bool) -> torch.Tensor:
    """a + b in the matrix unit, of float32 tensors that hold what was in memory."""
    from ttnn_emulator.arithmetic.matrix_unit import add  # here, because numba takes half a second to come

    return add(a, b, wide)
