# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""Mixtures of experts on one chip: routing weights, products of the chosen experts only, and their sums."""

import math
from dataclasses import replace
from typing import Any

import torch

import ttnn
from ttnn_emulator.device.registry import value
from ttnn_emulator.device.step import Operand, Output
from ttnn_emulator.operations.flash import pack
from ttnn_emulator.operations.matmul import multiply, product_config
from ttnn_emulator.operations.reduction import add_in_turn
from ttnn_emulator.operations.support import compute_config, loaded


@value("moe")
def moe(
    input_tensor: torch.Tensor, expert_mask_tensor: torch.Tensor, topk_mask_tensor: torch.Tensor, k: int = 32
) -> torch.Tensor:
    """Return the weight of expert 0 among the k best experts of each token."""
    scores, experts = torch.topk(input_tensor.float() + expert_mask_tensor.float(), k, dim=-1)
    weights = torch.softmax(scores + topk_mask_tensor.float(), dim=-1)
    return (weights * (experts == 0)).sum(-1, keepdim=True)


@value("sparse_matmul", operands=True)
def sparse_matmul(
    input_tensor_a: Operand,
    input_tensor_b: Operand,
    *,
    sparsity: Operand,
    nnz: int | None = None,
    is_input_a_sparse: bool = False,
    is_input_b_sparse: bool = True,
    indices: Operand | None = None,
    bias: Operand | None = None,
    dtype: ttnn.DataType | None = None,
    program_config: Any = None,
    compute_kernel_config: Any = None,
    outputs: list[Output],
) -> torch.Tensor:
    """Multiply blocks [M, K] of a by experts [K, N] of b, with zeros in place of the products where `sparsity` is zero.

    Each block is multiplied by each expert, or, where a is sparse, by its own expert. `indices` selects experts and
    their order. A result [1, nnz, M, N] has only the products that are not masked.
    """
    compute = product_config(compute_kernel_config, outputs[0].dtype, input_tensor_a.dtype, input_tensor_b.dtype)
    a = replace(input_tensor_a, value=input_tensor_a.value.flatten(0, -3))
    b = replace(input_tensor_b, value=input_tensor_b.value.flatten(0, -3))
    experts = range(len(b.value)) if indices is None else indices.value.flatten().long().tolist()
    blocks = len(a.value) // len(experts) if is_input_a_sparse else len(a.value)
    wanted = torch.ones(blocks, len(experts), dtype=torch.bool)
    if indices is None:
        wanted = (sparsity.value != 0).reshape(wanted.shape)
    result = torch.zeros(*wanted.shape, a.value.shape[-2], b.value.shape[-1])
    for place, expert in enumerate(experts):
        chosen = wanted[:, place].nonzero().flatten()
        if len(chosen):
            rows = a.value[chosen * len(experts) + place if is_input_a_sparse else chosen]
            product = multiply(replace(a, value=rows), b.piece(expert), False, False, compute)
            result[chosen, place] = product if bias is None else product + bias.value[expert].float()[:1]
    if math.prod(outputs[0].shape) != result.numel():
        result = result[wanted]
    return result.reshape(outputs[0].shape)


@value("experimental.fast_reduce_nc")
def fast_reduce_nc(
    input: torch.Tensor, *, dims: Any = (), compute_kernel_config: Any = None, outputs: list[Output]
) -> torch.Tensor:
    """Sum over the leading dimensions `dims`, one after the other, the last first."""
    wide, result = compute_config(compute_kernel_config).wide, input
    for dim in sorted((dim % input.ndim for dim in dims), reverse=True):
        result = add_in_turn(loaded(result, wide), dim, wide)
        result = result if input.dtype == torch.float32 else pack(result)
    return result.reshape(outputs[0].shape)


@value("experimental.deepseek_moe_fast_reduce_nc")
def deepseek_moe_fast_reduce_nc(
    input_tensor: torch.Tensor, dim: int, *, split_size: int, compute_kernel_config: Any = None
) -> list[torch.Tensor]:
    """Sum over one dimension, and split the result along the last."""
    wide = compute_config(compute_kernel_config, wide=True).wide
    return list(add_in_turn(loaded(input_tensor, wide), dim, wide).split(split_size, -1))
