# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""Functions of the vector unit (`native/vector_functions.h` has their steps).

Each takes float32 and `wide`, which says that the register holds float32, for which there are other polynomials; else
the result is rounded to bfloat16. `blackhole` says whose vector unit it is: Blackhole has a reciprocal of its own, and
keeps the sign of some zeros.
"""

import torch

from ttnn_emulator.arithmetic.native import Function, elementwise, function

NAMES = frozenset(name.lower() for name in Function.__members__)


def apply(name: str, x: torch.Tensor, wide: bool, blackhole: bool) -> torch.Tensor:
    """One of `NAMES`. What is no number stays none."""
    x = x.contiguous()
    result = torch.empty_like(x)
    function("sfpu_apply")(Function[name.upper()], x, result, x.numel(), wide, blackhole)
    return result


def divide(a: torch.Tensor, b: torch.Tensor, wide: bool, blackhole: bool) -> torch.Tensor:
    """a / b, not rounded to bfloat16."""
    return elementwise("sfpu_divide", a, b, wide, blackhole)


def remainder(a: torch.Tensor, b: torch.Tensor, blackhole: bool) -> torch.Tensor:
    """a - floor(a / b) * b."""
    return elementwise("sfpu_remainder", a, b, blackhole)
