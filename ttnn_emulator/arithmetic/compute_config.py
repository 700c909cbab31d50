# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""The compute configuration of a program: what a `compute_kernel_config` says about values."""

from dataclasses import dataclass

PHASES = {"LoFi": 1, "HiFi2": 2, "HiFi3": 3, "HiFi4": 4}  # passes of the matrix unit over its operands' bits


@dataclass(frozen=True)
class ComputeConfig:
    """How the units compute.

    `fidelity` is the name of the math fidelity. `wide` says that the destination register, and so a sum, holds float32
    and not bfloat16. `approximate` asks for fast functions of the vector unit (`math_approx_mode`).
    """

    fidelity: str
    wide: bool
    approximate: bool = False

    @property
    def phases(self) -> int:
        """The passes of the matrix unit."""
        return PHASES[self.fidelity]
