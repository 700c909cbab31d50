# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""Matrix products of attention in decode, in which each user has a matrix: attn_matmul and its like.

A row of the first operand is one user's. Products are packed as bfloat16 before they are gathered to tiles.
"""

from dataclasses import replace
from typing import Any

import torch

import ttnn
from ttnn_emulator.arithmetic.formats import round_to_bfloat16
from ttnn_emulator.device.registry import value
from ttnn_emulator.device.step import Operand
from ttnn_emulator.library.programs import Program
from ttnn_emulator.operations.matmul import multiply
from ttnn_emulator.operations.support import config_of


@value("experimental.attn_matmul", "experimental.group_attn_matmul", operands=True)
def attn_matmul(
    input_tensor_a: Operand,
    input_tensor_b: Operand,
    *,
    compute_with_storage_grid_size: Any = None,
    dtype: ttnn.DataType | None = None,
    compute_kernel_config: Any = None,  # the attributes of the program have it
    programs: list[Program],
) -> torch.Tensor:
    """Multiply [1, heads, users, K] by [users, kv heads, K, N]. A group of heads shares a kv head's matrix."""
    return _multiply(input_tensor_a, input_tensor_b, programs)


@value("experimental.attn_matmul_from_cache", operands=True)
def attn_matmul_from_cache(
    input_tensor_a: Operand,
    input_tensor_b: Operand,
    *,
    num_tokens: int,
    transpose_hw: bool,
    compute_with_storage_grid_size: Any = None,
    dtype: ttnn.DataType | None = None,
    compute_kernel_config: Any = None,
    programs: list[Program],
) -> torch.Tensor:
    """Multiply by the first tokens of a cache [users, kv heads, positions, D], transposed or not."""
    held = input_tensor_b.value[:, :, :num_tokens]
    return _multiply(input_tensor_a, replace(input_tensor_b, value=held.mT if transpose_hw else held), programs)


def _multiply(first: Operand, second: Operand, programs: list[Program]) -> torch.Tensor:
    rows = first.value[0].unflatten(0, (second.value.shape[1], -1)).permute(2, 0, 1, 3)  # [users, kv heads, group, K]
    compute = config_of(next(program for program in programs if "AttnMatmul" in program.name))
    product = multiply(replace(first, value=rows), second, False, False, compute)
    wide = compute.wide and first.dtype == ttnn.float32
    product = product if wide else round_to_bfloat16(product)
    return product.permute(1, 2, 0, 3).flatten(0, 1).unsqueeze(0)
