// SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
// SPDX-License-Identifier: Apache-2.0

// The matrix unit, number by number: sums and products of two tiles (`matmul.h` has its sums of products).
//
// An operand is the float32 in memory, cut to 11 significant bits: sign [31], exponent [30:23], fraction [22:13].
// Infinity is the number 2^128 to the unit.
//
// Example of a sum: 8.0 + 0.00390625 (2^-8). The larger one's last bit is 2^(3 - 10) = 2^-7; 2^-8 is half of it and, a
// tie, goes away from zero: 8.0078125. A register of 16 bits holds 8.0 of that.
//
// A product takes 5 bits of the first operand (here SrcA) and 7 of the second (SrcB), or the next 5 and the next 4, as
// `matmul.h` lists the phases. Each phase's product is added to the register.
//
// Example of a product: 1.03125 * 1.5. The first operand's high bits are 1.0, its low ones 0.03125. LoFi gives
// 1.0 * 1.5 = 1.5; HiFi2 adds 0.03125 * 1.5 = 0.046875 to it.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>

#include "bits.h"
#include "formats.h"
#include "matmul.h"

namespace tensix::fpu {

constexpr int OPERAND_BITS = 11;
constexpr int HIGH_A = 5, LOW_A = 10;  // significant bits of SrcA that the first phase takes, and that all phases take
constexpr int HIGH_B = 7, LOW_B = 11;

// What the unit takes an operand for.
[[gnu::always_inline]] inline double number(float value) {
    const float cut = truncate(value, OPERAND_BITS);
    return std::isinf(cut) ? std::copysign(0x1p128, static_cast<double>(cut)) : cut;
}

// a + b: the smaller one is aligned to the larger one's 11 bits, ties away from zero.
template <bool WIDE>
[[gnu::always_inline]] inline float add(float first, float second) {
    const double a = number(first), b = number(second);
    const bool swapped = std::abs(a) < std::abs(b);
    const double large = swapped ? b : a, small = swapped ? a : b;
    const double last_bit = power_of_two(std::max(exponent_of(large) - (OPERAND_BITS - 1), -126));
    const double scaled = small / last_bit;
    const float total = static_cast<float>(large + std::trunc(scaled + std::copysign(0.5, scaled)) * last_bit);
    const float kept = WIDE ? total : packed(total);
    return std::abs(total) < SMALLEST ? 0.0f : kept;
}

// a * b in the first `PHASES` phases. Each is added to the register: exactly in 32 bits, else aligned to 11 bits of the
// larger exponent, where the register's ties go away from zero and the product's ties go up.
template <int PHASES, bool WIDE>
[[gnu::always_inline]] inline float multiply(float a, float b) {
    const float high_a = truncate(a, HIGH_A), high_b = truncate(b, HIGH_B);
    const float low_a = truncate(a, LOW_A) - high_a, low_b = truncate(b, LOW_B) - high_b;
    float total = high_a * high_b;
    total = WIDE ? total + 0.0f : packed(total);
    const int32_t exponent = ((to_bits(a) >> 23) & 255) + ((to_bits(b) >> 23) & 255) - 127;
    for (int phase = 1; phase < PHASES; ++phase) {
        const float term =
            (matmul::is_low_in_second(phase) ? low_a : high_a) * (matmul::is_low_in_first(phase) ? low_b : high_b);
        if (WIDE) {
            total += term;
            continue;
        }
        const int32_t own = (to_bits(total) >> 23) & 255;
        const int32_t highest = std::max(own, exponent - matmul::smaller_by(phase));
        const float unit = from_bits(std::min(std::max(highest - 10, 1), 254) << 23);
        const float scaled = total / unit;
        total = packed((std::trunc(scaled + copy_sign(0.5f, scaled)) + std::floor(term / unit + 0.5f)) * unit);
    }
    return total;
}

}  // namespace tensix::fpu
