// SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
// SPDX-License-Identifier: Apache-2.0

// The arithmetic of the matrix and vector units on whole tiles, row by row.
#pragma once

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>

#include "calls.h"
#include "machine.h"

namespace runner::units {

inline uint16_t to_bfloat16(float value) {
    const uint32_t bits = std::bit_cast<uint32_t>(value);
    if (std::isnan(value)) return uint16_t(bits >> 16 | 0x40);
    const uint16_t rounded = uint16_t((bits + 0x8000) >> 16);
    return rounded == 0x8000 ? 0 : rounded;
}
inline float from_bfloat16(uint16_t bits) { return std::bit_cast<float>(uint32_t(bits) << 16); }
inline float kept(float value, bool wide) { return wide ? value : from_bfloat16(to_bfloat16(value)); }

// sums [rows][32] += a [rows][32] @ b [32][32].
inline void add_products(const ComputeSettings& settings, const float* a, const float* b, float* sums, uint32_t rows) {
    for (uint32_t r = 0; r < rows; r++)
        for (uint32_t k = 0; k < TILE; k++)
            for (uint32_t c = 0; c < TILE; c++) sums[r * TILE + c] += a[r * TILE + k] * b[k * TILE + c];
    if (!settings.wide)
        for (uint32_t i = 0; i < rows * TILE; i++) sums[i] = kept(sums[i], false);
}

inline float binary(int operation, float x, float y) {
    switch (operation) {
        case EMU_ADD: return x + y;
        case EMU_SUBTRACT: return x - y;
        case EMU_MULTIPLY: return x * y;
        case EMU_DIVIDE: return x / y;
        case EMU_MAX: return std::isnan(x) || x > y ? x : y;
        default: return std::isnan(x) || x < y ? x : y;
    }
}

inline float unary(int function, float x, float scalar) {
    switch (function) {
        case EMU_ABS: return std::abs(x);
        case EMU_SQUARE: return x * x;
        case EMU_NEGATIVE: return -x;
        case EMU_RELU: return x > 0 ? x : 0.0f;
        case EMU_ROUND: return 1 / scalar * std::nearbyint(x * scalar);
        case EMU_FLOOR: return std::floor(x);
        case EMU_CEIL: return std::ceil(x);
        case EMU_TRUNC: return std::trunc(x);
        case EMU_ADD_SCALAR: return x + scalar;
        case EMU_SUBTRACT_SCALAR: return x - scalar;
        case EMU_MULTIPLY_SCALAR:
        case EMU_DIVIDE_SCALAR: return x * scalar;
        case EMU_REVERSE_SUBTRACT_SCALAR: return scalar - x;
        case EMU_MAX_SCALAR: return x > scalar ? x : scalar;
        case EMU_MIN_SCALAR: return x < scalar ? x : scalar;
        case EMU_FILL: return scalar;
        case EMU_EXP: return std::exp(x);
        case EMU_LOG: return std::log(x);
        case EMU_SQRT: return std::sqrt(x);
        case EMU_RSQRT: return 1 / std::sqrt(x);
        case EMU_RECIP: return 1 / x;
        case EMU_SIGMOID: return 1 / (1 + std::exp(-x));
        case EMU_SILU: return x / (1 + std::exp(-x));
        case EMU_TANH: return std::tanh(x);
        default: return std::erfc(x);
    }
}

// The matrix unit's a + b, a - b, a * b on tiles.
inline void two(const ComputeSettings& settings, int operation, const float* a, const float* b, float* result) {
    for (uint32_t i = 0; i < TILE_VALUES; i++) result[i] = kept(binary(operation, a[i], b[i]), settings.wide);
}

// The vector unit's.
inline void apply(const ComputeSettings& settings, int function, float* tile, float scalar) {
    for (uint32_t i = 0; i < TILE_VALUES; i++) tile[i] = kept(unary(function, tile[i], scalar), settings.wide);
}

inline void apply(const ComputeSettings& settings, int operation, const float* a, const float* b, float* result) {
    for (uint32_t i = 0; i < TILE_VALUES; i++) result[i] = kept(binary(operation, a[i], b[i]), settings.wide);
}

}  // namespace runner::units
