# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""The scaled sum of a matrix and a matrix product."""

from typing import Any

import torch

import ttnn
from ttnn_emulator.device.data_types import round_to
from ttnn_emulator.device.registry import value
from ttnn_emulator.device.step import Operand, Output
from ttnn_emulator.operations.matmul import linear


@value("addmm", operands=True)
def addmm(
    input_tensor: Operand,
    mat1_tensor: Operand,
    mat2_tensor: Operand,
    *,
    alpha: float = 1.0,
    beta: float = 1.0,
    dtype: ttnn.DataType | None = None,
    program_config: Any = None,
    compute_kernel_config: Any = None,
    core_grid: Any = None,
    outputs: list[Output],
) -> torch.Tensor:
    """Return beta * input + alpha * (mat1 @ mat2). Each step is a program, and rounds to the dtype of the result."""
    result = linear(
        mat1_tensor,
        mat2_tensor,
        program_config=program_config,
        compute_kernel_config=compute_kernel_config,
        core_grid=core_grid,
        outputs=outputs,
    )
    if alpha != 1.0:
        result = alpha * round_to(result, outputs[0].dtype).float()
    if beta == 0.0:
        return result
    addend = input_tensor.value.float()
    if beta != 1.0:
        addend = round_to(beta * addend, input_tensor.dtype).float()
    return round_to(result, outputs[0].dtype).float() + addend
