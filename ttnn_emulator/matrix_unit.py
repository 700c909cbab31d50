# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""The matrix unit's steps, number by number, compiled for this CPU (`sums.py` says what they are).

Operands come as float32 whose values have at most 11 significant bits. The loops run over `rows` and, innermost, over
`columns`: either operand may be either, whichever way is quicker. The compiled code is kept in the cache folder.
"""

import math
from collections.abc import Callable

import numba
import numpy as np

from ttnn_emulator.toolchain import cache_folder

_TILE, _GROUP = 32, 8  # terms of K
_NOTHING = np.int32(-1000)  # exponent of what is zero, or smaller than normal
_SMALLEST = np.int32(-500)  # exponent that the register is aligned at
_BIAS, _FRACTION = np.int64(1023), np.int64(52)  # of a float64: the exponent of 1.0, and the bits below the exponent
_1 = np.int32(1)


def _compiled(**options) -> Callable[[Callable], Callable]:
    """By numba, which keeps what it makes in this package's folder without changing the setting for others."""

    def decorate(function: Callable) -> Callable:
        elsewhere, numba.config.CACHE_DIR = numba.config.CACHE_DIR, str(cache_folder())
        try:
            return numba.njit(cache=True, nogil=True, error_model="numpy", **options)(function)
        finally:
            numba.config.CACHE_DIR = elsewhere

    return decorate


@_compiled(inline="always")
def _power(exponent: int) -> float:
    return np.int64(np.int64(exponent) + _BIAS << _FRACTION).view(np.float64)


@_compiled(inline="always")
def _whole(value: float) -> float:
    """Rounded, ties away from zero."""
    return np.trunc(value + math.copysign(0.5, value))


@_compiled(inline="always")
def _part(mantissa: int, phase: int, first: bool) -> int:
    """The bits of an operand that a phase multiplies: 7 or the other 4 of the first, 5 or the next 5 of the second."""
    if first:
        return (mantissa & np.int32(15)) << np.int32(3) if phase & 2 else mantissa >> np.int32(4)
    return mantissa >> _1 & np.int32(31) if phase & 1 else mantissa >> np.int32(6)


