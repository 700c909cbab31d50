# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""Functions of the vector unit, whose steps are in `native/vector_functions.h`.

The functions take float32. `wide` says that the register holds float32, for which kernels have other polynomials. Else
results are rounded to bfloat16. `blackhole` selects the vector unit of Blackhole, which has a reciprocal of its own and
keeps the sign of some zeros.
"""

import torch

from ttnn_emulator.arithmetic.native import Function, elementwise, function

NAMES = frozenset(name.lower() for name in Function.__members__)


def apply(name: str, x: torch.Tensor, wide: bool, blackhole: bool) -> torch.Tensor:
    """Apply the function `name`, one of `NAMES`. NaN stays NaN."""
    x = x.contiguous()
    result = torch.empty_like(x)
    function("sfpu_apply")(Function[name.upper()], x, result, x.numel(), wide, blackhole)
    return result


def divide(a: torch.Tensor, b: torch.Tensor, wide: bool, blackhole: bool) -> torch.Tensor:
    """Return a / b, not rounded to bfloat16."""
    return elementwise("sfpu_divide", a, b, wide, blackhole)


def remainder(a: torch.Tensor, b: torch.Tensor, blackhole: bool) -> torch.Tensor:
    """Return a - floor(a / b) * b."""
    return elementwise("sfpu_remainder", a, b, blackhole)
