# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""Activations that other operations fuse: named by a string, a `UnaryOpType` or a `UnaryWithParam`."""

from collections.abc import Callable
from typing import Any

import torch
import ttnn

from ttnn_emulator.errors import UnsupportedOperation

_FUNCTIONS: dict[str, Callable] = {
    "IDENTITY": lambda x: x,
    "RELU": torch.relu,
    "SQUARE": torch.square,
    "GELU": torch.nn.functional.gelu,
    "SILU": torch.nn.functional.silu,
}


def activate(x: torch.Tensor, activation: Any) -> torch.Tensor:
    """Apply one fused activation to a float32 tensor."""
    name, parameters = activation, ()
    if isinstance(activation, ttnn.UnaryWithParam):
        name, parameters = activation.op_type.name, tuple(activation.params)
    elif isinstance(activation, ttnn.UnaryOpType):
        name = activation.name
    function = _FUNCTIONS.get(str(name).upper())
    if function is None:
        raise UnsupportedOperation(f"the fused activation {name} is not emulated")
    return function(x, *parameters)
