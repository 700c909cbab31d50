# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""The constants of int8 codes: code = round(x / peak * 127). The peak is the row's largest magnitude, at least 1e-5."""

from models.bitnet.tt.kernels.common.describe import bits
from models.bitnet.tt.layout import TILE

LARGEST_CODE = 127.0
SMALLEST_PEAK = 1e-5  # so that a row of zeros has a scale too
CONSTANTS = {"smallest_peak": bits(SMALLEST_PEAK), "inverse_code": bits(1 / LARGEST_CODE)}  # named in quantise.h


def inverse_width(inner: int) -> int:
    """1 / K of rows of `inner` tiles, as the bits of a float32."""
    return bits(1 / (inner * TILE))
