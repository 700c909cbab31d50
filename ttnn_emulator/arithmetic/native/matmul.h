// SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
// SPDX-License-Identifier: Apache-2.0

// The matrix unit's sums of products, in its own order and with its own roundings.
//
// An operand is a number of 11 significant bits, the hidden one included: bits [10:0] of a mantissa from 1024 to 2047,
// or zero (numbers smaller than normal are zero, and infinity is the number 2^128). One phase multiplies
//
//   of the first operand (SrcB)   bits [10:4], or in a low phase bits [3:0] << 3
//   of the second operand (SrcA)  bits [10:6], or in a low phase bits [5:1]
//
// A low part of SrcA makes a product 2^5 smaller and a low part of SrcB 2^7. Fidelity is the number of phases:
//
//   phase 0: high * high   phase 1: low SrcA   phase 2: low SrcB   phase 3: both low
//   LoFi has 1 phase, HiFi2 has 2, HiFi3 has 3, HiFi4 has 4.
//
// A sum runs over tiles of 32 terms, in each tile over the phases, and in each phase over two steps of 16 terms:
//
//   1. Each group of 8 products is aligned to the largest exponent in the group (also of products whose part is zero).
//      A product counts in 2^(exponent - 10) and is rounded there, ties away from zero.
//   2. The sums of two groups and the register are aligned to the largest of their three exponents. They count in
//      2^(exponent - 23); a register of 16 bits drops 13 bits more. The register's ties go away from zero, the groups'
//      ties go up.
//   3. Their sum is rounded to 24 significant bits, or to 8 for a register of 16 bits, ties away from zero.
//
// Example: 1.5 * 1.25 in phase 0. Mantissas 0b11000000000 and 0b10100000000, high parts 96 and 20, product 1920. The
// exponents are 0 and 0, so that 1920 counts in 2^-10: 1.875. Beside a product of exponent 3 it is 1920 / 8 = 240,
// which counts in 2^-7. The register then gets 240 << 13, which counts in 2^(3 - 23): 1.875 again.
#pragma once

#include <algorithm>
#include <cstdint>
#include <type_traits>

#include "bits.h"

