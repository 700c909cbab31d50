// SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
// SPDX-License-Identifier: Apache-2.0
// RMS norm and int8 codes of rows whose columns are shared out over cores:
//     codes = round(x * gamma * rstd * 127 / peak),  rstd = 1 / sqrt(mean(x^2) + eps),  peak = max(|x * gamma| * rstd,
//     1e-5)
// in three steps: each core's sums and peaks, the leader's factors, each core's codes.
#pragma once

#include "buffers.h"
#include "tiles.h"

namespace quantise {

constexpr uint32_t SMALLEST_PEAK = 0x3727c5ac;  // 1e-5 in float32: a row of zeros has a scale too
constexpr uint32_t ONE_CODE = 0x3c010204;       // 1 / 127

// Sums of squares and peaks of |x * gamma| over this core's part.
ALWI void measure(uint32_t parts) {
    constexpr uint32_t X = 0, GAMMA = 1, SUMS = 2, PEAKS = 3;
    cb_wait_front(buffers::ROWS, parts);
    cb_wait_front(buffers::GAMMA, parts);
    tile_regs_acquire();
    for (uint32_t i = 0; i < parts; i++) {
        const uint32_t squares = i ? X : SUMS, magnitudes = i ? X : PEAKS;
        tiles::load(buffers::ROWS, i, squares);
        tiles::square(squares);
        if (i) {
            tiles::add(SUMS, squares);
        }
        tiles::load(buffers::ROWS, i, magnitudes);
        tiles::load(buffers::GAMMA, i, GAMMA);
        tiles::multiply_columns(magnitudes, GAMMA);
        tiles::magnitude(magnitudes);
        if (i) {
            tiles::maximum(PEAKS, magnitudes);
        }
    }
    // columns become rows, so that the results of the 32 rows lie side by side
    tiles::transpose(SUMS);
    tiles::transpose(PEAKS);
    tiles::join_rows<PoolType::SUM>(SUMS);
    tiles::join_rows<PoolType::MAX>(PEAKS);
    tile_regs_commit();
    cb_reserve_back(buffers::PARTIALS, 2);
    pack_reconfig_data_format(buffers::PARTIALS);
    tile_regs_wait();
    pack_tile(SUMS, buffers::PARTIALS);
    pack_tile(PEAKS, buffers::PARTIALS);
    tile_regs_release();
    cb_push_back(buffers::PARTIALS, 2);
}

// The leader: what takes x * gamma to codes, and integer sums back. `gathered`: tiles of sums (as many of peaks).
ALWI void factors(uint32_t gathered, uint32_t inverse_width, uint32_t eps) {
    constexpr uint32_t SUMS = 0, PEAKS = 1, OTHER = 2;
    cb_wait_front(buffers::GATHERED, 2 * gathered);
    tile_regs_acquire();
    tiles::load(buffers::GATHERED, 0, SUMS);
    tiles::load(buffers::GATHERED, gathered, PEAKS);
    for (uint32_t i = 1; i < gathered; i++) {
        tiles::load(buffers::GATHERED, i, OTHER);
        tiles::add(SUMS, OTHER);
        tiles::load(buffers::GATHERED, gathered + i, OTHER);
        tiles::maximum(PEAKS, OTHER);
    }
    tiles::join_rows<PoolType::SUM>(SUMS);
    tiles::join_rows<PoolType::MAX>(PEAKS);
    binop_with_scalar_tile_init();
    mul_unary_tile(SUMS, inverse_width);
    add_unary_tile(SUMS, eps);
    rsqrt_tile_init();
    rsqrt_tile(SUMS);
    tiles::multiply(PEAKS, SUMS);
    unary_max_tile_init();
    unary_max_tile(PEAKS, SMALLEST_PEAK);
    binop_with_scalar_tile_init();
    mul_unary_tile(PEAKS, ONE_CODE);
    copy_dest_values_init();
    copy_dest_values<DataFormat::Float32>(PEAKS, OTHER);
    recip_tile_init();
    recip_tile(OTHER);
    tiles::multiply(SUMS, OTHER);
    tiles::transpose(SUMS);
    tiles::transpose(PEAKS);
    tile_regs_commit();
    cb_reserve_back(buffers::FACTORS, 2);
    pack_reconfig_data_format(buffers::FACTORS);
    tile_regs_wait();
    pack_tile(SUMS, buffers::FACTORS);
    pack_tile(PEAKS, buffers::FACTORS);
    tile_regs_release();
    cb_push_back(buffers::FACTORS, 2);
}

ALWI void codes(uint32_t parts) {
    constexpr uint32_t X = 0, FACTOR = 1;
    cb_wait_front(buffers::SCALES, 2);
    cb_reserve_back(buffers::CODES, parts);
    pack_reconfig_data_format(buffers::CODES);
    for (uint32_t i = 0; i < parts; i++) {
        tile_regs_acquire();
        tiles::load(buffers::ROWS, i, X);
        tiles::load(buffers::GAMMA, i, FACTOR);
        tiles::multiply_columns(X, FACTOR);
        tiles::load(buffers::SCALES, 0, FACTOR);
        tiles::multiply_rows(X, FACTOR);
        rounding_op_tile_init();
        round_tile(X, 0);
        tile_regs_commit();
        tile_regs_wait();
        pack_tile(X, buffers::CODES);
        tile_regs_release();
    }
    cb_push_back(buffers::CODES, parts);
}

}  // namespace quantise
