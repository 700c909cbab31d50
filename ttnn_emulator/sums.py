# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""The matrix unit's sums of products, in its own order and with its own roundings.

A pass multiplies 5 significant bits of the second operand (SrcA) by 7 of the first (SrcB); four passes (fidelity
phases) cover all 11 bits of both. Of 16 terms of K, each group of 8 is aligned to its largest exponent and rounded
there; the two group sums and the destination register are aligned to the largest of the three, rounded, and added. A
tile of K takes two such steps for each phase. Facts: Tenstorrent's ISA documentation, and its simulator.
"""

import math

import numpy as np
import torch

from ttnn_emulator.numerics import round_to_bfloat16, truncate

PHASES = {"LoFi": (0,), "HiFi2": (0, 1), "HiFi3": (0, 1, 2), "HiFi4": (0, 1, 2, 3)}
_TILE, _GROUP = 32, 8
_BITS, _HIGH_A, _HIGH_B = 11, 5, 7  # significant bits of an operand, and those that the first phase takes
_FRACTION, _BIAS = 52, 1023  # of a float64: the bits below its exponent, and the exponent of 1.0
_SINGLE_BIAS = np.int32(127)  # of a float32
_SMALLEST = -500  # exponent that the register is aligned at
_ONES = np.ones(_GROUP, np.float32)
_FEW = 8  # sums: quicker one by one than in arrays


def is_summed_in_order(depth: int, columns: int, rows: int) -> bool:
    """Whether a product of this shape is computed step by step, which takes some 30 ns for each of its products of two
    numbers and phase. It goes by the second operand first, so that a row gets the same sums in any company."""
    return depth * columns <= 1 << 14 and depth * columns * rows <= 1 << 22


def product(a: torch.Tensor, b: torch.Tensor, fidelity: str, wide: bool) -> torch.Tensor:
    """a @ b of float32 [..., M, K] and [..., K, N] inside a kernel: as the machine does it if that is quick, else
    from the bits of the operands that it sees, with sums in float32 that are rounded once."""
    if a.shape[-1] <= 64 and a.shape[-1] * b.shape[-1] <= 1 << 10:
        return sum_of_products(truncate(a, _BITS), truncate(b, _BITS), fidelity, wide)
    a = truncate(a, _HIGH_B if fidelity in ("LoFi", "HiFi2") else _BITS)
    total = a @ truncate(b, _HIGH_A if fidelity == "LoFi" else _BITS)
    return total if wide else round_to_bfloat16(total).float()


def sum_of_products(
    a: torch.Tensor, b: torch.Tensor, fidelity: str, wide: bool, before: torch.Tensor | None = None
) -> torch.Tensor:
    """a @ b of float32 [..., M, K] and [..., K, N] whose values have at most 11 significant bits; `before`: what the
    register holds at first."""
    # in numpy, which calls faster than torch: most of these tensors are small
    signs_a, exponents_a, mantissas_a = _fields(a.unsqueeze(-2))
    signs_b, exponents_b, mantissas_b = _fields(b.mT.unsqueeze(-3))
    signs = signs_a * signs_b
    exponents = exponents_a + exponents_b
    largest = _largest(_largest(_largest(exponents)))
    distance = largest[..., None] - exponents.reshape(*largest.shape, _GROUP)
    align = (_SINGLE_BIAS - np.minimum(distance, 31) << 23).view(np.float32).reshape(signs.shape) * signs
    phases = PHASES[fidelity]
    if not (signs < 0).any():  # then a phase whose products are all zero leaves the register as it is
        bits_a, bits_b = np.bitwise_or.reduce(mantissas_a, axis=None), np.bitwise_or.reduce(mantissas_b, axis=None)
        phases = [phase for phase in phases if _part_a(bits_b, phase) and _part_b(bits_a, phase)]
    # [K / 32, phases, 2 steps, ..., M, N] and, of the sums, 2 groups: the order in which they reach the register
    shape = largest.shape[-1] // 4, len(phases), 2, *largest.shape[:-1]
    sums, highest = np.empty((*shape, 2)), np.empty(shape, np.int64)
    for place, phase in enumerate(phases):
        terms = _part_a(mantissas_b, phase).astype(np.float32) * _part_b(mantissas_a, phase).astype(np.float32) * align
        terms += np.copysign(np.float32(0.5), terms)
        aligned = np.trunc(terms, out=terms).reshape(*largest.shape, _GROUP) @ _ONES
        exponent = largest - (5 if phase & 1 else 0) - (7 if phase & 2 else 0)
        groups = np.ldexp(aligned.astype(np.float64), exponent - 10)
        steps = groups.reshape(*groups.shape[:-1], -1, 2, 2)
        sums[:, place] = np.moveaxis(steps, (-3, -2), (0, 1))
        highest[:, place] = np.moveaxis(_largest(exponent).reshape(*steps.shape[:-1]), (-2, -1), (0, 1))
    np.maximum(highest, _SMALLEST, out=highest)
    total = np.zeros(shape[3:]) if before is None else before.double().numpy()
    if total.size <= _FEW and before is None:
        columns = sums.reshape(-1, total.size, 2).swapaxes(0, 1), highest.reshape(-1, total.size).T
        total.flat = [_register(*column, wide) for column in zip(*(part.tolist() for part in columns))]
    else:
        for groups, exponent in zip(sums.reshape(-1, *sums.shape[3:]), highest.reshape(-1, *highest.shape[3:])):
            total = _accumulate(total, groups, exponent, wide)
    return torch.from_numpy(total).float()


def products(a: torch.Tensor, b: torch.Tensor, fidelity: str, wide: bool) -> torch.Tensor:
    """a * b of float32, one by one. Here the first operand is SrcA; each phase is added to the register."""
    if wide and fidelity == "HiFi4":  # what the phases add up to, if no part of it is too large or too small
        whole = truncate(a, 2 * _HIGH_A) * truncate(b, _BITS)
        smallest, largest = torch.aminmax(whole.abs())
        if 2.0**-100 <= smallest and largest < torch.inf:
            return whole
    high_a, high_b = truncate(a, _HIGH_A), truncate(b, _HIGH_B)
    low_a, low_b = truncate(a, 2 * _HIGH_A) - high_a, truncate(b, _BITS) - high_b
    parts = [(high_a, high_b), (low_a, high_b), (high_a, low_b), (low_a, low_b)]
    terms = [parts[phase][0] * parts[phase][1] for phase in PHASES[fidelity]]
    if wide:
        return torch.stack(terms).sum(0) + 0  # 21 bits at most: exact
    total = round_to_bfloat16(terms[0]).float()
    exponent = (a.view(torch.int32) >> 23 & 255) + (b.view(torch.int32) >> 23 & 255) - 127
    for phase, term in zip(PHASES[fidelity][1:], terms[1:]):
        own = total.view(torch.int32) >> 23 & 255
        highest = torch.maximum(own, exponent - (5 if phase & 1 else 0) - (7 if phase & 2 else 0))
        unit = ((highest - 10).clamp(1, 254) << 23).view(torch.float32)
        total = _half_away(total / unit) + torch.floor(term / unit + 0.5)
        total = round_to_bfloat16(total * unit).float()
    return total


def _register(groups: list[list[float]], exponents: list[int], wide: bool) -> float:
    """What `_accumulate` makes of all steps of one sum."""
    total, bits = 0.0, 24 if wide else 8
    for (first, second), exponent in zip(groups, exponents):
        own = math.frexp(total)[1] - 1 if total else exponent
        unit = math.ldexp(1.0, max(own, exponent) - 23)
        total, first, second = _integer(total / unit), math.floor(first / unit + 0.5), math.floor(second / unit + 0.5)
        if not wide:
            unit *= 8192
            total = _integer(total / 8192)
            first, second = math.floor(first / 8192 + 0.5), math.floor(second / 8192 + 0.5)
        mantissa, power = math.frexp((total + first + second) * unit)
        total = math.ldexp(_integer(math.ldexp(mantissa, bits)), power - bits)
    return total


def _integer(value: float) -> int:
    """Rounded, ties away from zero."""
    return math.trunc(value + math.copysign(0.5, value))


def _accumulate(total: np.ndarray, groups: np.ndarray, exponent: np.ndarray, wide: bool) -> np.ndarray:
    """The destination register after `groups` (float64 [..., groups]) are added to it; `exponent`: the largest of those
    that they were aligned at."""
    own = (total.view(np.int64) >> _FRACTION & 2047) - _BIAS  # of zero: less than any
    unit = (np.maximum(own, exponent) + (_BIAS - 23) << _FRACTION).view(np.float64)
    total = _whole(total / unit)
    groups = groups / unit[..., None]
    groups += 0.5
    np.floor(groups, out=groups)
    if not wide:  # all three lose 13 bits more before they are added
        total, groups = _whole(total / 8192) * 8192, np.floor(groups / 8192 + 0.5) * 8192
    total += groups[..., 0]
    total += groups[..., 1]
    total *= unit
    bits = total.view(np.int64)
    dropped = 29 if wide else 45  # of float64's bits: 24 remain, or bfloat16's 8; ties go away from zero
    bits += 1 << dropped - 1
    bits &= -(1 << dropped)
    return total


def _whole(value: np.ndarray) -> np.ndarray:
    """Rounded, ties away from zero."""
    return np.trunc(value + np.copysign(0.5, value))


def _largest(exponents: np.ndarray) -> np.ndarray:
    """Of each two neighbours."""
    return np.maximum(exponents[..., ::2], exponents[..., 1::2])


def _fields(value: torch.Tensor) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Sign (0 for zero), exponent and the 11 bits of the mantissa, the last dimension in whole tiles."""
    short = -value.shape[-1] % _TILE
    bits = torch.nn.functional.pad(value, (0, short)).contiguous().numpy().view(np.int32)
    exponent = bits >> 23 & 255
    present = exponent != 0  # what is smaller than normal is nothing
    sign = np.where(present, np.where(bits < 0, np.float32(-1), np.float32(1)), np.float32(0))
    return sign, np.where(present, exponent - 127, -1000), bits >> 13 & 1023 | 1024


def _part_a(mantissa: np.ndarray, phase: int) -> np.ndarray:
    return mantissa >> 1 & 31 if phase & 1 else mantissa >> 6


def _part_b(mantissa: np.ndarray, phase: int) -> np.ndarray:
    return (mantissa & 15) << 3 if phase & 2 else mantissa >> 4


def _half_away(value: torch.Tensor) -> torch.Tensor:
    return torch.trunc(value + torch.copysign(value.new_tensor(0.5), value))
