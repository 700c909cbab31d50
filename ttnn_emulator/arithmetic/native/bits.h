// SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
// SPDX-License-Identifier: Apache-2.0

// Floating-point numbers as bits.
//
//   float32:  sign [31], biased exponent [30:23], fraction [22:0];   value = 2^(biased - 127) * 1.fraction
//   float64:  sign [63], biased exponent [62:52], fraction [51:0];   value = 2^(biased - 1023) * 1.fraction
//   bfloat16: the upper 16 bits of a float32
//
// Example: 6.5 = 2^2 * 1.625 is the float32 0x40D00000: sign 0, biased exponent 129, fraction 0x500000.
#pragma once

#include <bit>
#include <cmath>
#include <cstdint>

namespace tensix {

constexpr int32_t SIGN = INT32_MIN;
constexpr int32_t INFINITY_BITS = 0x7F800000;  // the exponent's bits
constexpr int32_t MANTISSA_BITS = 0x7FFFFF;
constexpr float SMALLEST = 0x1p-126f;  // the units know only zero below it
constexpr float INFINITE = __builtin_inff();
constexpr float NOT_A_NUMBER = __builtin_nanf("");

inline int32_t to_bits(float value) { return std::bit_cast<int32_t>(value); }
inline float from_bits(int32_t bits) { return std::bit_cast<float>(bits); }

// a - b and a + b of bits, which wrap around.
inline int32_t bits_less(int32_t a, int32_t b) {
    return static_cast<int32_t>(static_cast<uint32_t>(a) - static_cast<uint32_t>(b));
}
inline int32_t bits_more(int32_t a, int32_t b) {
    return static_cast<int32_t>(static_cast<uint32_t>(a) + static_cast<uint32_t>(b));
}

inline float from_bfloat16(uint16_t bits) { return from_bits(static_cast<int32_t>(static_cast<uint32_t>(bits) << 16)); }
inline uint16_t upper_half(float value) { return static_cast<uint16_t>(static_cast<uint32_t>(to_bits(value)) >> 16); }

// The exponent of the float32 with these bits: -127 of zero and of numbers smaller than normal.
inline int32_t exponent_of(int32_t bits) { return ((bits >> 23) & 255) - 127; }

// The exponent of a float64: -1023 of zero.
inline int32_t exponent_of(double value) {
    return static_cast<int32_t>((std::bit_cast<int64_t>(value) >> 52) & 2047) - 1023;
}

inline double power_of_two(int32_t exponent) {
    return std::bit_cast<double>((static_cast<int64_t>(exponent) + 1023) << 52);
}

// The power of two at or below the magnitude of `value`: 0 of what is smaller than normal.
inline float power_at_most(float value) { return from_bits(to_bits(value) & INFINITY_BITS); }

inline float copy_sign(float size, float sign) { return from_bits((to_bits(size) & ~SIGN) | (to_bits(sign) & SIGN)); }

// Bounds that let NaN pass.
inline float at_most(float value, float bound) { return value > bound ? bound : value; }
inline float at_least(float value, float bound) { return value < bound ? bound : value; }

// Between bounds, so that an integer holds it: NaN becomes the lower one.
inline float bounded(float value, float low, float high) { return !(value >= low) ? low : value > high ? high : value; }

}  // namespace tensix
