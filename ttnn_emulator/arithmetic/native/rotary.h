// SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
// SPDX-License-Identifier: Apache-2.0

// The kernels of the rotary embeddings, row by row: x cos + rotated sin. All steps are the matrix unit's, and what lies
// between two of them is bfloat16, also where sums are float32.
//
// `rotated` is each tile of x times a matrix of one tile, or else the row's halves exchanged, the second one negative.
//
// Example: the row 1, 2 by halves, with cos 0.5, 0.5 and sin 0.25, 0.25. It is rotated to -2, 1, and the result is
// 0.5 - 0.5 = 0 and 1 + 0.25 = 1.25.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "eltwise.h"
#include "formats.h"
#include "matrix_unit.h"
#include "product.h"

namespace tensix::rotary {

// A tensor [.., .., .., width] whose rows are contiguous, and its steps from one row to the next in each dimension.
struct Rows {
    const void* data;
    bool is_float32;  // else bfloat16
    int64_t steps[3];

    void read(float* result, int64_t i, int64_t j, int64_t k, int64_t width) const {
        eltwise::Row{data, is_float32, 1}.read(result, i * steps[0] + j * steps[1] + k * steps[2], width);
    }
};

template <int PHASES, bool WIDE>
void rotate(
    float* result, const Rows& x, const Rows& cos, const Rows& sin, const matmul::Matrices& matrix,
    const int64_t (&sizes)[3], int64_t width) {
    const int64_t count = sizes[0] * sizes[1] * sizes[2] * width, half = width / 2;
    std::vector<float> rows(count), rotated(count), factors(width);
    const auto for_rows = [&](auto function) {
        int64_t place = 0;
        for (int64_t i = 0; i < sizes[0]; ++i)
            for (int64_t j = 0; j < sizes[1]; ++j)
                for (int64_t k = 0; k < sizes[2]; ++k, place += width) function(i, j, k, place);
    };
    for_rows([&](int64_t i, int64_t j, int64_t k, int64_t place) {
        float* row = rows.data() + place;
        float* turned = rotated.data() + place;
        x.read(row, i, j, k, width);
        if (matrix.data) return;
        for (int64_t n = 0; n < half; ++n) turned[n] = packed(fpu::multiply<PHASES, WIDE>(row[half + n], -1.0f));
        std::copy_n(row, half, turned + half);
    });
    if (matrix.data) {
        constexpr int64_t TILE = matmul::TILE;
        matmul::multiply(
            {rotated.data(), 0, TILE, 1}, {rows.data(), true, 0, TILE, 1}, matrix, 1, {count / TILE, TILE, TILE},
            PHASES, WIDE, 1);
        for (float& value : rotated) value = packed(value);
    }
    for_rows([&](int64_t i, int64_t j, int64_t k, int64_t place) {
        const auto multiply = [&](float* row, const Rows& by) {
            by.read(factors.data(), i, j, k, width);
            for (int64_t n = 0; n < width; ++n) row[n] = packed(fpu::multiply<PHASES, WIDE>(row[n], factors[n]));
        };
        float* row = rows.data() + place;
        float* turned = rotated.data() + place;
        multiply(row, cos);
        multiply(turned, sin);
        for (int64_t n = 0; n < width; ++n) result[place + n] = fpu::add<WIDE>(row[n], turned[n]);
    });
}

}  // namespace tensix::rotary
