# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""Matrix products fused with the collective before or after them."""

from dataclasses import replace
from typing import Any

import torch

import ttnn
from ttnn_emulator.device.registry import value
from ttnn_emulator.device.step import Operand, Output
from ttnn_emulator.operations.ccl import all_gather, reduce_scatter
from ttnn_emulator.operations.matmul import linear


@value("experimental.minimal_matmul", operands=True)
def minimal_matmul(
    input_tensor: Operand,
    weight_tensor: Operand,
    *,
    bias_tensor: Operand | None = None,
    fused_activation: Any = None,
    dtype: ttnn.DataType | None = None,
    compute_kernel_config: Any = None,
    outputs: list[Output],
) -> torch.Tensor:
    return linear(
        input_tensor,
        weight_tensor,
        bias=bias_tensor,
        activation=fused_activation,
        compute_kernel_config=compute_kernel_config,
        outputs=outputs,
    )


@value("experimental.all_gather_matmul_async", mesh=True, operands=True)
def all_gather_matmul_async(
    input_tensor: list[Operand],
    weight_tensor: list[Operand],
    persistent_output_buffer: list[Operand] | None = None,
    dim: int = 3,
    multi_device_global_semaphore: Any = None,
    all_gather_core_grid_offset: Any = None,
    *,
    bias: list[Operand] | None = None,
    transpose_a: bool = False,
    transpose_b: bool = False,
    dtype: ttnn.DataType | None = None,
    program_config: Any = None,
    activation: str | None = None,
    compute_kernel_config: Any = None,
    core_grid: Any = None,
    mesh_shape: tuple[int, int],
    outputs: list[Output],
) -> tuple[list[torch.Tensor], list[torch.Tensor]]:
    """Return the gathered tensor, and its product with each chip's own weight."""
    gathered = all_gather([operand.value for operand in input_tensor], dim, mesh_shape=mesh_shape)
    options = {"transpose_a": transpose_a, "transpose_b": transpose_b, "program_config": program_config}
    options |= {"activation": activation, "compute_kernel_config": compute_kernel_config, "core_grid": core_grid}
    return gathered, _products(_with(input_tensor, gathered), weight_tensor, bias, outputs[1], options)


@value("experimental.strided_all_gather_minimal_matmul_async", mesh=True, operands=True)
def strided_all_gather_minimal_matmul_async(
    input_tensor: list[Operand],
    weight_tensor: list[Operand],
    persistent_output_buffer: list[Operand] | None,
    dim: int,
    multi_device_global_semaphore: Any = None,
    strided_all_gather_core_grid_offset: Any = None,
    *,
    cluster_axis: int | None = None,
    bias: list[Operand] | None = None,
    fused_activation: Any = None,
    compute_kernel_config: Any = None,
    mesh_shape: tuple[int, int],
    outputs: list[Output],
) -> tuple[list[torch.Tensor], list[torch.Tensor]]:
    values = [operand.value for operand in input_tensor]
    gathered = all_gather(values, dim, cluster_axis=cluster_axis, mesh_shape=mesh_shape)
    options = {"activation": fused_activation, "compute_kernel_config": compute_kernel_config}
    return gathered, _products(_with(input_tensor, gathered), weight_tensor, bias, outputs[1], options)


@value("experimental.matmul_reduce_scatter_async", mesh=True, operands=True)
def matmul_reduce_scatter_async(
    input_tensor: list[Operand],
    weight_tensor: list[Operand],
    persistent_intermediate_buffer: list[Operand],
    persistent_output_buffer: list[Operand],
    dim: int,
    multi_device_global_semaphore: Any = None,
    reduce_scatter_core_grid_offset: Any = None,
    *,
    bias: list[Operand] | None = None,
    transpose_a: bool = False,
    transpose_b: bool = False,
    dtype: ttnn.DataType | None = None,
    program_config: Any = None,
    activation: str | None = None,
    compute_kernel_config: Any = None,
    core_grid: Any = None,
    mesh_shape: tuple[int, int],
    outputs: list[Output],
) -> tuple[list[torch.Tensor], list[torch.Tensor]]:
    """Return each chip's product, and the sum of all products, split over the chips."""
    options = {"transpose_a": transpose_a, "transpose_b": transpose_b, "program_config": program_config}
    options |= {"activation": activation, "compute_kernel_config": compute_kernel_config, "core_grid": core_grid}
    products = _products(input_tensor, weight_tensor, bias, outputs[0], options)
    rounded = [operand.round(product) for operand, product in zip(input_tensor, products)]
    return products, reduce_scatter(rounded, dim, mesh_shape=mesh_shape)


def _with(operands: list[Operand], values: list[torch.Tensor]) -> list[Operand]:
    return [replace(operand, value=one) for operand, one in zip(operands, values)]


def _products(
    rows: list[Operand], weights: list[Operand], bias: list[Operand] | None, output: Output, options: dict[str, Any]
) -> list[torch.Tensor]:
    """Return the product of each chip."""
    biases = bias or [None] * len(rows)
    return [
        linear(row, weight, bias=added, outputs=[output], **options)
        for row, weight, added in zip(rows, weights, biases)
    ]
