# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""The losses l1_loss and mse_loss: a subtraction with an activation, and the sum or mean of all its values."""

from typing import Any

import torch

import ttnn
from ttnn_emulator.device.data_types import round_to
from ttnn_emulator.device.registry import VALUES, value
from ttnn_emulator.device.step import Operand, Output


def _register(name: str, activation: ttnn.UnaryOpType) -> None:
    @value(name, operands=True)
    def loss(
        input_reference: Operand,
        input_prediction: Operand,
        *,
        reduction: Any = ttnn.LossReductionMode.NONE,
        outputs: list[Output],
    ) -> torch.Tensor:
        reference, prediction = input_reference.value, input_prediction.value
        apart = Output(reference.shape, input_reference.dtype)
        lost = VALUES["ttnn.subtract"].function(reference, prediction, activations=[activation], outputs=[apart])
        if reduction == ttnn.LossReductionMode.NONE:
            return lost
        reduce = VALUES["ttnn.sum" if reduction == ttnn.LossReductionMode.SUM else "ttnn.mean"].function
        return reduce(round_to(lost, input_reference.dtype), outputs=outputs)


_register("l1_loss", ttnn.UnaryOpType.ABS)
_register("mse_loss", ttnn.UnaryOpType.SQUARE)
