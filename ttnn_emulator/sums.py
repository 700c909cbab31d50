# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""The matrix unit's sums of products, in its own order and with its own roundings.

A pass multiplies 5 significant bits of the second operand (SrcA) by 7 of the first (SrcB); four passes (fidelity
phases) cover all 11 bits of both. Of 16 terms of K, each group of 8 is aligned to its largest exponent and rounded
there; the two group sums and the destination register are aligned to the largest of the three, rounded, and added. A
tile of K takes two such steps for each phase. Facts: Tenstorrent's ISA documentation, and its simulator.
"""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import torch

from ttnn_emulator.numerics import round_to_bfloat16, truncate

PHASES = {"LoFi": (0,), "HiFi2": (0, 1), "HiFi3": (0, 1, 2), "HiFi4": (0, 1, 2, 3)}
_BITS, _HIGH_A, _HIGH_B = 11, 5, 7  # significant bits of an operand, and those that the first phase takes
_LARGEST_IN_ORDER = 1 << 20  # weights of a matrix
_WORTH_THREADS = 1 << 22  # products of two numbers


def is_summed_in_order(depth: int, columns: int) -> bool:
    """Whether a product with a matrix of this shape is computed step by step, which takes about a nanosecond for each
    product of two numbers and phase. It does not go by the rows, so that one gets the same sums in any company."""
    return depth * columns <= _LARGEST_IN_ORDER


def product(a: torch.Tensor, b: torch.Tensor, fidelity: str, wide: bool) -> torch.Tensor:
    """a @ b of float32 [..., M, K] and [..., K, N] inside a kernel: as the machine does it if that is quick, else
    from the bits of the operands that it sees, with sums in float32 that are rounded once."""
    if is_summed_in_order(*b.shape[-2:]):
        return sum_of_products(truncate(a, _BITS), truncate(b, _BITS), fidelity, wide)
    a = truncate(a, _HIGH_B if fidelity in ("LoFi", "HiFi2") else _BITS)
    total = a @ truncate(b, _HIGH_A if fidelity == "LoFi" else _BITS)
    return total if wide else round_to_bfloat16(total).float()


def sum_of_products(
    a: torch.Tensor, b: torch.Tensor, fidelity: str, wide: bool, before: torch.Tensor | None = None
) -> torch.Tensor:
    """a @ b of float32 [..., M, K] and [..., K, N] whose values have at most 11 significant bits; `before`: what the
    register holds at first."""
    shape = (*torch.broadcast_shapes(a.shape[:-2], b.shape[:-2]), a.shape[-2], b.shape[-1])
    if b.shape[:-2].numel() == 1:  # one matrix for all rows
        a, b = a.reshape(1, -1, a.shape[-1]), b.reshape(1, *b.shape[-2:])
    batch = torch.broadcast_shapes(a.shape[:-2], b.shape[:-2])
    total = torch.zeros(*batch, a.shape[-2], b.shape[-1], dtype=torch.float64)
    if before is not None:
        total.copy_(before.reshape(total.shape))
    tall = a.shape[-2] > b.shape[-1]
    registers, rows, columns = (total.mT, b.mT, a.mT) if tall else (total, a, b)
    registers, rows, columns = (
        part.expand(*batch, *part.shape[-2:]).reshape(-1, *part.shape[-2:]).contiguous()
        for part in (registers, rows, columns)
    )
    _add_products(registers, rows, columns, np.array(PHASES[fidelity]), wide, not tall)
    registers = registers.mT if tall else registers
    return registers.reshape(shape).float()


def _add_products(registers: torch.Tensor, rows: torch.Tensor, columns: torch.Tensor, *settings) -> None:
    """Large ones in as many threads as torch uses: each takes some of the batch or, where that is one, of the rows."""
    from ttnn_emulator.matrix_unit import add_products  # here, because numba takes half a second to come

    threads = torch.get_num_threads()
    if threads == 1 or rows.numel() * columns.shape[-1] < _WORTH_THREADS:
        add_products(registers.numpy(), rows.numpy(), columns.numpy(), *settings)
        return
    batched = len(registers) > 1
    shares = [part.tensor_split(threads, 0 if batched else 1) for part in (registers, rows)]
    shares.append(columns.tensor_split(threads) if batched else [columns] * threads)
    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(lambda *part: add_products(*(tensor.numpy() for tensor in part), *settings), *shares))


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


def _half_away(value: torch.Tensor) -> torch.Tensor:
    return torch.trunc(value + torch.copysign(value.new_tensor(0.5), value))
