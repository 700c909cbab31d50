# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""The results of the two arithmetic units in the destination register, from which the packer writes memory.

The register holds float32 where `wide`, else bfloat16. The vector unit computes in float32. Most of its functions round
to nearest even before they store 16 bits, and the others truncate. The matrix unit adds numbers of 11 significant bits,
aligned to the larger one, and rounds ties away from zero. These rules were found on a simulator that executes the
kernels: `python -m ttnn_emulator.ledger`.
"""

import torch

from ttnn_emulator.arithmetic.native import Rounding, elementwise, function


def store(value: torch.Tensor, rounding: Rounding, wide: bool) -> torch.Tensor:
    """Return what the vector unit stores of a float32 result: `rounding` applies to a register of 16 bits."""
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
    """Return a + b of float32 tensors, as the matrix unit adds them."""
    return elementwise("fpu_add", a, b, wide)
