# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""What a program does with the sums of a ternary product after it has rescaled them."""

from enum import IntEnum


class Epilogue(IntEnum):
    """A compile-time argument of kernels; see epilogue.h."""

    SCALE = 0  # nothing more
    RESIDUAL = 1  # the residual stream is added
    RELU2_GATED = 2  # relu(gate)^2 * up
    SILU_GATED = 3  # silu(gate) * up

    @classmethod
    def gated_by(cls, hidden_act: str) -> "Epilogue":
        """The epilogue whose gate has this activation, by its name in a model's config."""
        return {"relu2": cls.RELU2_GATED, "silu": cls.SILU_GATED}[hidden_act]

    @property
    def is_gated(self) -> bool:
        return self in (Epilogue.RELU2_GATED, Epilogue.SILU_GATED)

    @property
    def matrices(self) -> int:
        """The matrices whose results the epilogue takes: gate and up, or one."""
        return 2 if self.is_gated else 1
