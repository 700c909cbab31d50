# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""What the two arithmetic units leave in the destination register, from which the packer writes results.

The register holds 16 bits a value (bfloat16) unless float32 takes part (`wide`). The vector unit computes in float32;
most of its functions round to nearest even before they store 16 bits, the others are cut. The matrix unit adds numbers
of 11 significant bits, aligned to the larger one, and rounds ties away from zero. All of it was found on a simulator
that executes the kernels: `python -m ttnn_emulator.ledger`.
"""

import torch

from ttnn_emulator.arithmetic.native import Rounding, elementwise, function


def store(value: torch.Tensor, rounding: Rounding, wide: bool) -> torch.Tensor:
    """What the vector unit leaves of a float32 result, which it rounds before a store of 16 bits."""
    value = value.contiguous()
    result = torch.empty_like(value)
    function("sfpu_store")(value, result, value.numel(), rounding, wide)
    return result


def infinity_for_nan(result: torch.Tensor, *operands: torch.Tensor) -> torch.Tensor:
    """Return what the packer writes in 16 bits, which is infinity for what is no number (0 / 0).

    The NaN of an operand stays one here, unlike on the machine: unwritten memory holds NaN, which must be seen.
    """
    invalid = result.isnan()
    if bool(invalid.any()):
        for operand in operands:
            invalid = invalid & ~operand.isnan()
        return torch.where(invalid, torch.inf, result)
    return result


def matrix_add(a: torch.Tensor, b: torch.Tensor, wide: bool) -> torch.Tensor:
    """a + b in the matrix unit, of float32 tensors that hold what was in memory."""
    return elementwise("fpu_add", a, b, wide)
