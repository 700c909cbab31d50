// SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
// SPDX-License-Identifier: Apache-2.0

// The vector unit's steps on one lane: the multiply-add, the product, and the store to the destination register.
//
// A lane is a float32: sign [31], biased exponent [30:23], fraction [22:0]. The register holds it whole (`wide`) or as
// a bfloat16, its upper 16 bits. Most kernels round to nearest even before a 16-bit store; others leave the lower half
// to be cut.
//
// The multiply-add rounds once, and is all but fused: of the product it keeps 26 bits below the larger exponent, and of
// the rest only that there was some. That shows where a sum cancels.
//
// Example of a store: 1.01171875 (0x3F818000) lies half-way between 0x3F81 and 0x3F82. NEAREST_EVEN stores 0x3F82,
// TRUNCATE stores 0x3F81, and a wide register keeps 0x3F818000.
#pragma once

#include <cmath>
#include <cstdint>

#include "bits.h"
#include "formats.h"

namespace tensix::sfpu {

enum class Architecture : int32_t { WORMHOLE, BLACKHOLE };

// a * b + c, rounded once.
inline float mad(float a, float b, float c) {
    return static_cast<float>(static_cast<double>(a) * static_cast<double>(b) + static_cast<double>(c));
}

// a * b + c where little is left of a product of about -c: with the bits that the unit keeps of the product.
inline float cancelling(float a, float b, float c) {
    const double product = static_cast<double>(power_at_most(a)) * static_cast<double>(power_at_most(b));
    const double addend = power_at_most(c);
    const double largest = (addend > product ? addend : product) * 0x1p-26;
    const double unit = 0x1p-200 > largest ? 0x1p-200 : largest;
    const double scaled = static_cast<double>(a) * static_cast<double>(b) / unit;
    const double below = std::floor(scaled);
    // what is dropped sets the last kept bit
    const double kept = scaled != below ? std::floor(below * 0.5) * 2 + 1 : scaled;
    return static_cast<float>(kept * unit + static_cast<double>(c));
}

template <int COUNT>
inline float horner(float x, const float (&coefficients)[COUNT]) {
    float result = coefficients[0];
    for (int i = 1; i < COUNT; ++i) result = mad(result, x, coefficients[i]);
    return result;
}

template <int COUNT>
inline float cancelling_horner(float x, const float (&coefficients)[COUNT]) {
    float result = coefficients[0];
    for (int i = 1; i < COUNT; ++i) result = cancelling(result, x, coefficients[i]);
    return result;
}

// A product that is too small is +0. Blackhole finds so a little late, and keeps the sign (see `store`).
template <Architecture CHIP>
inline float flushed(float product) {
    return std::abs(product) < (CHIP == Architecture::BLACKHOLE ? 0x1p-127f : SMALLEST) ? 0.0f : product;
}

template <Architecture CHIP, bool WIDE>
inline float multiply(float a, float b) {
    const float result = flushed<CHIP>(a * b);
    if (WIDE || CHIP == Architecture::BLACKHOLE) return result;
    // zero times infinity has a sign on Wormhole, which infinity takes over when 16 bits are stored
    return std::isnan(result) ? from_bits(INFINITY_BITS | ((to_bits(a) ^ to_bits(b)) & SIGN)) : result;
}

// What the register holds of a result. A number smaller than normal becomes a zero of its sign.
template <Rounding ROUNDING, bool WIDE>
inline float store(float value) {
    const float kept = WIDE || std::isnan(value) ? value : from_bfloat16(to_bfloat16<ROUNDING>(value));
    return std::abs(value) < SMALLEST ? copy_sign(0.0f, value) : kept;
}

}  // namespace tensix::sfpu
