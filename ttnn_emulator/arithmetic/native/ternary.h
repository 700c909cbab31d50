// SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
// SPDX-License-Identifier: Apache-2.0

// Products with a matrix whose numbers are all -1, 0 or 1. Such a matrix is packed into two bits a weight, because a
// CPU multiplies a row faster than it reads the matrix.
//
// Whole numbers have sums with the same bits in any order, while they stay below 2^24. For them the matrix is packed
// column by column. A column is padded with zeros to four equal quarters, and byte i of it holds weight i of each quarter,
// the first one in its lowest bits. The code of a weight is the weight plus one.
//
// Other numbers are added in the matrix unit's order (`matmul.h`), for LoFi and a register of 32 bits. For them the matrix
// is packed in panels of 32 columns: word [g][n] of a panel holds the eight weights of group g of column n, each in two
// bits of two's complement. A weight of -1 or 1 has exponent 0 and one bit. So the row alone determines a product's size
// and exponent, and the weight determines its sign.
//
// Example: the weights 1, -1, 0 and 1, one in each quarter, are the codes 2, 0, 1 and 2, and the byte 0b10'01'00'10.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "loops.h"
#include "matmul.h"
#include "product.h"

namespace tensix::ternary {

using matmul::GROUP;
using matmul::LANES;
using matmul::Matrices;

constexpr int64_t TERMS = 64;             // that are packed together
constexpr int64_t ROWS = 4;               // that share each reading of a column
constexpr int64_t CACHED = 1 << 17;       // bytes of the matrix that stay in the CPU's cache for all rows
constexpr uint8_t ZERO = 1, OTHER = 4;    // the codes of 0 and of a number that is not ternary

using Codes = uint8_t[TERMS][LANES];

// The code of a float32 or bfloat16.
template <typename Bits>
inline uint8_t code_of(Bits bits) {
    constexpr Bits ONE = static_cast<Bits>(static_cast<Bits>(0x3F80) << (8 * sizeof(Bits) - 16));
    const Bits size = static_cast<Bits>(static_cast<Bits>(bits << 1) >> 1);
    const int is_negative = bits >> (8 * sizeof(Bits) - 1);
    return static_cast<uint8_t>(size == ONE ? 2 - 2 * is_negative : size == 0 ? ZERO : OTHER);
}

// Reads `count` codes. All of them together are returned, combined by "or".
template <typename Bits>
inline uint8_t read_line(const Bits* __restrict source, int64_t step, int64_t count, uint8_t* __restrict codes) {
    uint8_t seen = 0;
    if (step == 1)
        for (int64_t i = 0; i < count; ++i) seen |= codes[i] = code_of(source[i]);
    else
        for (int64_t i = 0; i < count; ++i) seen |= codes[i] = code_of(source[i * step]);
    return seen;
}

// Reads the codes from term `k` and column `n` on. Those outside the matrix are ZERO. Returns whether all are ternary.
template <typename Bits>
inline bool read_codes(const Matrices& matrix, int64_t depth, int64_t columns, int64_t k, int64_t n, Codes& codes) {
    std::fill_n(codes[0], TERMS * LANES, ZERO);
    const int64_t terms = std::min(TERMS, depth - k), width = std::min<int64_t>(LANES, columns - n);
    const Bits* source = static_cast<const Bits*>(matrix.data) + k * matrix.depth + n * matrix.line;
    uint8_t seen = 0, line[TERMS];
    if (matrix.depth == 1)
        for (int64_t j = 0; j < width; ++j) {
            seen |= read_line(source + j * matrix.line, 1, terms, line);
            for (int64_t i = 0; i < terms; ++i) codes[i][j] = line[i];
        }
    else
        for (int64_t i = 0; i < terms; ++i) seen |= read_line(source + i * matrix.depth, matrix.line, width, codes[i]);
    return !(seen & OTHER);
}

// Packs a matrix for `multiply_whole`. A quarter is a multiple of TERMS. Returns whether the matrix is ternary.
template <typename Bits>
bool pack_columns(const Matrices& matrix, int64_t depth, int64_t columns, int64_t quarter, uint8_t* packed) {
    Codes codes[4];
    for (int64_t n = 0; n < columns; n += LANES)
        for (int64_t i = 0; i < quarter; i += TERMS) {
            for (int64_t part = 0; part < 4; ++part)
                if (!read_codes<Bits>(matrix, depth, columns, part * quarter + i, n, codes[part])) return false;
            for (int64_t j = 0; j < std::min<int64_t>(LANES, columns - n); ++j)
                for (int64_t k = 0; k < TERMS; ++k)
                    packed[(n + j) * quarter + i + k] = static_cast<uint8_t>(
                        codes[0][k][j] | codes[1][k][j] << 2 | codes[2][k][j] << 4 | codes[3][k][j] << 6);
        }
    return true;
}

// Packs a matrix for `multiply_lofi`. Returns whether the matrix is ternary.
template <typename Bits>
bool pack_panels(const Matrices& matrix, int64_t depth, int64_t columns, int64_t groups, int16_t* packed) {
    Codes codes;
    for (int64_t n = 0; n < columns; n += LANES)
        for (int64_t k = 0; k < groups * GROUP; k += TERMS) {
            if (!read_codes<Bits>(matrix, depth, columns, k, n, codes)) return false;
            for (int64_t first = 0; first < std::min(TERMS, groups * GROUP - k); first += GROUP, packed += LANES)
                for (int64_t j = 0; j < LANES; ++j) {
                    int word = 0;
                    for (int64_t i = 0; i < GROUP; ++i) word |= ((codes[first + i][j] - 1) & 3) << 2 * i;
                    packed[j] = static_cast<int16_t>(word);
                }
        }
    return true;
}

// Multiplies COUNT rows of int8 by some columns. A code is one more than its weight, so the row's sum is subtracted.
template <int COUNT>
inline void multiply_rows(
    int32_t* result, const int8_t* __restrict rows, const int32_t* row_sums, const uint8_t* matrix, int64_t quarter,
    int64_t columns, int64_t begin, int64_t end) {
    for (int64_t n = begin; n < end; ++n) {
        const uint8_t* __restrict column = matrix + n * quarter;
        for (int64_t i = 0; i < quarter; i += CACHE_LINE) fetch_ahead(column + i);
        int32_t first[COUNT] = {}, second[COUNT] = {}, third[COUNT] = {}, fourth[COUNT] = {};
        for (int64_t i = 0; i < quarter; ++i)
#pragma GCC unroll 4
            for (int m = 0; m < COUNT; ++m) {
                const int8_t* row = rows + m * 4 * quarter + i;
                first[m] += row[0] * static_cast<uint8_t>(column[i] & 3);
                second[m] += row[quarter] * static_cast<uint8_t>((column[i] >> 2) & 3);
                third[m] += row[2 * quarter] * static_cast<uint8_t>((column[i] >> 4) & 3);
                fourth[m] += row[3 * quarter] * static_cast<uint8_t>(column[i] >> 6);
            }
        for (int m = 0; m < COUNT; ++m)
            result[m * columns + n] = first[m] + second[m] + third[m] + fourth[m] - row_sums[m];
    }
}

// result [count, columns] = rows @ matrix. A row is padded with zeros to four quarters.
inline void multiply_whole(
    int32_t* result, const int8_t* rows, int64_t count, const uint8_t* matrix, int64_t quarter, int64_t columns,
    int threads) {
    const int64_t padded = 4 * quarter;
    std::vector<int32_t> row_sums(count);
    for (int64_t m = 0; m < count; ++m)
        for (int64_t k = 0; k < padded; ++k) row_sums[m] += rows[m * padded + k];
    const int64_t block = std::max<int64_t>(CACHED / quarter, 1);
    share_out(columns, threads, [&](int64_t begin, int64_t end) {
        for (int64_t n = begin; n < end; n += block)
            for (int64_t m = 0; m < count; m += ROWS) {
                const auto run = [&](auto function) {
                    function(
                        result + m * columns, rows + m * padded, row_sums.data() + m, matrix, quarter, columns, n,
                        std::min(n + block, end));
                };
                switch (std::min(ROWS, count - m)) {
                    case 1: run(multiply_rows<1>); break;
                    case 2: run(multiply_rows<2>); break;
                    case 3: run(multiply_rows<3>); break;
                    default: run(multiply_rows<4>);
                }
            }
    });
}

// The rows of the first operand: for each term its exponent, and twice its product with 1 as `align_product` takes it.
struct Rows {
    std::vector<int16_t> exponents, doubled;

