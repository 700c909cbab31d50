# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""The matrix unit's steps, number by number, compiled for this CPU (`sums.py` says what they are).

Operands come as float32 whose values have at most 11 significant bits. The loops run over `rows` and, innermost, over
`columns`: either operand may be either, whichever way is quicker.
"""

import math

import numpy as np

from ttnn_emulator.arithmetic.compiled import compiled, elementwise
from ttnn_emulator.arithmetic.units import SMALLEST

_TILE, _GROUP = 32, 8  # terms of K
_GROUPS = _TILE // _GROUP
_NOTHING = np.int32(-1000)  # exponent of what is zero, or smaller than normal
_SMALLEST = np.int32(-500)  # exponent that the register is aligned at
_BIAS, _FRACTION = np.int64(1023), np.int64(52)  # of a float64: the exponent of 1.0, and the bits below the exponent
_0, _1, _13, _23, _31, _127 = map(np.int32, (0, 1, 13, 23, 31, 127))


@compiled
def _power(exponent: int) -> float:
    return np.int64(np.int64(exponent) + _BIAS << _FRACTION).view(np.float64)


@compiled
def _power_below(value: float) -> int:
    """The exponent of a float64."""
    return (np.float64(value).view(np.int64) >> _FRACTION & np.int64(2047)) - _BIAS


@compiled
def _lower(phase: int) -> int:
    """By how many powers of two a phase's products are smaller than the first one's."""
    return np.int32((5 if phase & 1 else 0) + (7 if phase & 2 else 0))


@compiled
def _exponent(bits: int) -> int:
    """Of a float32 with these bits, -127 of zero."""
    return np.int32((bits >> _23 & np.int32(255)) - _127)


@compiled
def _without(value: int, bits: int) -> int:
    """value / 2 ** bits, rounded, ties up; `bits` up to 31."""
    return np.int32(np.int32(np.int32(value << _1) >> (bits & _31)) + _1) >> _1


@compiled
def _fields(value: np.ndarray, phases: np.ndarray, first: bool, along: int) -> tuple[np.ndarray, np.ndarray]:
    """Exponents [H, W], and for each phase the signed parts of mantissas, [H, phases, W]. Dimension `along` is filled
    up to whole tiles.

    A phase multiplies 7 or the other 4 bits of the first operand, 5 or the next 5 of the second."""
    bits = value.view(np.int32)
    height, width = value.shape
    full = (-(-height // _TILE) * _TILE, width) if along == 0 else (height, -(-width // _TILE) * _TILE)
    exponents = np.full(full, _NOTHING, np.int16)  # small, to stay in the CPU's cache
    parts = np.zeros((full[0], len(phases), full[1]), np.int8)
    for i in range(height):
        own, row = bits[i], exponents[i]
        for j in range(width):
            exponent = own[j] >> _23 & np.int32(255)
            row[j] = _NOTHING if exponent == 0 else exponent - _127
        for place in range(len(phases)):
            low = phases[place] & (2 if first else 1) != 0
            if first:
                below, mask, above = (_0, np.int32(15), np.int32(3)) if low else (np.int32(4), np.int32(127), _0)
            else:
                below, mask, above = (_1, np.int32(31), _0) if low else (np.int32(6), np.int32(31), _0)
            part = parts[i, place]
            for j in range(width):
                mantissa = own[j] >> _13 & np.int32(1023) | np.int32(1024)
                taken = (mantissa >> below & mask) << above if row[j] != _NOTHING else _0
                sign = own[j] >> _31
                part[j] = (taken ^ sign) - sign
    return exponents, parts


@compiled
def _any_negative(parts: np.ndarray) -> bool:
    for part in parts.flat:
        if part < 0:
            return True
    return False


@compiled
def _all_zero(parts: np.ndarray, place: int) -> bool:
    for i in range(len(parts)):
        for part in parts[i, place]:
            if part != 0:
                return False
    return True


@compiled
def _sum_groups(
    row_exponents: np.ndarray,
    row_parts: np.ndarray,
    exponents: np.ndarray,
    parts: np.ndarray,
    first: int,
    highest: np.ndarray,
    distances: np.ndarray,
    sums: np.ndarray,
) -> None:
    """Of a row's products with the columns in the tile that begins at `first`, each aligned to the largest exponent in
    its group, which `highest` gets, and rounded there, ties away from zero: their sums for each phase and group."""
    sums[:] = 0
    for group in range(_GROUPS):
        largest = highest[group]
        largest[:] = 2 * _NOTHING
        for k in range(first + group * _GROUP, first + (group + 1) * _GROUP):
            row_exponent, column_exponents = np.int32(row_exponents[k]), exponents[k]
            for n in range(len(largest)):
                largest[n] = max(largest[n], np.int32(row_exponent + column_exponents[n]))
        for k in range(first + group * _GROUP, first + (group + 1) * _GROUP):
            row_exponent, column_exponents = np.int32(row_exponents[k]), exponents[k]
            for n in range(len(largest)):
                distances[n] = min(np.int32(largest[n] - np.int32(row_exponent + column_exponents[n])), _31)
            for place in range(len(sums)):
                twice, column_parts, total = np.int32(row_parts[place, k] << _1), parts[k, place], sums[place, group]
                if twice:
                    for n in range(len(largest)):
                        term = np.int32(twice * column_parts[n])  # a little less where negative: ties go away from zero
                        term = np.int32(np.int32(term + (term >> _31)) >> (distances[n] & _31))
                        total[n] += np.int32(term + _1) >> _1


@compiled
def _add_to_registers(
    registers: np.ndarray, units: np.ndarray, sums: np.ndarray, highest: np.ndarray, group: int, lower: int, wide: bool
) -> None:
    """The sums of `group` and the next join each register: all three are aligned to the largest exponent. A register is
    a float32, here its bits, times 2 ** (its unit). A phase's products are `lower` than the exponents in `highest`."""
    one_sums, two_sums, one_highest, two_highest = sums[group], sums[group + 1], highest[group], highest[group + 1]
    kept = _23 if wide else np.int32(7)
    for n in range(len(registers)):
        bits = registers[n]
        own = _NOTHING if bits == 0 else np.int32(_exponent(bits) + units[n])
        one_at, two_at = np.int32(one_highest[n] - lower), np.int32(two_highest[n] - lower)
        top = max(max(own, _SMALLEST), max(one_at, two_at))
        # a sum counts in 2 ** (its exponent - 10), the register in 2 ** (top - 23); its ties go away from zero
        total = _without(bits & np.int32(0x7FFFFF) | np.int32(0x800000), min(np.int32(top - own), _31))
        one = _without(one_sums[n] << _13, min(np.int32(top - one_at), _31))
        two = _without(two_sums[n] << _13, min(np.int32(top - two_at), _31))
        if not wide:  # all three lose 13 bits more before they are added
            total, one, two = _without(total, _13) << _13, _without(one, _13) << _13, _without(two, _13) << _13
        sign = bits >> _31
        total = np.int32((total ^ sign) - sign + one + two)
        sign = total >> _31
        size = np.int32((total ^ sign) - sign)
        # 24 bits remain, or bfloat16's 8; ties go away from zero
        dropped = max(np.int32(_exponent(np.float32(size).view(np.int32)) - kept), _0)
        size = np.int32(_without(size, dropped) << (dropped & _31))
        registers[n], units[n] = np.float32(np.int32((size ^ sign) - sign)).view(np.int32), np.int32(top - _23)


