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

from ttnn_emulator.arithmetic.formats import round_to_bfloat16, truncate

PHASES = {"LoFi": (0,), "HiFi2": (0, 1), "HiFi3": (0, 1, 2), "HiFi4": (0, 1, 2, 3)}
_BITS, _HIGH_A, _HIGH_B = 11, 5, 7  # significant bits of an operand, and those that the first phase takes
_LARGEST_IN_ORDER = 1 << 20  # weights of a matrix
_WORTH_THREADS = 1 << 22  # products of two numbers


def is_summed_in_order(depth: int, columns: int) -> bool:
    """Whether a product with a matrix of this shape is computed step by step, which takes about half a nanosecond for
    each product of two numbers and phase. It does not go by the rows, so that one gets the same sums in any company."""
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
    shape = (*_batch(a, b), a.shape[-2], b.shape[-1])
    if b.shape[:-2].numel() == 1:  # one matrix for all rows
        a, b = a.reshape(1, -1, a.shape[-1]), b.reshape(1, *b.shape[-2:])
    else:
        a, b = (x.expand(*_batch(a, b), *x.shape[-2:]).reshape(-1, *x.shape[-2:]) for x in (a, b))
    total = torch.zeros(len(a), a.shape[1], b.shape[2], dtype=torch.float64)
    if before is not None:
        total.copy_(before.reshape(total.shape))
    tall = a.shape[1] > b.shape[2]
    total, rows, columns = (part.contiguous() for part in ((total.mT, b.mT, a.mT) if tall else (total, a, b)))
    _add_products(total, rows, columns, np.array(PHASES[fidelity]), wide, not tall)
    return (total.mT if tall else total).reshape(shape).float()


def _batch(a: torch.Tensor, b: torch.Tensor) -> torch.Size:
    """Of their product."""
    if b.ndim == 2 or a.shape[:-2] == b.shape[:-2]:  # torch's own function is slow
        return a.shape[:-2]
    return torch.broadcast_shapes(a.shape[:-2], b.shape[:-2])


def _add_products(registers: torch.Tensor, rows: torch.Tensor, columns: torch.Tensor, *settings) -> None:
    """Large ones in as many threads as torch uses: each takes some of the batch or, where that is one, of the rows."""
    from ttnn_emulator.arithmetic.matrix_unit import add_products  # here, because numba takes half a second to come

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
    from ttnn_emulator.arithmetic.matrix_unit import multiply  # here, because numba takes half a second to come

    return multiply(a, b, len(PHASES[fidelity]), wide)
