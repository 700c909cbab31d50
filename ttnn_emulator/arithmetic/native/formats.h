// SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
// SPDX-License-Identifier: Apache-2.0

// Rounding into the number formats that are shorter than float32.
//
//   bfloat16:    the upper 16 bits of a float32: sign [15], biased exponent [14:7], fraction [6:0]
//   bfloat8_b:   for each of 16 neighbours of a row sign [7] and mantissa [6:0]; one biased exponent for all 16
//   bfloat4_b:   the same with sign [3] and mantissa [2:0]
//
// A block float's mantissa has no hidden bit: an element is mantissa * 2^(exponent - 127 - (bits - 1)) for 7 or 3 bits.
//
// Example: the float32 1.00390625 (0x3F808000) lies half-way between the bfloat16 0x3F80 and 0x3F81. TIES_AWAY gives
// 0x3F81, NEAREST_EVEN and TRUNCATE give 0x3F80. In a bfloat4_b block whose largest element is 6.0 (exponent 2) the
// last bit is 2^(2 - 2) = 1, so that 1.5 becomes 2 by ties away from zero and 1 by truncation.
#pragma once

#include <algorithm>
#include <cstdint>

#include "bits.h"

namespace tensix {

enum class Rounding : int32_t { NEAREST_EVEN, TIES_AWAY, TRUNCATE };

// The bfloat16 of a float32. NaN stays NaN: rounding up its payload would carry over into the sign.
template <Rounding ROUNDING>
inline uint16_t to_bfloat16(float value) {
    const uint32_t bits = std::bit_cast<uint32_t>(value);
    const uint32_t half = ROUNDING == Rounding::TIES_AWAY      ? 0x8000
                          : ROUNDING == Rounding::NEAREST_EVEN ? 0x7FFF + ((bits >> 16) & 1)
                                                               : 0;
    const bool is_nan = (bits & 0x7FFFFFFF) > static_cast<uint32_t>(INFINITY_BITS);
    return static_cast<uint16_t>(is_nan ? (bits >> 16) | 0x40 : (bits + half) >> 16);
}

// As the packer writes it: there is no negative zero.
template <Rounding ROUNDING>
inline uint16_t pack_bfloat16(float value) {
    const uint16_t bits = to_bfloat16<ROUNDING>(value);
    return bits == 0x8000 ? 0 : bits;
}

// Rounded to bfloat16 by the packer, as a float32.
inline float packed(float value) { return from_bfloat16(pack_bfloat16<Rounding::TIES_AWAY>(value)); }

// The leading `significant_bits` of a float32, the hidden one included.
inline float truncate(float value, int significant_bits) {
    return from_bits(to_bits(value) & static_cast<int32_t>(~0u << (24 - significant_bits)));
}

inline float as_float(float value) { return value; }
inline float as_float(uint16_t bfloat16) { return from_bfloat16(bfloat16); }

// The largest magnitude of whole numbers (float32, or the bits of bfloat16); infinity if one of them is none.
template <typename Value>
inline float largest_if_whole(const Value* value, int64_t count) {
    constexpr int64_t CHUNK = 4096;  // after which it may be over
    float largest = 0;
    for (int64_t first = 0; first < count; first += CHUNK) {
        int32_t fractions = 0;
        for (int64_t i = first; i < std::min(first + CHUNK, count); ++i) {
            const float size = std::abs(as_float(value[i]));
            fractions += !(size == std::trunc(size));
            largest = std::max(largest, size);
        }
        if (fractions) return INFINITE;
    }
    return largest;
}

namespace block_float {

constexpr int BLOCK = 16;  // elements of a row that share an exponent

// How a mantissa becomes a whole number.
enum class Mantissa : int32_t {
    HOST,       // 24 bits below the exponent are kept, those are rounded to nearest, ties to even
    TIES_AWAY,  // a packer that rounds once
    TRUNCATE,   // what is left of bfloat8_b when its low bits are cut off
};

template <Mantissa MANTISSA>
inline float whole(float scaled, int bits) {
    if (MANTISSA == Mantissa::TRUNCATE) return std::trunc(scaled);
    if (MANTISSA == Mantissa::TIES_AWAY) return std::trunc(scaled + copy_sign(0.5f, scaled));
    const float kept = static_cast<float>(1 << (24 - bits));
    return std::nearbyint(std::trunc(scaled * kept) / kept);
}

// A block of up to 16 neighbours; the result is bfloat16, which holds it exactly. There is no negative zero.
template <Mantissa MANTISSA>
inline void round_block(const float* value, uint16_t* result, int count, int bits) {
    int32_t largest = 0;
    for (int i = 0; i < count; ++i) largest = std::max(largest, to_bits(value[i]) & ~SIGN);
    const int32_t exponent = largest >> 23;
    // the weight of the last bit, 2^(exponent - 127 - (bits - 1)), and its inverse; a block of zeros takes 1
    const int32_t biased = exponent == 0 ? 127 : std::max(exponent - (bits - 1), 1);
    const float step = from_bits(biased << 23), inverse = from_bits((254 - biased) << 23);
    const float bound = static_cast<float>((1 << bits) - 1);
    for (int i = 0; i < count; ++i) {
        const float mantissa = at_most(at_least(whole<MANTISSA>(value[i] * inverse, bits), -bound), bound);
        result[i] = pack_bfloat16<Rounding::NEAREST_EVEN>(mantissa * step);
    }
}

template <Mantissa MANTISSA>
inline void round_row(const float* value, uint16_t* result, int64_t width, int bits) {
    for (int64_t first = 0; first < width; first += BLOCK)
        round_block<MANTISSA>(
            value + first, result + first, static_cast<int>(std::min<int64_t>(BLOCK, width - first)), bits);
}

// The packer first rounds each number for itself to seven significant bits, ties away from zero.
inline float seven_bits(float value) {
    const int32_t upper = to_bits(value) >> 16;
    return std::isnan(value) ? value : from_bits(static_cast<int32_t>(static_cast<uint32_t>((upper + 1) & -2) << 16));
}

// Blocks as the packer leaves them: the numbers rounded, the block rounded, and for bfloat4_b the low bits cut off.
inline void pack_row(const float* value, uint16_t* result, int64_t width, int bits) {
    for (int64_t first = 0; first < width; first += BLOCK) {
        const int count = static_cast<int>(std::min<int64_t>(BLOCK, width - first));
        float block[BLOCK];
        for (int i = 0; i < count; ++i) block[i] = seven_bits(value[first + i]);
        round_block<Mantissa::TIES_AWAY>(block, result + first, count, 7);
        if (bits == 7) continue;
        for (int i = 0; i < count; ++i) block[i] = from_bfloat16(result[first + i]);
        round_block<Mantissa::TRUNCATE>(block, result + first, count, bits);
    }
}

}  // namespace block_float

// The formats of a tensor of floats. bfloat16 holds the values of all but float32.
enum class Format : int32_t { FLOAT32, BFLOAT16, BFLOAT8_B, BFLOAT4_B };

// A row as the packer leaves it in a format other than float32.
inline void pack_row(const float* value, uint16_t* result, int64_t width, Format format) {
    if (format != Format::BFLOAT16)
        return block_float::pack_row(value, result, width, format == Format::BFLOAT8_B ? 7 : 3);
    for (int64_t i = 0; i < width; ++i) result[i] = pack_bfloat16<Rounding::TIES_AWAY>(value[i]);
}

}  // namespace tensix
