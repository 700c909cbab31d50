# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""The matrix unit's products and sums of products, in its own order and with its own roundings.

`native/matmul.h` says step by step how the unit adds. Facts: Tenstorrent's ISA documentation, and its simulator.
"""

from dataclasses import dataclass

import torch

from ttnn_emulator.arithmetic.formats import FORMATS, Format
from ttnn_emulator.arithmetic.native import broadcast, elementwise, function

PHASES = {"LoFi": 1, "HiFi2": 2, "HiFi3": 3, "HiFi4": 4}
_WORTH_THREADS = 1 << 20  # products of two numbers: below, a thread takes longer to start than it saves


@dataclass(frozen=True)
class Spill:
    """A program that takes `depth` of K at a time keeps its sums in `format` in between. They go back to the register
    before a block, or the packer adds the block's own sums to them: it does so for `added` blocks."""

    depth: int
    format: Format
    added: int = 0


def sum_of_products(
    a: torch.Tensor,
    b: torch.Tensor,
    fidelity: str,
    wide: bool,
    before: torch.Tensor | None = None,
    spill: Spill | None = None,
) -> torch.Tensor:
    """a @ b in float32 of [..., M, K] and [..., K, N], bfloat16 or float32, of which the unit sees 11 significant bits.
    `before` is what the register holds at first, where nothing is spilled."""
    batch = a.shape[:-2] if b.ndim == 2 or a.shape[:-2] == b.shape[:-2] else broadcast(a.shape[:-2], b.shape[:-2])
    shape = (*batch, a.shape[-2], b.shape[-1])
    if b.shape[:-2].numel() == 1:  # one matrix for all rows
        a, b = a.reshape(1, -1, a.shape[-1]), b.reshape(1, *b.shape[-2:])
    else:
        a, b = (x.expand(*batch, *x.shape[-2:]).reshape(-1, *x.shape[-2:]) for x in (a, b))
    batches, rows, depth = a.shape
    columns = b.shape[-1]
    total = torch.zeros(shape)
    if before is not None:
        total.copy_(before)
    if total.numel():
        threads = worth_threads(a.numel() * columns)
        spilled = () if spill is None else (spill.depth, FORMATS.index(spill.format), spill.added)
        function("matmul_product_in_blocks" if spilled else "matmul_product")(
            total,
            *(a, a.dtype == torch.float32, *a.stride()),
            *(b, b.dtype == torch.float32, *b.stride()),
            *(batches, rows, depth, columns, PHASES[fidelity], wide, threads),
            *spilled,
        )
    return total


def sum_of_whole_products(a: torch.Tensor, columns: torch.Tensor) -> torch.Tensor:
    """a @ columns.mT in float32 of whole numbers, [..., K] and int8 [N, K]. These are the unit's sums where products
    are smaller than 2 ** 11 and sums not larger than 2 ** 24."""
    a = a.contiguous()
    total = torch.empty(*a.shape[:-1], columns.shape[0])
    rows = a.numel() // a.shape[-1]
    function("matmul_whole_product")(
        *(total, a, a.dtype == torch.float32, rows, a.shape[-1], columns, columns.shape[0]),
        worth_threads(rows * columns.numel()),
    )
    return total


def worth_threads(count: int) -> int:
    """How many threads `count` products of two numbers are worth."""
    return 1 if count < _WORTH_THREADS else torch.get_num_threads()


def products(a: torch.Tensor, b: torch.Tensor, fidelity: str, wide: bool) -> torch.Tensor:
    """a * b of float32, one by one. Here the first operand is SrcA; each phase is added to the register."""
    return elementwise("fpu_multiply", a, b, PHASES[fidelity], wide)