    Rows(const Matrices& rows, int64_t count, int64_t depth, int64_t padded)
        : exponents(count * padded), doubled(count * padded) {
        std::vector<int16_t> fields(3 * padded);
        for (int64_t m = 0; m < count; ++m) {
            const Matrices row = rows.from(0, m);
            if (rows.is_float32)
                matmul::split_rows<true, uint32_t>(row, 1, depth, padded, fields.data());
            else
                matmul::split_rows<true, uint16_t>(row, 1, depth, padded, fields.data());
            std::copy_n(fields.data(), padded, &exponents[m * padded]);
            for (int64_t k = 0; k < padded; ++k) {
                const int16_t product = static_cast<int16_t>(fields[padded + k] << 4);
                doubled[m * padded + k] = static_cast<int16_t>(2 * product + (product >> 15));
            }
        }
    }
};

// Weight k of a group.
inline int16_t weight_of(int16_t word, int k) {
    return static_cast<int16_t>(static_cast<int16_t>(word << (14 - 2 * k)) >> 14);
}

// The exponent of a product with a weight.
inline int16_t exponent_with(int16_t weight, int16_t exponent) {
    return weight ? exponent : static_cast<int16_t>(2 * matmul::NOTHING);
}

// Multiplies a group of a row by LANES columns: the largest exponents of the products, and the sums of the products.
inline void sum_group(
    const int16_t* row_exponents, const int16_t* row_doubled, const int16_t* __restrict words,
    int16_t* __restrict largest, int16_t* __restrict sums) {
    int16_t exponents[GROUP], doubled[GROUP];
    std::copy_n(row_exponents, GROUP, exponents);
    std::copy_n(row_doubled, GROUP, doubled);
    for (int n = 0; n < LANES; ++n) {
        const int16_t word = words[n];
        int16_t top = 2 * matmul::NOTHING;
#pragma GCC unroll 8
        for (int k = 0; k < GROUP; ++k) top = std::max(top, exponent_with(weight_of(word, k), exponents[k]));
        int16_t total = 0;
#pragma GCC unroll 8
        for (int k = 0; k < GROUP; ++k) {
            const int16_t weight = weight_of(word, k);
            const int16_t exponent = exponent_with(weight, exponents[k]);
            const int16_t distance = std::min<int16_t>(static_cast<int16_t>(top - exponent), 14);
            const int16_t scale = static_cast<int16_t>(0x4000 >> distance);
            const int16_t aligned =
                static_cast<int16_t>((((static_cast<int32_t>(doubled[k]) * scale) >> 14) + 1) >> 1);
            total = static_cast<int16_t>(total + aligned * weight);
        }
        largest[n] = top;
        sums[n] = total;
    }
}

// How a program with float32 sums takes K: `depth` terms at a time. The packer adds the sums of the first `added` blocks.
// The register goes on from the sum so far in the others.
struct Blocks {
    int64_t depth, added;
};

// Multiplies a row by a panel of which `width` columns are wanted.
inline void multiply_panel(
    float* result, int64_t width, const int16_t* exponents, const int16_t* doubled, const int16_t* panel,
    int64_t padded, const Blocks& blocks) {
    alignas(64) float totals[LANES] = {};
    alignas(64) int32_t bits[LANES], units[LANES];
    for (int64_t first = 0, number = 0; first < padded; first += blocks.depth, ++number) {
        const bool is_added = number < blocks.added;
        for (int n = 0; n < LANES; ++n) {
            const matmul::Register held = matmul::load_register(is_added ? 0.0f : totals[n]);
            bits[n] = held.bits;
            units[n] = held.unit;
        }
        for (int64_t k = first; k < std::min(first + blocks.depth, padded); k += 2 * GROUP) {
            alignas(64) int16_t largest[2][LANES], sums[2][LANES];
            for (int half = 0; half < 2; ++half) {
                const int64_t start = k + half * GROUP;
                fetch_ahead(panel + start / GROUP * LANES);
                sum_group(
                    exponents + start, doubled + start, panel + start / GROUP * LANES, largest[half], sums[half]);
            }
            for (int n = 0; n < LANES; ++n) {
                const matmul::Register held = matmul::add_groups<true>(
                    {bits[n], units[n]}, sums[0][n], largest[0][n], sums[1][n], largest[1][n]);
                bits[n] = held.bits;
                units[n] = held.unit;
            }
        }
        for (int n = 0; n < LANES; ++n) {
            const float sum = matmul::read_register({bits[n], units[n]});
            totals[n] = is_added && number ? sum + totals[n] : sum;
        }
    }
    std::copy_n(totals, width, result);
}

// result [count, columns] = rows @ matrix.
inline void multiply_lofi(
    float* result, const Matrices& rows, int64_t count, int64_t depth, const int16_t* matrix, int64_t columns,
    const Blocks& blocks, int threads) {
    const int64_t padded = matmul::round_up(depth, matmul::TILE), panels = matmul::round_up(columns, LANES) / LANES;
    const Rows split(rows, count, depth, padded);
    share_out(panels, threads, [&](int64_t begin, int64_t end) {
        for (int64_t panel = begin; panel < end; ++panel)
            for (int64_t m = 0; m < count; ++m)
                multiply_panel(
                    result + m * columns + panel * LANES, std::min<int64_t>(LANES, columns - panel * LANES),
                    &split.exponents[m * padded], &split.doubled[m * padded], matrix + panel * padded / GROUP * LANES,
                    padded, blocks);
    });
}

}  // namespace tensix::ternary
