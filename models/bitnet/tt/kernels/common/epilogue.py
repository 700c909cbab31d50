# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""What a program does with the sums of a ternary product after it has rescaled them."""

from enum import IntEnum


class Epilogue(IntEnum):
    """A compile-time argument of kernels; see epilogue.h."""

    SCALE = 0  # nothing more
    RESIDUAL = 1  # the residual stream is added
    GATED = 2  # relu(gate)^2 * up
