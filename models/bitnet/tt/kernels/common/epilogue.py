# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""What becomes of the sums of a ternary product, once they are rescaled."""

from enum import Enum


class Epilogue(Enum):
    """The names are those that the kernels are compiled with."""

    SCALE = "SCALE"  # nothing more
    RESIDUAL = "RESIDUAL"  # the residual stream is added
    GATED = "GATED"  # relu(gate)^2 * up
