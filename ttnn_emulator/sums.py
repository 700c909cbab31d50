# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""The matrix unit's sums of products, in its own order and with its own roundings.

A pass multiplies 5 significant bits of the second operand (SrcA) by 7 of the first (SrcB); four passes (fidelity
phases) cover all 11 bits of both. Of 16 terms of K, each group of 8 is aligned to its largest exponent and rounded
there; the two group sums and the destination register are aligned to the largest of the three, rounded, and added. A
tile of K takes two such steps for each phase. Facts: Tenstorrent's ISA documentation, and its simulator.
"""

import numpy as np
import torch

from ttnn_emulator.numerics import round_to_bfloat16, truncate

PHASES = {"LoFi": (0,), "HiFi2": (0, 1), "HiFi3": (0, 1, 2), "HiFi4": (0, 1, 2, 3)}
_TILE, _GROUP = 32, 8
_BITS, _HIGH_A, _HIGH_B = 11, 5, 7  # significant bits of an operand, and those that the first phase takes
_FRACTION, _BIAS = 52, 1023  # of a float64: the bits below its exponent, and the exponent of 1.0


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
    a: torch.Tensor, b: torch.Tensor, fidelity: str, wide: bool, start: torch.Tensor | None = None
) -> torch.Tensor:
    """`start + a @ b` of float32 [..., M, K] and [..., K, N] whose values have at most 11 significant bits."""
    short = -a.shape[-1] % _TILE
    a = torch.nn.functional.pad(a, (0, short))
    b = torch.nn.functional.pad(b.mT, (0, short))  # [..., N, K]
    signs_a, exponents_a, mantissas_a = _fields(a.unsqueeze(-2))
    signs_b, exponents_b, mantissas_b = _fields(b.unsqueeze(-3))
    signs = (signs_a * signs_b).unflatten(-1, (-1, _GROUP))
    exponents = (exponents_a + exponents_b).unflatten(-1, (-1, _GROUP))
    largest = exponents.amax(-1)
    align = torch.exp2((exponents - largest.unsqueeze(-1)).clamp_min(-31).float()) * signs
    phases = PHASES[fidelity]
    if not bool((signs < 0).any()):  # then a phase whose products are all zero leaves the register as it is
        phases = [p for p in phases if bool(_part_a(mantissas_b, p).any()) and bool(_part_b(mantissas_a, p).any())]
    groups, highest = [], []  # by phase: [..., K / 32, 2 steps, 2 groups], and the larger of their two exponents
    for phase in phases:
        terms = (_part_a(mantissas_b, phase) * _part_b(mantissas_a, phase)).unflatten(-1, (-1, _GROUP))
        aligned = _half_away(terms * align).sum(-1)
        exponent = largest - (5 if phase & 1 else 0) - (7 if phase & 2 else 0)
        groups.append(torch.ldexp(aligned.double(), exponent - 10).unflatten(-1, (-1, 2, 2)))
        highest.append(exponent.long().unflatten(-1, (-1, 2, 2)).amax(-1))
    # tile by tile, in each phase by phase, in each two steps; in numpy, which calls faster than torch
    steps = torch.stack(groups, -4).transpose(-4, -3).flatten(-4, -2).movedim(-2, 0).contiguous().numpy()
    exponents_of_steps = torch.stack(highest, -3).transpose(-3, -2).flatten(-3).movedim(-1, 0).contiguous().numpy()
    total = np.zeros(steps.shape[1:-1]) + (0.0 if start is None else start.double().numpy())
    for group, exponent in zip(steps, exponents_of_steps):
        total = _accumulate(total, group, exponent, wide)
    return torch.from_numpy(total).float()


def products(a: torch.Tensor, b: torch.Tensor, fidelity: str, wide: bool) -> torch.Tensor:
    """a * b of float32, one by one. Here the first operand is SrcA; each phase is added to the register."""
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


def _accumulate(total: np.ndarray, groups: np.ndarray, exponent: np.ndarray, wide: bool) -> np.ndarray:
    """The destination register after `groups` (float64 [..., groups]) are added to it; `exponent`: the largest of those
    that they were aligned at."""
    own = (total.view(np.int64) >> _FRACTION & 2047) - _BIAS  # of zero: less than any
    highest = np.maximum(np.maximum(own, exponent), -500)
    unit = (highest - 23 + _BIAS << _FRACTION).view(np.float64)
    total = _whole(total / unit)
    groups = np.floor(groups / unit[..., None] + 0.5)
    if not wide:  # all three lose 13 bits more before they are added
        total, groups = _whole(total / 8192) * 8192, np.floor(groups / 8192 + 0.5) * 8192
    result = (total + groups[..., 0] + groups[..., 1]) * unit
    dropped = 29 if wide else 45  # of float64's bits: 24 remain, or bfloat16's 8; ties go away from zero
    return (result.view(np.int64) + (1 << dropped - 1) & -(1 << dropped)).view(np.float64)


def _whole(value: np.ndarray) -> np.ndarray:
    """Rounded, ties away from zero."""
    return np.trunc(value + np.copysign(0.5, value))


def _fields(value: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Sign (0 for zero), exponent and the 11 bits of the mantissa."""
    bits = value.contiguous().view(torch.int32)
    exponent = bits >> 23 & 255
    present = exponent != 0  # what is smaller than normal is nothing
    sign = torch.where(present, torch.where(bits < 0, -1.0, 1.0), 0.0)
    return sign, torch.where(present, exponent - 127, -1000), bits >> 13 & 1023 | 1024


def _part_a(mantissa: torch.Tensor, phase: int) -> torch.Tensor:
    return (mantissa >> 1 & 31 if phase & 1 else mantissa >> 6).float()


def _part_b(mantissa: torch.Tensor, phase: int) -> torch.Tensor:
    return ((mantissa & 15) << 3 if phase & 2 else mantissa >> 4).float()


def _half_away(value: torch.Tensor) -> torch.Tensor:
    return torch.trunc(value + torch.copysign(value.new_tensor(0.5), value))
