# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""The vector unit's steps, number by number, compiled for this CPU (what they are: `multiply_add.py`, `units.py`)."""

import math

import numpy as np

from ttnn_emulator.arithmetic.compiled import compiled, elementwise
from ttnn_emulator.arithmetic.units import SMALLEST


@compiled
def _power(value: float) -> float:
    """The power of two below; 0 of what is smaller than normal."""
    return np.float64(np.int32(np.float32(value).view(np.int32) & np.int32(0x7F800000)).view(np.float32))


@elementwise("float32(float32, float32, float32)")
def mad(a: float, b: float, c: float) -> float:
    return np.float32(np.float64(a) * np.float64(b) + np.float64(c))


@elementwise("float32(float32, float32, float32)")
def cancelling(a: float, b: float, c: float) -> float:
    unit = max(max(_power(a) * _power(b), _power(c)) * 2.0**-26, 2.0**-200)
    scaled = np.float64(a) * np.float64(b) / unit
    below = np.floor(scaled)
    if scaled != below:  # what is dropped sets the last kept bit
        scaled = np.floor(below * 0.5) * 2 + 1
    return np.float32(scaled * unit + np.float64(c))


@elementwise("float32(float32, boolean, boolean)")
def store(value: float, cut: bool, wide: bool) -> float:
    if abs(value) < np.float32(SMALLEST):
        return np.float32(math.copysign(np.float32(0), value))
    if wide or np.isnan(value):
        return value
    bits = np.float32(value).view(np.int32)
    if not cut:
        bits = bits + 0x7FFF + (bits >> 16 & 1)
    return np.int32(bits & np.int32(-0x10000)).view(np.float32)