namespace tensix::matmul {

constexpr int TILE = 32;       // terms between two changes of phase
constexpr int GROUP = 8;       // terms that share an exponent
constexpr int GROUPS = TILE / GROUP;
constexpr int16_t NOTHING = -1000;   // exponent of what is zero
constexpr int32_t LEAST = -500;      // a register is aligned at no smaller exponent
constexpr int32_t REGISTER_BITS = 23, SHORT_REGISTER_BITS = 7;  // kept below the first one

// Which bits a part of an operand has: ((mantissa >> below) & mask) << above.
struct Part {
    int below, mask, above;
};
constexpr Part FIRST_HIGH{4, 127, 0}, FIRST_LOW{0, 15, 3}, SECOND_HIGH{6, 31, 0}, SECOND_LOW{1, 31, 0};

constexpr bool is_low_in_second(int phase) { return phase & 1; }
constexpr bool is_low_in_first(int phase) { return phase & 2; }
constexpr int32_t smaller_by(int phase) { return (is_low_in_second(phase) ? 5 : 0) + (is_low_in_first(phase) ? 7 : 0); }

// The exponent and the signed parts of operands.
struct Fields {
    int16_t *exponents, *high, *low;
};

// `count` operands as the bits of float32, or as bfloat16, whose mantissa ends in three zeros.
template <bool FIRST, bool LOW, typename Bits>
inline void split(const Bits* __restrict operands, int64_t count, Fields fields) {
    constexpr bool SHORT = sizeof(Bits) == 2;
    using Word = std::conditional_t<SHORT, int16_t, int32_t>;
    constexpr Part high = FIRST ? FIRST_HIGH : SECOND_HIGH, low = FIRST ? FIRST_LOW : SECOND_LOW;
    int16_t* __restrict exponents = fields.exponents;
    int16_t* __restrict highs = fields.high;
    int16_t* __restrict lows = fields.low;
    for (int64_t i = 0; i < count; ++i) {
        const Word bits = static_cast<Word>(operands[i]);
        const Word biased = static_cast<Word>((bits >> (SHORT ? 7 : 23)) & 255);
        const Word sign = static_cast<Word>(bits >> (SHORT ? 15 : 31));
        const Word fraction = static_cast<Word>((SHORT ? bits << 3 : bits >> 13) & 1023);
        const Word mantissa = static_cast<Word>(biased ? fraction | 1024 : 0);
        const Word one = static_cast<Word>(((mantissa >> high.below) & high.mask) << high.above);
        exponents[i] = static_cast<int16_t>(biased ? biased - 127 : NOTHING);
        highs[i] = static_cast<int16_t>((one ^ sign) - sign);
        if (!LOW) continue;
        const Word other = static_cast<Word>(((mantissa >> low.below) & low.mask) << low.above);
        lows[i] = static_cast<int16_t>((other ^ sign) - sign);
    }
}

// product / 2^distance, ties away from zero, with `scale` = 2^(14 - distance). A product has up to 12 bits: none is
// left at a distance of 14. This is how a CPU's rounding multiplication (pmulhrsw) does it: twice the product, a little
// less where it is negative, times the scale, in multiples of 2^15.
inline int16_t align_product(int16_t product, int16_t scale) {
    const int16_t twice = static_cast<int16_t>(2 * product + (product >> 15));
    return static_cast<int16_t>((((static_cast<int32_t>(twice) * scale) >> 14) + 1) >> 1);
}

// value / 2^bits, ties up; `bits` from 0 to 31.
inline int32_t without(int32_t value, int32_t bits) { return (((value << 1) >> bits) + 1) >> 1; }

// A register: a float32 (its bits) times 2^unit.
struct Register {
    int32_t bits, unit;
};

// Adds the sums of two groups, which count in 2^(exponent - 10).
template <bool WIDE>
inline Register add_groups(Register held, int32_t one, int32_t one_exponent, int32_t two, int32_t two_exponent) {
    const int32_t own = held.bits == 0 ? NOTHING : exponent_of(held.bits) + held.unit;
    const int32_t top = std::max(std::max(own, LEAST), std::max(one_exponent, two_exponent));
    int32_t total = without((held.bits & MANTISSA_BITS) | 0x800000, std::min(top - own, 31));
    one = without(one << 13, std::min(top - one_exponent, 31));
    two = without(two << 13, std::min(top - two_exponent, 31));
    if (!WIDE) {
        total = without(total, 13) << 13;
        one = without(one, 13) << 13;
        two = without(two, 13) << 13;
    }
    const int32_t old_sign = held.bits >> 31;
    total = (total ^ old_sign) - old_sign + one + two;
    const int32_t sign = total >> 31;
    int32_t size = (total ^ sign) - sign;
    const int32_t kept = WIDE ? REGISTER_BITS : SHORT_REGISTER_BITS;
    const int32_t dropped = std::max(exponent_of(to_bits(static_cast<float>(size))) - kept, 0);
    size = without(size, dropped) << dropped;
    return {to_bits(static_cast<float>((size ^ sign) - sign)), top - 23};
}

inline Register load_register(float value) {
    const int32_t unit = exponent_of(static_cast<double>(value));
    return {to_bits(static_cast<float>(static_cast<double>(value) * power_of_two(-unit))), unit};
}

inline float read_register(Register held) {
    return static_cast<float>(static_cast<double>(from_bits(held.bits)) * power_of_two(held.unit));
}

// The fields of one row's tile, and of `PANEL` columns' tile: [TILE][PANEL].
constexpr int LANES = 32;
constexpr int PANEL = 128;

struct Panel {
    alignas(64) int16_t exponents[TILE][PANEL], high[TILE][PANEL], low[TILE][PANEL];
};

// One row of a tile times LANES columns, from column `first` of the panel on: for each group its exponent and, for each
// phase, its sum.
template <int PHASES, bool ROWS_FIRST>
inline void sum_group(
    Fields row, const Panel& panel, int group, int64_t first, int16_t* __restrict exponents,
    int16_t (*__restrict sums)[LANES]) {
    const int start = group * GROUP;
    int16_t row_exponents[GROUP], row_high[GROUP], row_low[GROUP];
    for (int k = 0; k < GROUP; ++k) {
        row_exponents[k] = row.exponents[start + k];
        row_high[k] = row.high[start + k];
        row_low[k] = PHASES > 1 ? row.low[start + k] : 0;
    }
    for (int n = 0; n < LANES; ++n) {
        int16_t largest = 2 * NOTHING;
#pragma GCC unroll 8
        for (int k = 0; k < GROUP; ++k) {
            const int16_t exponent = static_cast<int16_t>(row_exponents[k] + panel.exponents[start + k][first + n]);
            largest = std::max(largest, exponent);
        }
        int16_t total[PHASES] = {};
#pragma GCC unroll 8
        for (int k = 0; k < GROUP; ++k) {
            const int16_t exponent = static_cast<int16_t>(row_exponents[k] + panel.exponents[start + k][first + n]);
            const int16_t distance = std::min<int16_t>(static_cast<int16_t>(largest - exponent), 14);
            const int16_t scale = static_cast<int16_t>(0x4000 >> distance);
#pragma GCC unroll 4
            for (int phase = 0; phase < PHASES; ++phase) {
                const bool low_row = ROWS_FIRST ? is_low_in_first(phase) : is_low_in_second(phase);
                const bool low_column = ROWS_FIRST ? is_low_in_second(phase) : is_low_in_first(phase);
                const int16_t own = low_row ? row_low[k] : row_high[k];
                const int16_t other = (low_column ? panel.low : panel.high)[start + k][first + n];
                total[phase] =
                    static_cast<int16_t>(total[phase] + align_product(static_cast<int16_t>(own * other), scale));
            }
        }
        exponents[n] = largest;
#pragma GCC unroll 4
        for (int phase = 0; phase < PHASES; ++phase) sums[phase][n] = total[phase];
    }
}

// Adds one row of a tile times the first `width` columns of a panel, a multiple of LANES, to their registers.
template <int PHASES, bool WIDE, bool ROWS_FIRST>
void add_tile(Fields row, const Panel& panel, int64_t width, int32_t* all_bits, int32_t* all_units) {
    for (int64_t first = 0; first < width; first += LANES) {
        alignas(64) int16_t exponents[GROUPS][LANES];
        alignas(64) int16_t sums[GROUPS][PHASES][LANES];
        for (int group = 0; group < GROUPS; ++group)
            sum_group<PHASES, ROWS_FIRST>(row, panel, group, first, exponents[group], sums[group]);
        int32_t* __restrict bits = all_bits + first;
        int32_t* __restrict units = all_units + first;
        for (int phase = 0; phase < PHASES; ++phase)
            for (int group = 0; group < GROUPS; group += 2)
                for (int n = 0; n < LANES; ++n) {
                    const Register held = add_groups<WIDE>(
                        {bits[n], units[n]}, sums[group][phase][n], exponents[group][n] - smaller_by(phase),
                        sums[group + 1][phase][n], exponents[group + 1][n] - smaller_by(phase));
                    bits[n] = held.bits;
                    units[n] = held.unit;
                }
    }
}

}  // namespace tensix::matmul
