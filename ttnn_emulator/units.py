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
from ttnn_emulator.numerics import round_to_bfloat16, truncate

SMALLEST = 2.0**-126  # below it the units know only zero
_MATRIX_BITS = 11  # significant bits of an operand of the matrix unit (tf32)
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
    value = torch.where(value.abs() < SMALLEST, value * 0, value)  # with its sign
    if wide:
        return value
    return truncate(value, 8) if function.lower() in _CUT else value.bfloat16().float()


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
    a, b = torch.broadcast_tensors(truncate(a, _MATRIX_BITS), truncate(b, _MATRIX_BITS))
    total = _aligned_sum(a, b)
    if not bool(total.isfinite().all()):
        # to the unit infinity is the number 2**128, so it is added in quarters
        quarters = (torch.where(x.isinf(), torch.copysign(x.new_tensor(2.0**126), x), x * 0.25) for x in (a, b))
        total = torch.where(a.isinf() | b.isinf(), _aligned_sum(*quarters) * 4, total)
    total = torch.where(total.abs() < SMALLEST, 0.0, total)
    return total if wide else round_to_bfloat16(total).float()


def _aligned_sum(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    swapped = a.abs() < b.abs()
    large, small = torch.where(swapped, b, a), torch.where(swapped, a, b)
    exponent = (large.view(torch.int32) >> 23) & 255
    last_bit = ((exponent - (_MATRIX_BITS - 1)).clamp_min(1) << 23).view(torch.float32)
    scaled = small / last_bit
    return large + torch.trunc(scaled + torch.copysign(scaled.new_tensor(0.5), scaled)) * last_bit
