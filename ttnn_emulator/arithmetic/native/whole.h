// SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
// SPDX-License-Identifier: Apache-2.0

// Sums of products of whole numbers, which have the same bits in any order while they stay below 2^24: rows of numbers
// of up to 2^15 times a matrix of int8, in 32-bit integers.
//
// The matrix lies column by column. Four rows share each reading of a column, and all rows share those columns that the
// CPU's cache holds.
//
// Example: the row 3, -2 times the columns 1, 1 and 0, -1 is 1, 2.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "bits.h"
#include "eltwise.h"
#include "loops.h"

namespace tensix::whole {

constexpr int64_t ROWS = 4;
constexpr int64_t CACHED = 1 << 17;  // numbers of the matrix

template <int COUNT>
inline void multiply_rows(
    float* result, int64_t columns, const int16_t* __restrict rows, int64_t depth, const int8_t* __restrict matrix,
    int64_t begin, int64_t end) {
    for (int64_t n = begin; n < end; ++n) {
        const int8_t* __restrict column = matrix + n * depth;
        int32_t sums[COUNT] = {};
        for (int64_t k = 0; k < depth; ++k)
#pragma GCC unroll 4
            for (int m = 0; m < COUNT; ++m) sums[m] += rows[m * depth + k] * column[k];
        for (int m = 0; m < COUNT; ++m) result[m * columns + n] = static_cast<float>(sums[m]);
    }
}

// result = rows @ matrix, [count, columns].
inline void multiply(
    float* result, const eltwise::Row& values, int64_t count, int64_t depth, const int8_t* matrix, int64_t columns,
    int threads) {
    std::vector<float> floats(count * depth);
    values.read(floats.data(), 0, count * depth);
    std::vector<int16_t> rows(count * depth);
    // where all of the matrix is zero there may be larger numbers
    for (int64_t i = 0; i < count * depth; ++i)
        rows[i] = static_cast<int16_t>(bounded(floats[i], -0x1p15f, 0x1p15f - 1));
    const int64_t block = std::max<int64_t>(CACHED / std::max<int64_t>(depth, 1), 1);
    share_out(columns, threads, [&](int64_t begin, int64_t end) {
        for (int64_t n = begin; n < end; n += block)
            for (int64_t m = 0; m < count; m += ROWS) {
                const auto run = [&](auto function) {
                    function(
                        result + m * columns, columns, rows.data() + m * depth, depth, matrix, n,
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

}  // namespace tensix::whole
