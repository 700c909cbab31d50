# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""The constants of int8 codes: code = round(x / peak * 127). The peak is the row's largest magnitude, at least 1e-5."""

from models.bitnet.tt.kernels.common.describe import bits
from models.bitnet.tt.layout import TILE

LARGEST_CODE = 127.0
SMALLEST_PEAK = 1e-5  # so that a row of zeros has a scale too


def constants(inner: int) -> dict[str, int]:
    """The named compile-time arguments of quantise.h, for rows of `inner` tiles."""
    return {
        "inverse_width": bits(1 / (inner * TILE)),
        "smallest_peak": bits(SMALLEST_PEAK),
        "inverse_code": bits(1 / LARGEST_CODE),
    }
