// SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
// SPDX-License-Identifier: Apache-2.0

// The kernels of rms_norm and layer_norm, row by row: each step is the matrix unit's, but for the reciprocal root and
// the division of a sum by the width, which the vector unit takes.
//
//   x          the input, in a 16-bit register cut to 8 bits, plus the residual; layer_norm subtracts its mean
//   deviation  rsqrt(mean(x * x) + epsilon)
//   result     x * deviation * weight + bias
//
// A mean on one core is a sum, stored after the vector unit has multiplied it by 1 / width. Where a row is shared out
// among cores, each core's mean is a sum of products with 1 / (its columns) as bfloat16. The means of all rows of cores
// but the first are added up, and those sums and the first row's means are averaged. Each value of such a sum stands in
// a tile of its own.
//
// Example: the row 3, 4 with epsilon 0 and float32 sums. The squares 9 and 16 sum to 25, times 0.5 is 12.5; rsqrt gives
// 0.2828427, and the products with its 11 leading bits are 0.8481 and 1.1309.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "eltwise.h"
#include "matrix_unit.h"
#include "product.h"
#include "vector_functions.h"

namespace tensix::norm {

using eltwise::Row;
using sfpu::Architecture;

// How a program computes: `columns` of a row lie on a core and `cores` form a row of them; 0 columns: one core.
struct Settings {
    int phases;
    bool wide, blackhole, subtracts_mean;
    float epsilon;
    int64_t columns, cores;
};

// The sum of each of `rows` rows times a factor that the kernel keeps as bfloat16.
inline std::vector<float> sum(const float* x, int64_t rows, int64_t width, float factor, const Settings& how) {
    const std::vector<uint16_t> factors(width, to_bfloat16<Rounding::NEAREST_EVEN>(factor));
    std::vector<float> result(rows);
    matmul::multiply(
        {result.data(), 0, 1, 1}, {x, true, 0, width, 1}, {factors.data(), false, 0, 1, 1}, 1, {rows, width, 1},
        how.phases, how.wide, 1);
    return result;
}

// The sum of `count` values from the first on, of each row of [rows, step], each in a tile of its own.
inline std::vector<float> sum_tiles(
    const float* values, int64_t rows, int64_t step, int64_t count, float factor, const Settings& how) {
    const int64_t width = count * matmul::TILE;
    std::vector<float> tiles(rows * width);
    for (int64_t row = 0; row < rows; ++row)
        for (int64_t i = 0; i < count; ++i) tiles[row * width + i * matmul::TILE] = values[row * step + i];
    return sum(tiles.data(), rows, width, factor, how);
}

inline std::vector<float> mean(const float* x, int64_t rows, int64_t width, const Settings& how) {
    if (!how.columns) {
        std::vector<float> result = sum(x, rows, width, 1.0f, how);
        const float share = static_cast<float>(1.0 / static_cast<double>(width));
        for (float& value : result)
            value = how.wide ? sfpu::store<Rounding::TRUNCATE, true>(value * share)
                             : sfpu::store<Rounding::TRUNCATE, false>(value * share);
        return result;
    }
    const int64_t shares = (width + how.columns - 1) / how.columns, padded = shares * how.columns;
    std::vector<float> filled(rows * padded);
    for (int64_t row = 0; row < rows; ++row) std::copy_n(x + row * width, width, filled.data() + row * padded);
    const std::vector<float> means = sum(
        filled.data(), rows * shares, how.columns, static_cast<float>(1.0 / static_cast<double>(how.columns)), how);
    const int64_t first = std::min(how.cores, shares), others = (shares - first + how.cores - 1) / how.cores;
    std::vector<float> last(rows * (first + others));
    for (int64_t row = 0; row < rows; ++row)
        std::copy_n(means.data() + row * shares, first, last.data() + row * (first + others));
    for (int64_t other = 0; other < others; ++other) {
        const int64_t start = first + other * how.cores, count = std::min(how.cores, shares - start);
        const std::vector<float> total = sum_tiles(means.data() + start, rows, shares, count, 1.0f, how);
        for (int64_t row = 0; row < rows; ++row) last[row * (first + others) + first + other] = total[row];
    }
    return sum_tiles(
        last.data(), rows, first + others, first + others, static_cast<float>(1.0 / static_cast<double>(shares)), how);
}

template <bool WIDE>
inline float inverse_root(float x, bool blackhole) {
    using sfpu::Function;
    return blackhole ? sfpu::apply<Function::RSQRT, Architecture::BLACKHOLE, WIDE>(x)
                     : sfpu::apply<Function::RSQRT, Architecture::WORMHOLE, WIDE>(x);
}

template <int PHASES, bool WIDE>
void normalize(
    float* x, const Row& residual, const Row& weight, const Row& bias, int64_t rows, int64_t width,
    const Settings& how) {
    const int64_t count = rows * width;
    std::vector<float> part(width);
    const auto add_to_rows = [&](const Row& addend, bool one_for_all) {
        for (int64_t row = 0; row < rows; ++row) {
            addend.read(part.data(), one_for_all ? 0 : row * width, width);
            for (int64_t i = 0; i < width; ++i)
                x[row * width + i] = fpu::add<WIDE>(x[row * width + i], part[i]);
        }
    };
    if (!WIDE)
        for (int64_t i = 0; i < count; ++i) x[i] = truncate(x[i], 8);
    if (residual.data) add_to_rows(residual, false);
    if (how.subtracts_mean) {
        const std::vector<float> means = mean(x, rows, width, how);
        for (int64_t i = 0; i < count; ++i) x[i] = fpu::add<WIDE>(x[i], -means[i / width]);
    }
    std::vector<float> squares(count);
    for (int64_t i = 0; i < count; ++i) squares[i] = fpu::multiply<PHASES, WIDE>(x[i], x[i]);
    const std::vector<float> variance = mean(squares.data(), rows, width, how);
    if (weight.data) weight.read(part.data(), 0, width);
    for (int64_t row = 0; row < rows; ++row) {
        const float shifted = fpu::add<WIDE>(variance[row], how.epsilon);
        const float deviation = inverse_root<WIDE>(shifted, how.blackhole);
        float* own = x + row * width;
        for (int64_t i = 0; i < width; ++i) own[i] = fpu::multiply<PHASES, WIDE>(own[i], deviation);
        if (!weight.data) continue;
        for (int64_t i = 0; i < width; ++i) own[i] = fpu::multiply<PHASES, WIDE>(own[i], part[i]);
    }
    if (bias.data) add_to_rows(bias, true);
}

using Normalize = void (*)(float*, const Row&, const Row&, const Row&, int64_t, int64_t, const Settings&);

inline Normalize find(int phases, bool wide) {
    switch (phases) {
        case 1: return wide ? normalize<1, true> : normalize<1, false>;
        case 2: return wide ? normalize<2, true> : normalize<2, false>;
        case 3: return wide ? normalize<3, true> : normalize<3, false>;
        default: return wide ? normalize<4, true> : normalize<4, false>;
    }
}

}  // namespace tensix::norm
