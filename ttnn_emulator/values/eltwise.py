# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""Elementwise operations."""

import torch

from ttnn_emulator.registry import value
from ttnn_emulator.values.activations import activate


@value("add", "add_")
def add(
    input_tensor_a,
    input_tensor_b,
    *,
    activations=(),
    input_tensor_a_activations=(),
    input_tensor_b_activations=(),
    dtype=None,
):
    total = torch.as_tensor(input_tensor_a).float() + (
        input_tensor_b.float() if isinstance(input_tensor_b, torch.Tensor) else input_tensor_b
    )
    for activation in activations:
        total = activate(total, activation)
    return total
