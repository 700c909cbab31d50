# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""Functions of the vector unit, step by step as its kernels take them: polynomials, and estimates that are refined.

The steps and coefficients are those of the kernels that ship with ttnn 0.81.1 (tt_metal/hw/ckernels/*/llk_sfpu). A step
is a multiply-add, and `cancelling` one of which little is left. Each function takes float32 and `wide`, which says that
the register holds float32, for which there are other polynomials; else the result is rounded to bfloat16.
"""

from collections.abc import Callable
from functools import partial

import torch

from ttnn_emulator.arithmetic.formats import round_to_bfloat16
from ttnn_emulator.arithmetic.multiply_add import (
    INFINITY,
    as_bits,
    as_floats,
    cancelling,
    flushed,
    horner,
    mad,
    product,
)
from ttnn_emulator.arithmetic.units import SMALLEST, on_blackhole

_MANTISSA = 0x7FFFFF


def _single(*values: float) -> tuple[float, ...]:
    """Constants as float32 holds them."""
    return tuple(torch.tensor(values, dtype=torch.float32).tolist())


_PER_LN2, _PER_LN2_SHORT, _PER_HALF_LN2, _LN2 = _single(1.4426950216293335, 1.442695, 2.88539, 0.6931471805599453)
_EXP_SHIFTS = _single(-6.93145752e-1, -1.42860677e-6)
_EXP = _single(1.37805939e-3, 8.37312452e-3, 4.16695364e-2, 1.66664720e-1, 4.99999851e-1, 1.0, 1.0)
# of 2**(f / 2**23); the kernel of exp has the lowest in float16
_EXP_16, _EXP_16_INSIDE = (_single(4.791750143340323e-15, 7.839635491371155e-08, c) for c in (1.001953125, 1.0017248))
_LOG = _single(
    *map(float.fromhex, "-0x1.92cp-5 0x1.b84p-4 -0x1.0c4p-3 0x1.274p-3 -0x1.55p-3 0x1.998p-3".split()),
    *map(float.fromhex, "-0x1.00001ap-2 0x1.555572p-2 -0x1p-1".split()),
)
_LOG_16 = _single(-0.25, float.fromhex("0x1.744p-2"), float.fromhex("-0x1.008p-1"))
_LN2_LAST_BIT = _single(0.693147182 * 1.19209290e-7)[0]
_TANH = _single(1.974105835e-04, 1.393318176e-3, 8.331298828e-3, 4.166680202e-2, 1.666667163e-1, 0.5)
_TANH_16 = _single(
    5.876733921468258e-3, -6.6649019718170166e-2, 0.28191763162612915, -0.48906597495079041, 3.0897438526153564e-2
) + _single(0.999004364013671875, 0.0)
_RECIPROCAL = _single(0.32323250174522400, 1.4545459747314453, 2.1212124824523926)
_RECIPROCAL_16 = _single(0.32133400440216065, 1.4514148235321045, 2.1200883388519287)
_ROOT_SEED = 0x5F1110A0
_ROOT = _single(2.2825186, 2.2533049)
# two rational functions: of magnitudes below 2.5, and up to 5
_ERFC = (
    (
        _single(1.3746744953e-02, -1.5691982210e-01, 6.8185544014e-01, -1.3375675678e00, 1.0000233650e00),
        _single(2.8375532478e-02, 2.5104774162e-02, -3.4568668343e-03, 4.3667086959e-01, -2.0801517367e-01, 1.0),
    ),
    (
        _single(-4.7387182178e-08, 9.1439767402e-07, -6.6162156145e-06, 2.1275576728e-05, -2.5655237550e-05),
        _single(-2.1375391632e-02, 1.2677097321e-01, -1.3888636231e-01, -2.0572184026e-01, -1.6457208991e-01, 1.0),
    ),
)


def _estimate(x: torch.Tensor) -> torch.Tensor:
    """Blackhole's own reciprocal: of the middle of all numbers that share 8 bits, to 8 bits; 0 from 2**126 on."""
    result = as_floats(as_bits(x) & -0x10000 | 0x8000).reciprocal().bfloat16().float()
    size = x.abs()
    beyond = torch.copysign(torch.where(size < 1, torch.inf, 0.0), x)
    return torch.where((size >= 2.0**-126) & (size < 2.0**126), result, beyond)


def _inverse(x: torch.Tensor, steps: int = 2) -> torch.Tensor:
    """1 / x inside a kernel, by `steps` of Newton's iteration."""
    if not on_blackhole():
        return _scaled_inverse(x, steps, _RECIPROCAL)
    result = _estimate(x)
    regular = (x != 0) & ~x.isinf()
    for _ in range(steps):
        result = torch.where(regular, result * -cancelling(x, result, -2.0), result)
    return result


def _scaled_inverse(x: torch.Tensor, steps: int, start: tuple[float, ...], rounded: bool = False) -> torch.Tensor:
    """Wormhole's: a parabola for the mantissa; infinity for 0, and 0 from 2**127 on."""
    bits = as_bits(x)
    mantissa = as_floats(bits & _MANTISSA | -0x40800000)  # negative, from -2 to -1
    result = cancelling(mantissa, mad(mantissa, start[0], start[1]), start[2])
    for _ in range(steps):
        result = mad(result, cancelling(mantissa, result, 1.0), result)
    if rounded:
        result = round_to_bfloat16(result).float()
    exponent = bits & INFINITY
    scale = torch.where(exponent == 0, INFINITY, (0x7F000000 - exponent).clamp_min(0))
    result = result * as_floats(scale)
    return torch.copysign(torch.where(result < SMALLEST, 0.0, result), x)


def _reciprocal(x: torch.Tensor, wide: bool) -> torch.Tensor:
    if not on_blackhole():
        return _inverse(x) if wide else _scaled_inverse(x, 1, _RECIPROCAL_16, rounded=True)
    result = _estimate(x)
    if wide:
        error = cancelling(-x, result, 1.0)
        error = mad(mad(error, error, error), error, error)
        return mad(torch.where(error < 1, error, 1.0), result, result)
    # where half a last place more is still too little, it is one more
    bits = as_bits(result)
    return as_floats(torch.where(mad(x, as_floats(bits | 0x8000), -1.0) < 0, bits + 0x10000, bits))


def _root(x: torch.Tensor, wide: bool, inverse: bool) -> torch.Tensor:
    y = as_floats(_ROOT_SEED - (as_bits(x) >> 1))
    c = -y * (x * y)
    y = y * mad(c, c + _ROOT[1], _ROOT[0])
    xy = x * y
    error = cancelling(-y, xy, 1.0)
    result = mad(error, y * 0.5, y) if inverse else mad(error, xy * 0.5, xy)
    regular = (x > 0) & ~x.isinf()
    return _narrow(torch.where(regular, result, torch.rsqrt(x) if inverse else torch.sqrt(x)), wide)


def _narrow(result: torch.Tensor, wide: bool) -> torch.Tensor:
    if wide:
        return result
    return round_to_bfloat16(torch.where(result.abs() < SMALLEST, 0.0, result)).float()


def _exp_wide(x: torch.Tensor) -> torch.Tensor:
    power = x * _PER_LN2_SHORT
    power = torch.trunc(power + torch.copysign(power.new_tensor(0.5), power)).clamp_(-32767, 32767)
    rest = mad(power, _EXP_SHIFTS[1], mad(power, _EXP_SHIFTS[0], x))
    bits = as_bits(horner(rest, _EXP))
    exponent = (bits >> 23) + power.int()
    result = torch.where(exponent < 1, 0.0, as_floats(bits & _MANTISSA | exponent << 23))
    return torch.where(exponent >= 255, torch.inf, result)


def _exp_16(x: torch.Tensor, coefficients: tuple[float, ...]) -> torch.Tensor:
    """Not rounded. The power of 2 becomes a fixed-point number: an exponent, and a fraction to correct."""
    power = mad(x, _PER_LN2, 127.0)
    fixed = (power.clamp(0, 255) * 2.0**23).int()
    fraction = as_bits(horner((fixed & _MANTISSA).float(), coefficients)) & _MANTISSA
    result = torch.where(power < 1, 0.0, as_floats(fraction | fixed & INFINITY))
    return torch.where(power >= 255, torch.inf, result)


def _exp(x: torch.Tensor, wide: bool) -> torch.Tensor:
    return _exp_wide(x) if wide else _narrow(_exp_16(x, _EXP_16), False)


def _log(x: torch.Tensor, wide: bool) -> torch.Tensor:
    exponent = as_bits(x) - 0x3F400000 & -0x800000  # so that the rest lies between 0.75 and 1.5
    rest = as_floats(as_bits(x) - exponent) - 1
    result = horner(rest, _LOG if wide else _LOG_16)
    result = mad(exponent.float(), _LN2_LAST_BIT, mad(result, rest * rest, rest))
    regular = (x > 0) & ~x.isinf()
    return _narrow(torch.where(regular, result, torch.log(x)), wide)


def _sigmoid_inside(x: torch.Tensor, wide: bool) -> torch.Tensor:
    power = _exp_wide(-x) if wide else _exp_16(-x, _EXP_16_INSIDE)
    return _inverse(power + 1, 2 if wide else 1)


def _sigmoid(x: torch.Tensor, wide: bool) -> torch.Tensor:
    return _narrow(_sigmoid_inside(x, wide), wide)


def _silu(x: torch.Tensor, wide: bool) -> torch.Tensor:
    return _narrow(product(x, _sigmoid_inside(x, wide), wide), wide)


def _tanh(x: torch.Tensor, wide: bool) -> torch.Tensor:
    if not wide:
        return _narrow(torch.copysign(horner(x.abs(), _TANH_16).clamp_max(1.0), x), False)
    # (e**2a - 1) / (e**2a + 1), both halved
    power = torch.floor((x * _PER_HALF_LN2).abs() + 0.5).clamp_max(61)
    rest = mad(power, -_LN2, x.abs() * 2)
    scale = torch.exp2(power - 1)
    tail = mad(horner(rest, _TANH), rest * rest, rest)
    above = mad(tail, scale, scale - 0.5)
    below = above + 1
    if on_blackhole():
        inverse = _estimate(below)
        error = cancelling(-below, inverse, 1.0)
    else:
        inverse = as_floats(-0x010D0000 - as_bits(below)).neg()
        error = cancelling(-below, inverse, 1.0)
        error = mad(error, error, error)
    inverse = mad(inverse, error, inverse)
    ratio = above * inverse
    ratio = mad(cancelling(-below, ratio, above), inverse, ratio)
    ratio = torch.where(power >= 61, 1.0, ratio)
    return torch.where(x.abs() < 2.0**-12, x, torch.copysign(ratio, x))


def _erfc(x: torch.Tensor, wide: bool) -> torch.Tensor:
    size = x.abs().clamp_max(5.0)
    (above, below), far = ([horner(size, part, cancelling) for part in parts] for parts in _ERFC)
    above, below = torch.where(size >= 2.5, far[0], above), torch.where(size >= 2.5, far[1], below)
    result = above * (_estimate(below) if on_blackhole() else _inverse(below, 1))
    return torch.where(x < 0, 2 - result, result)


def divide(a: torch.Tensor, b: torch.Tensor, wide: bool) -> torch.Tensor:
    """a / b, not rounded to bfloat16."""
    a, b = torch.broadcast_tensors(a, b)
    if not wide:
        result = torch.where(b == 0, a / 0.0, product(a, _inverse(b), wide))
        return torch.where(a.isnan() | b.isnan(), torch.nan, result)
    (above, power_a), (below, power_b) = _split(a), _split(b)
    inverse = _inverse(below, 1)
    quotient = above * inverse
    quotient = mad(cancelling(-below, quotient, above), inverse, quotient)
    regular = (power_a > 0) & (power_b > 0) & ~(power_a + power_b).isinf()
    return flushed(torch.where(regular, quotient.double().mul_(power_a).div_(power_b).float(), a / b))


def _split(x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """A number from 1 to 2 with the sign, and a power of 2."""
    return as_floats(as_bits(x) & ~INFINITY | 0x3F800000), as_floats(as_bits(x) & INFINITY)


def remainder(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    """a - floor(a / b) * b, which a quotient next to a whole number leads astray, with two corrections."""
    a, b = torch.broadcast_tensors(a, b)
    result = cancelling(-torch.floor(a * _inverse(b)), b, a)
    result = torch.where((result != 0) & (result.signbit() != b.signbit()), result + b, result)
    less = result - b
    alike = (a != 0) & (a.signbit() == b.signbit())
    result = torch.where(alike & torch.where(b > 0, less >= 0, less <= 0), less, result)
    return torch.where((b == 0) | b.isnan(), torch.nan, result)


_FUNCTIONS: dict[str, Callable[[torch.Tensor, bool], torch.Tensor]] = {
    "exp": _exp,
    "log": _log,
    "sqrt": partial(_root, inverse=False),
    "rsqrt": partial(_root, inverse=True),
    "recip": _reciprocal,
    "sigmoid": _sigmoid,
    "silu": _silu,
    "tanh": _tanh,
    "erfc": _erfc,
}


def apply(name: str, x: torch.Tensor, wide: bool) -> torch.Tensor:
    """One of `NAMES`. What is no number stays none."""
    return torch.where(x.isnan(), x, _FUNCTIONS[name](x, wide))


NAMES = frozenset(_FUNCTIONS)