@compiled
def add_products(
    total: np.ndarray, rows: np.ndarray, columns: np.ndarray, phases: np.ndarray, wide: bool, rows_first: bool
) -> None:
    """Adds rows @ columns, float32 [B, M, K] and [B, K, N], to the registers `total`, float64 [B, M, N].

    `rows_first`: the rows are the product's first operand (SrcB)."""
    width = columns.shape[2]
    highest, distances = np.empty((_GROUPS, width), np.int32), np.empty(width, np.int32)
    registers, units = np.empty(width, np.int32), np.empty(width, np.int32)
    sums, skipped = np.empty((len(phases), _GROUPS, width), np.int32), np.empty(len(phases), np.bool_)
    for batch in range(len(total)):
        row_exponents, row_parts = _fields(rows[batch], phases, rows_first, 1)
        exponents, parts = _fields(columns[batch], phases, not rows_first, 0)
        signed = _any_negative(row_parts) or _any_negative(parts)
        for place in range(len(phases)):
            # without a negative number, a phase whose products are all zero leaves the register as it is
            skipped[place] = not signed and (_all_zero(row_parts, place) or _all_zero(parts, place))
        for m in range(rows.shape[1]):
            for n in range(width):
                units[n] = np.int32(_power_below(total[batch, m, n]))
                registers[n] = np.float32(total[batch, m, n] * _power(-units[n])).view(np.int32)
            for tile in range(0, len(exponents), _TILE):
                _sum_groups(row_exponents[m], row_parts[m], exponents, parts, tile, highest, distances, sums)
                for place in range(len(phases)):
                    if skipped[place]:
                        continue
                    lower = _lower(phases[place])
                    for group in range(0, _GROUPS, 2):
                        _add_to_registers(registers, units, sums[place], highest, group, lower, wide)
            for n in range(width):
                total[batch, m, n] = np.int32(registers[n]).view(np.float32) * _power(units[n])


