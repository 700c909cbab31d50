# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""The matrix unit's products and sums of products, in its own order and with its own roundings.

`native/matmul.h` says step by step how the unit adds. Facts: Tenstorrent's ISA documentation, and its simulator.
"""

import torch

from ttnn_emulator.arithmetic.native import elementwise, function

PHASES = {"LoFi": 1, "HiFi2": 2, "HiFi3": 3, "HiFi4": 4}
_WORTH_THREADS = 1 << 20  # products of two numbers: below, a thread takes longer to start than it saves


def sum_of_products(
    a: torch.Tensor, b: torch.Tensor, fidelity: str, wide: bool, before: torch.Tensor | None = None
) -> torch.Tensor:
    """a @ b in float32 of [..., M, K] and [..., K, N], bfloat16 or float32, of which the unit sees 11 significant bits.
    `before` is what the register holds at first."""
    shape = (*_batch(a, b), a.shape[-2], b.shape[-1])
    if b.shape[:-2].numel() == 1:  # one matrix for all rows
        a, b = a.reshape(1, -1, a.shape[-1]), b.reshape(1, *b.shape[-2:])
    else:
        a, b = (x.expand(*_batch(a, b), *x.shape[-2:]).reshape(-1, *x.shape[-2:]) for x in (a, b))
    batches, rows, depth = a.shape
    columns = b.shape[-1]
    total = (
        torch.zeros(shape)
        if before is None
        else before.float().expand(shape).clone(memory_format=torch.contiguous_format)
    )
    if total.numel():
        threads = 1 if a.numel() * columns < _WORTH_THREADS else torch.get_num_threads()
        function("matmul_product")(
            *(total, rows * columns, columns, 1),
            *(a, a.dtype == torch.float32, *a.stride()),
            *(b, b.dtype == torch.float32, *b.stride()),
            *(batches, rows, depth, columns, PHASES[fidelity], wide, threads),
        )
    return total


def _batch(a: torch.Tensor, b: torch.Tensor) -> torch.Size:
    """The leading dimensions of a product."""
    if b.ndim == 2 or a.shape[:-2] == b.shape[:-2]:  # torch's own function is slow
        return a.shape[:-2]
    return torch.broadcast_shapes(a.shape[:-2], b.shape[:-2])


def products(a: torch.Tensor, b: torch.Tensor, fidelity: str, wide: bool) -> torch.Tensor:
    """a * b of float32, one by one. Here the first operand is SrcA; each phase is added to the register."""
    return elementwise("fpu_multiply", a, b, PHASES[fidelity], wide)
