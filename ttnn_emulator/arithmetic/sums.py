# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""Products and sums of products of the matrix unit, in its order and with its roundings.

`native/matmul.h` says step by step how the unit adds. Tenstorrent's ISA documentation and simulator show these steps.
"""

from dataclasses import dataclass

import torch

from ttnn_emulator.arithmetic.compute_config import ComputeConfig
from ttnn_emulator.arithmetic.formats import FORMATS, Format
from ttnn_emulator.arithmetic.native import broadcast, elementwise, function

_WORTH_THREADS = 1 << 20  # products of two numbers: below, a thread takes longer to start than it saves


@dataclass(frozen=True)
class Spill:
    """How a program keeps sums in memory between blocks of K: in `format`, after each `depth` of K.

    The sums go back to the register before the next block, or the packer adds the next block's sums to them in memory.
    The packer adds for `added` blocks.
    """

    depth: int
    format: Format
    added: int = 0


def sum_of_products(
    a: torch.Tensor,
    b: torch.Tensor,
    config: ComputeConfig,
    before: torch.Tensor | None = None,
    spill: Spill | None = None,
) -> torch.Tensor:
    """Return a @ b in float32, of [..., M, K] and [..., K, N] in bfloat16 or float32.

    The unit sees 11 significant bits of the operands. `before` is what the register holds at first, without `spill`.
    """
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
            *(batches, rows, depth, columns, config.phases, config.wide, threads),
            *spilled,
        )
    return total


def worth_threads(count: int) -> int:
    """Return how many threads to use for `count` products of two numbers."""
    return 1 if count < _WORTH_THREADS else torch.get_num_threads()


def products(a: torch.Tensor, b: torch.Tensor, config: ComputeConfig) -> torch.Tensor:
    """Return a * b of float32 tensors. The first operand is SrcA here. Each phase is added to the register."""
    return elementwise("fpu_multiply", a, b, config.phases, config.wide)
