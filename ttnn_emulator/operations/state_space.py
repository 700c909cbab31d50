# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""The operations of a state-space model (Mamba), and rotate_half. The matrix unit multiplies and adds in 16 bits."""

from typing import Any

import torch

import ttnn
from ttnn_emulator.arithmetic.compute_config import ComputeConfig
from ttnn_emulator.arithmetic.formats import round_to_bfloat16
from ttnn_emulator.arithmetic.sums import products
from ttnn_emulator.arithmetic.units import matrix_add
from ttnn_emulator.device.registry import value
from ttnn_emulator.device.step import Operand, Output
from ttnn_emulator.operations.reduction import sum_by_faces

_TILE = 32


@value("experimental.repeat_and_interleave_eltwise_mul")
def repeat_and_interleave_eltwise_mul(
    a: torch.Tensor,
    b: torch.Tensor,
    *,
    dtype: ttnn.DataType | None = None,
    math_fidelity: Any = None,
    outputs: list[Output],
) -> torch.Tensor:
    """Multiply `a`, repeated where it is one tile wide, by `b`, whose columns are each repeated where it is narrow."""
    width = outputs[0].shape[-1]
    repeated = a.repeat(1, 1, 1, width // a.shape[-1])
    interleaved = b.repeat_interleave(width // b.shape[-1], -1)
    return products(repeated.float(), interleaved.float(), _compute(math_fidelity))


@value("experimental.prefix_scan", operands=True)
def prefix_scan(
    a: Operand,
    bx: Operand,
    h_prev: Operand,
    *,
    dtype: ttnn.DataType | None = None,
    math_fidelity: Any = None,
) -> torch.Tensor:
    """Return each row of h = a h + bx, where the h of the first row is `h_prev`, which becomes the last row."""
    compute, state = _compute(math_fidelity), h_prev.value[0, 0, 0].float()
    rows = []
    for gate, step in zip(a.value[0, 0].float(), bx.value[0, 0].float()):
        kept = round_to_bfloat16(products(gate, state, compute)).float()
        state = round_to_bfloat16(matrix_add(kept, step, False)).float()
        rows.append(state)
    h_prev.own()[...] = h_prev.round(state)
    return torch.stack(rows)[None, None]


@value("experimental.hc_sum_reduce")
def hc_sum_reduce(
    input: torch.Tensor, *, dtype: ttnn.DataType | None = None, math_fidelity: Any = None
) -> torch.Tensor:
    """Sum the columns of each tile."""
    tiles = input.unflatten(-1, (-1, _TILE)).mT
    return sum_by_faces(torch.ones(1, _TILE), tiles, _compute(math_fidelity)).squeeze(-2)


def _compute(fidelity: Any) -> ComputeConfig:
    return ComputeConfig("HiFi4" if fidelity is None else fidelity.name, wide=False)


@value("experimental.rotate_half")
def rotate_half(input: torch.Tensor) -> torch.Tensor:
    """Return the second half of the columns, negated, and then the first."""
    first, second = input.chunk(2, -1)
    return torch.cat([0.0 - second, first], -1)
