# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""What a program does with the sums of a ternary product after it has rescaled them."""

from enum import Enum


class Epilogue(Enum):
    """A kernel is compiled with the define `EPILOGUE_` and the name; see epilogue.h."""

    SCALE = "SCALE"  # nothing more
    RESIDUAL = "RESIDUAL"  # the residual stream is added
    GATED = "GATED"  # relu(gate)^2 * up
