# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""The vector unit's multiply-add, and what is made of it.

It is rounded once, and all but fused: of the product it keeps 26 bits below the larger exponent, and of the rest only
that there was some. That shows where a sum cancels.
"""

from collections.abc import Callable

import torch

from ttnn_emulator.arithmetic.units import SMALLEST, on_blackhole

Number = torch.Tensor | float
INFINITY = 0x7F800000  # as bits: the exponent's


def as_bits(x: torch.Tensor) -> torch.Tensor:
    return x.contiguous().view(torch.int32)


def as_floats(bits: torch.Tensor) -> torch.Tensor:
    return bits.view(torch.float32)


def mad(a: torch.Tensor, b: Number, c: Number) -> torch.Tensor:
    """a * b + c, rounded once."""
    from ttnn_emulator.arithmetic import vector_unit  # here, because numba takes half a second to come

    return vector_unit.mad(a, b, c)


def cancelling(a: torch.Tensor, b: torch.Tensor, c: Number) -> torch.Tensor:
    """a * b + c, when little is left of a product of about -c: with the bits that the unit keeps of the product."""
    from ttnn_emulator.arithmetic import vector_unit

    return vector_unit.cancelling(a, b, c)


def horner(x: torch.Tensor, coefficients: tuple[float, ...], step: Callable = mad) -> torch.Tensor:
    result = torch.full_like(x, coefficients[0])
    for coefficient in coefficients[1:]:
        result = step(result, x, coefficient)
    return result


def flushed(product: torch.Tensor) -> torch.Tensor:
    """Too small a product is +0. Blackhole finds so a little late, and keeps the sign (see `store`)."""
    return torch.where(product.abs() < (2.0**-127 if on_blackhole() else SMALLEST), 0.0, product)


def product(a: torch.Tensor, b: torch.Tensor, wide: bool) -> torch.Tensor:
    result = flushed(a * b)
    if wide or on_blackhole():
        return result
    # zero times infinity has a sign on Wormhole, which infinity takes over when 16 bits are stored
    signed = torch.copysign(result.new_tensor(torch.inf), as_floats(as_bits(a) ^ as_bits(b)))
    return torch.where(result.isnan(), signed, result)
