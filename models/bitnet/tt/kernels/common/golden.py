# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""What the fused programs compute, in torch: float32 steps as on the vector unit, integers exactly."""

from functools import cache

import torch
from torch.utils.weak import WeakTensorKeyDictionary

from models.bitnet.tt.kernels.common.epilogue import Epilogue
from models.bitnet.tt.kernels.common.int8_codes import LARGEST_CODE, SMALLEST_PEAK
from models.bitnet.tt.kernels.common.ternary_tiles import TernaryPages
from models.bitnet.tt.layout import TILE

_PIECE = 4096  # columns of a weight that become float32 at a time


def codes_of(x: torch.Tensor, gamma: torch.Tensor | None, constant: float) -> tuple[torch.Tensor, torch.Tensor]:
    """Int8 codes of rows [.., K] -> (codes in float32, steps [.., 1]: what one code of a row is worth).

    With `gamma` an RMS norm comes first, and `constant` is its eps. Without, `constant` is a factor of the steps.
    """
    x = x.float()
    if gamma is None:
        step = _step(x.abs().amax(-1, keepdim=True))
        return torch.round(x * (1 / step)), step * constant
    weighted = x * gamma.float().flatten()
    rstd = torch.rsqrt(x.square().sum(-1, keepdim=True) * (1 / x.shape[-1]) + constant)
    step = _step(weighted.abs().amax(-1, keepdim=True) * rstd)
    return torch.round(weighted * (rstd * (1 / step))), step


def _step(peak: torch.Tensor) -> torch.Tensor:
    return peak.clamp(min=SMALLEST_PEAK) * (1 / LARGEST_CODE)


def as_source(x: torch.Tensor) -> torch.Tensor:
    """Values as the sources of the matrix unit hold them: float32 loses its last 13 bits."""
    return (x.float().view(torch.int32) & ~0x1FFF).view(torch.float32)


def product(rows: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    """rows [.., K] @ weight [K, N] in float32. The weight becomes float32 a piece at a time, in the CPU's cache."""
    weight = weight.flatten(0, -2)
    total = torch.zeros(rows.numel() // rows.shape[-1], weight.shape[1])
    piece = torch.empty(TILE, _PIECE)
    for part, of_weight in zip(rows.flatten(0, -2).split(TILE, dim=1), weight.split(TILE)):
        for sums, columns in zip(total.split(_PIECE, dim=1), of_weight.split(_PIECE, dim=1)):
            sums.addmm_(part, piece[: columns.shape[0], : columns.shape[1]].copy_(columns))
    return total.reshape(*rows.shape[:-1], -1)


# The unpacked matrices of packed weights that are alive, for unpacking costs far more than a product of a few rows.
_UNPACKED = WeakTensorKeyDictionary()


def unpacked(weights: torch.Tensor, pages: TernaryPages) -> torch.Tensor:
    """The ternary matrix int8 [K, N] of a tensor of packed weights. Its columns are contiguous, as `_int_mm` wants."""
    version, matrix = _UNPACKED.get(weights, (None, None))
    if version != weights._version:
        matrix = pages.unpack(weights.flatten(0, -2).to(torch.int32)).T.contiguous().T
        _UNPACKED[weights] = (weights._version, matrix)
    return matrix


def results(
    codes: torch.Tensor, step: torch.Tensor, weight: torch.Tensor, residual: torch.Tensor | None, epilogue: Epilogue
) -> torch.Tensor:
    """Codes [.., K] times a ternary `weight` int8 [K, N], rescaled by `step` [.., 1], and the epilogue. The sums are
    integers, which float32 holds exactly. A row whose codes are no numbers has no number as its step too."""
    sums = torch._int_mm(codes.flatten(0, -2).to(torch.int8), weight).unflatten(0, codes.shape[:-1]) * step
    if epilogue is Epilogue.RESIDUAL:
        return sums + residual
    if not epilogue.is_gated:
        return sums
    gate, up = sums.chunk(2, dim=-1)  # a row holds all columns of gate, then all of up
    return (silu(gate) if epilogue is Epilogue.SILU_GATED else torch.relu(gate).square()) * up


def silu(x: torch.Tensor) -> torch.Tensor:
    """x / (1 + e^-x), exact but for one rounding. As on the vector unit, a reciprocal below the normal numbers is 0."""
    sigmoid = 1 / (1 + torch.exp(-x.double()))
    return (x * sigmoid.where(sigmoid >= torch.finfo(torch.float32).tiny, 0.0)).float()


def bfloat16(x: torch.Tensor) -> torch.Tensor:
    """float32 rounded to bfloat16 as the packer does it: ties away from zero, and no negative zero."""
    return ((x.view(torch.int32) + 0x8000) & ~0xFFFF).view(torch.float32) + 0.0


def short_product(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    """x * y of bfloat16 values, as the matrix unit multiplies in HiFi4 with a destination register of 16 bits."""
    bits_x, bits_y = x.view(torch.int32), y.view(torch.int32)
    # the sign of the product, then the 7 bits of x's fraction, then those of y's
    place = ((bits_x ^ bits_y) >> 17 & 0x4000) | (bits_x >> 9 & 0x3F80) | (bits_y >> 16 & 0x7F)
    return x * y + _roundings_of_products()[place] * (_power_of_two(x) * _power_of_two(y))


@cache
def _roundings_of_products() -> torch.Tensor:
    """What the matrix unit's roundings add to a product, by its sign and the fractions of both operands, from 1 to 2.

    The unit multiplies the upper 5 bits of x and the lower 3 by the upper 7 bits of y and the last one. It rounds to
    bfloat16 after each of the four products, and each but the first counts in 2^-10 of the sum's power of two.
    """
    size = 1 + torch.arange(128) / 128
    x, y = torch.stack([size, -size])[:, :, None], size
    high_x, high_y = _leading_bits(x, 5), _leading_bits(y, 7)
    low_x, low_y = x - high_x, y - high_y
    total = bfloat16(high_x * high_y)
    for term in (low_x * high_y, high_x * low_y, low_x * low_y):
        unit = _power_of_two(total) * 2.0**-10
        total = bfloat16(total + torch.floor(term / unit + 0.5) * unit)
    return (total - x * y).flatten()


def short_sum(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    """x + y of bfloat16 values, as the matrix unit adds with a destination register of 16 bits.

    The smaller value counts in 2^-10 of the larger one's exponent, ties away from zero.
    """
    swapped = x.abs() < y.abs()
    large, small = torch.where(swapped, y, x), torch.where(swapped, x, y)
    unit = (_power_of_two(large) * 2.0**-10).clamp_min(2.0**-126)
    scaled = small / unit
    return bfloat16(large + torch.trunc(scaled + torch.copysign(scaled.new_tensor(0.5), scaled)) * unit)


def _leading_bits(x: torch.Tensor, count: int) -> torch.Tensor:
    """The leading bits of a float32's mantissa, with the hidden one."""
    return (x.view(torch.int32) & -(1 << (24 - count))).view(torch.float32)


def _power_of_two(x: torch.Tensor) -> torch.Tensor:
    """The largest power of two that is not above |x|."""
    return (x.view(torch.int32) & 0x7F800000).view(torch.float32)
