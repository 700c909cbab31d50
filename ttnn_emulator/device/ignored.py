# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""This module finds fused activations that the library accepted and its program does not run.

Which program serves a call is the library's choice: `maximum(x, 1.0, input_tensor_a_activations=[ABS])` becomes a unary
program that knows nothing of the ABS. What a program runs stands in its attributes in the library's graph.
"""

import warnings

from ttnn_emulator.errors import IgnoredOption, UnsupportedOperation
from ttnn_emulator.library.programs import Program

FUSED = ("input_tensor_a_activations", "input_tensor_b_activations", "activations")
_SHOWN = "op_type=UnaryOpType::"  # one of these in a program's attributes for each activation that it fuses
_KNOWS_NONE = "UnaryDeviceOperation"  # the program of one operand and a parameter


def asks_for_fusion(kwargs: dict) -> bool:
    return bool(kwargs) and any(kwargs.get(option) for option in FUSED)


def drop_ignored(name: str, kwargs: dict, programs: list[Program]) -> None:
    """Take out of `kwargs` the activations that none of the call's programs runs, with a warning that names them."""
    if any(_SHOWN in program.attributes for program in programs):
        return
    ran = ", ".join(program.name for program in programs)
    if any(program.name != _KNOWS_NONE for program in programs):
        raise UnsupportedOperation(
            f"{name}: whether {ran} runs the fused activations is not known; apply them by themselves"
        )
    for option in FUSED:
        if kwargs.pop(option, None):
            warnings.warn(f"{name}: {option} is ignored by the program that runs, {ran}", IgnoredOption, stacklevel=4)