@compiled
def _cut(value: float, significant_bits: int) -> float:
    bits = np.float32(value).view(np.int32) & np.int32(-(1 << 24 - significant_bits))
    return np.int32(bits).view(np.float32)


@compiled
def _to_bfloat16(value: float) -> float:
    """Ties away from zero; never a negative zero."""
    if np.isnan(value):
        return np.float32(value)
    bits = np.int32(np.float32(value).view(np.int32) + np.int32(0x8000)) & np.int32(-0x10000)
    return np.int32(bits).view(np.float32) + np.float32(0)


@compiled
def _number(value: float) -> float:
    """To the unit infinity is the number 2 ** 128."""
    return math.copysign(2.0**128, value) if math.isinf(value) else np.float64(value)


@elementwise("float32(float32, float32, boolean)")
def add(a: float, b: float, wide: bool) -> float:
    """a + b: the smaller one is aligned to the larger one's 11 bits."""
    a, b = _number(_cut(a, 11)), _number(_cut(b, 11))
    large, small = (b, a) if abs(a) < abs(b) else (a, b)
    last_bit = _power(max(_power_below(large) - 10, -126))
    scaled = small / last_bit
    total = np.float32(large + np.trunc(scaled + math.copysign(0.5, scaled)) * last_bit)
    if abs(total) < np.float32(SMALLEST):
        return np.float32(0)
    return total if wide else _to_bfloat16(total)


@elementwise("float32(float32, float32, int64, boolean)")
def multiply(a: float, b: float, phases: int, wide: bool) -> float:
    """a * b. Here the first operand is SrcA; each of the first `phases` is added to the register."""
    high_a, high_b = _cut(a, 5), _cut(b, 7)
    low_a, low_b = _cut(a, 10) - high_a, _cut(b, 11) - high_b
    total = high_a * high_b
    total = total + np.float32(0) if wide else _to_bfloat16(total)
    exponent = np.int32((np.float32(a).view(np.int32) >> 23 & 255) + (np.float32(b).view(np.int32) >> 23 & 255) - 127)
    for phase in range(1, phases):
        term = (low_a if phase & 1 else high_a) * (low_b if phase & 2 else high_b)
        if wide:  # 21 bits at most: exact
            total += term
            continue
        own = np.float32(total).view(np.int32) >> 23 & 255
        highest = max(own, exponent - _lower(phase))
        unit = np.int32(min(max(highest - 10, 1), 254) << 23).view(np.float32)
        scaled = total / unit
        total = np.trunc(scaled + math.copysign(np.float32(0.5), scaled)) + np.floor(term / unit + np.float32(0.5))
        total = _to_bfloat16(np.float32(total) * unit)
    return total