@_compiled()
def _fields(value: np.ndarray, phases: np.ndarray, first: bool, along: int) -> tuple[np.ndarray, np.ndarray]:
    """Exponents, and for each phase the signed parts of the mantissas; dimension `along` in whole tiles."""
    bits = value.view(np.int32)
    height, width = value.shape
    full = (-(-height // _TILE) * _TILE, width) if along == 0 else (height, -(-width // _TILE) * _TILE)
    exponents = np.full(full, _NOTHING, np.int32)
    parts = np.zeros((len(phases), *full), np.int32)
    for i in range(height):
        for j in range(width):
            exponent = bits[i, j] >> np.int32(23) & np.int32(255)
            if exponent == 0:
                continue
            exponents[i, j] = exponent - np.int32(127)
            mantissa = bits[i, j] >> np.int32(13) & np.int32(1023) | np.int32(1024)
            for place in range(len(phases)):
                part = _part(mantissa, phases[place], first)
                parts[place, i, j] = -part if bits[i, j] < 0 else part
    return exponents, parts


@_compiled(inline="always")
def _register(total: float, first: int, at: int, second: int, second_at: int, wide: bool) -> float:
    """What the register holds after two groups' sums join `total`, each in units of 2 ** (its exponent - 10)."""
    own = np.int32((np.float64(total).view(np.int64) >> _FRACTION & np.int64(2047)) - _BIAS)  # of zero: less than any
    highest = max(own, max(max(at, second_at), _SMALLEST))
    unit = highest - np.int32(23)
    total = _whole(total * _power(-unit))
    one = np.floor(first * _power(max(at - np.int32(10) - unit, _NOTHING)) + 0.5)
    two = np.floor(second * _power(max(second_at - np.int32(10) - unit, _NOTHING)) + 0.5)
    if not wide:  # all three lose 13 bits more before they are added
        total = _whole(total / 8192) * 8192
        one, two = np.floor(one / 8192 + 0.5) * 8192, np.floor(two / 8192 + 0.5) * 8192
    bits = np.float64((total + one + two) * _power(unit)).view(np.int64)
    dropped = np.int64(29) if wide else np.int64(45)  # of 53 bits 24 remain, or bfloat16's 8; ties go away from zero
    bits = bits + (np.int64(1) << dropped - np.int64(1)) & -(np.int64(1) << dropped)
    return np.int64(bits).view(np.float64)


@_compiled()
def _highest(row_exponents: np.ndarray, exponents: np.ndarray, highest: np.ndarray) -> None:
    """Of a row's products with a tile's columns, the largest exponent in each group."""
    for group in range(_TILE // _GROUP):
        largest = highest[group]
        largest[:] = 2 * _NOTHING
        for k in range(group * _GROUP, (group + 1) * _GROUP):
            row_exponent, column_exponents = row_exponents[k], exponents[k]
            for n in range(len(largest)):
                largest[n] = max(largest[n], row_exponent + column_exponents[n])


@_compiled()
def _sum_group(
    row_exponents: np.ndarray,
    row_parts: np.ndarray,
    exponents: np.ndarray,
    parts: np.ndarray,
    highest: np.ndarray,
    sums: np.ndarray,
) -> None:
    """Of a row's products with a group's columns, each aligned to the largest exponent and rounded there."""
    sums[:] = 0
    for k in range(_GROUP):
        row_exponent, column_exponents = row_exponents[k], exponents[k]
        row_part, column_parts = row_parts[k], parts[k]
        for n in range(len(sums)):
            distance = min(highest[n] - row_exponent - column_exponents[n], np.int32(31))
            term = row_part * column_parts[n]
            sign = term >> np.int32(31)
            size = (term ^ sign) - sign
            size = (size << _1 >> distance) + _1 >> _1  # ties go away from zero
            sums[n] += (size ^ sign) - sign


@_compiled()
def add_products(
    total: np.ndarray, rows: np.ndarray, columns: np.ndarray, phases: np.ndarray, wide: bool, rows_first: bool
) -> None:
    """Adds rows @ columns, float32 [B, M, K] and [B, K, N], to the registers `total`, float64 [B, M, N].

    `rows_first`: the rows are the product's first operand (SrcB)."""
    width = columns.shape[2]
    highest, sums = np.empty((_TILE // _GROUP, width), np.int32), np.empty((2, width), np.int32)
    for batch in range(len(total)):
        row_exponents, row_parts = _fields(rows[batch], phases, rows_first, 1)
        exponents, parts = _fields(columns[batch], phases, not rows_first, 0)
        # without a negative number, a phase whose products are all zero leaves the register as it is
        signed = (row_parts < 0).any() or (parts < 0).any()
        used = [place for place in range(len(phases)) if signed or (row_parts[place].any() and parts[place].any())]
        for m in range(rows.shape[1]):
            register = total[batch, m]
            for tile in range(0, len(exponents), _TILE):
                _highest(row_exponents[m, tile : tile + _TILE], exponents[tile : tile + _TILE], highest)
                for place in used:
                    lower = np.int32((5 if phases[place] & 1 else 0) + (7 if phases[place] & 2 else 0))
                    for group in range(0, _TILE // _GROUP, 2):
                        for half in range(2):
                            first = tile + (group + half) * _GROUP
                            span = slice(first, first + _GROUP)
                            _sum_group(
                                row_exponents[m, span],
                                row_parts[place, m, span],
                                exponents[span],
                                parts[place, span],
                                highest[group + half],
                                sums[half],
                            )
                        one, two, at, second_at = sums[0], sums[1], highest[group], highest[group + 1]
                        for n in range(width):
                            register[n] = _register(
                                register[n], one[n], at[n] - lower, two[n], second_at[n] - lower, wide
                            )
