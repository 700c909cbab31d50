// SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
// SPDX-License-Identifier: Apache-2.0
// Compute: RMS norm and int8 codes of rows whose tile columns are divided over the cores of a team.
//     rstd = 1 / sqrt(mean(x^2) + eps)
//     peak = max(|x * gamma| * rstd, 1e-5)
//     codes = round(x * gamma * rstd * 127 / peak)
// Without a norm (`normed` is false) gamma and rstd are 1, and a constant factor multiplies the results of the product.
// Three steps: every core measures its part, the leader makes the factors, every core makes the codes of its part.
//
// | buffer   | what it holds                     | pushed by           | waited for by       | popped by         |
// |----------|-----------------------------------|---------------------|---------------------|-------------------|
// | `rows`   | the part's tiles of the rows      | the program         | `measure`           | prefill's compute |
// | GAMMA    | the norm's weights of the part    | data movement       | `measure`           | nobody            |
// | PARTIALS | this core's measurements          | `measure`           | `send`              | `send`            |
// | GATHERED | the leader's: all measurements    | the leader's writer | `factors`           | the caller        |
// | FACTORS  | the leader's: what becomes SCALES | `factors`           | the leader's writer | the writer        |
// | SCALES   | the two factors of every row      | the writer          | `codes`             | the caller        |
// | CODES    | the part's codes                  | `codes`             | the writer          | the writer        |
//
// Tile 0 of SCALES turns x * gamma into codes. Tile 1 turns integer sums back. Both have one factor a row, in the first
// column. Without a norm, nothing touches GAMMA, and a measurement is a peak alone; see measurements.h.
//
// `codes` reads `rows` and GAMMA again, which `measure` has waited for and which still lie there.
// Semaphores: none.
#pragma once

#include "buffers.h"
#include "tiles.h"

namespace quantise {

// float32 bits, from int8_codes.py
constexpr uint32_t smallest_peak = get_named_compile_time_arg_val("smallest_peak");
constexpr uint32_t inverse_code = get_named_compile_time_arg_val("inverse_code");  // 1 / the largest code

// Peaks of |x * gamma| and sums of squares of x over this core's part: `part_tiles` tile columns at the front of the
// buffer `rows`. Their weights lie in GAMMA from tile `gamma` on.
ALWI void measure(bool normed, uint32_t rows, uint32_t gamma, uint32_t part_tiles) {
    constexpr uint32_t X = 0, GAMMA = 1, SUMS = 2, PEAKS = 3;
    cb_wait_front(rows, part_tiles);
    if (normed) {
        cb_wait_front(buffers::GAMMA, gamma + part_tiles);
    }
    tile_regs_acquire();
    for (uint32_t i = 0; i < part_tiles; i++) {
        const uint32_t squares = i ? X : SUMS, magnitudes = i ? X : PEAKS;
        if (normed) {
            tiles::load(rows, i, squares);
            tiles::square(squares);
            if (i) {
                tiles::add(SUMS, squares);
            }
        }
        tiles::load(rows, i, magnitudes);
        if (normed) {
            tiles::load(buffers::GAMMA, gamma + i, GAMMA);
            tiles::multiply_columns(magnitudes, GAMMA);
        }
        tiles::magnitude(magnitudes);
        if (i) {
            tiles::maximum(PEAKS, magnitudes);
        }
    }
    // The tiles are transposed, so that the results of the 32 rows lie side by side in the first row.
    tiles::transpose(PEAKS);
    tiles::join_rows<PoolType::MAX>(PEAKS);
    if (normed) {
        tiles::transpose(SUMS);
        tiles::join_rows<PoolType::SUM>(SUMS);
    }
    tile_regs_commit();
    cb_reserve_back(buffers::PARTIALS, 2);
    pack_reconfig_data_format(buffers::PARTIALS);
    tile_regs_wait();
    pack_tile(PEAKS, buffers::PARTIALS);
    if (normed) {
        pack_tile(SUMS, buffers::PARTIALS);
    }
    tile_regs_release();
    cb_push_back(buffers::PARTIALS, 2);
}

// 1 / sqrt(mean + eps) of the rows whose sums of squares lie in a tile.
ALWI void inverse_root_mean(uint32_t sums, uint32_t inverse_width, uint32_t eps) {
    binop_with_scalar_tile_init();
    mul_unary_tile(sums, inverse_width);
    add_unary_tile(sums, eps);
    rsqrt_tile_init();
    rsqrt_tile(sums);
}

// The leader calls this: it joins all measurements and makes both factors of every row. `gathered` is the number of
// tiles of peaks, and of tiles of sums. `inverse_width` is 1 / K. `constant` is the norm's eps, or the factor of the
// results if there is no norm. Both are float32 bits.
ALWI void factors(bool normed, uint32_t gathered, uint32_t inverse_width, uint32_t constant) {
    constexpr uint32_t SUMS = 0, PEAKS = 1, TO_CODES = 2, OTHER = 2;
    cb_wait_front(buffers::GATHERED, 2 * gathered);
    tile_regs_acquire();
    tiles::load(buffers::GATHERED, 0, PEAKS);
    for (uint32_t i = 1; i < gathered; i++) {
        tiles::load(buffers::GATHERED, i, OTHER);
        tiles::maximum(PEAKS, OTHER);
    }
    tiles::join_rows<PoolType::MAX>(PEAKS);
    if (normed) {
        tiles::load(buffers::GATHERED, gathered, SUMS);
        for (uint32_t i = 1; i < gathered; i++) {
            tiles::load(buffers::GATHERED, gathered + i, OTHER);
            tiles::add(SUMS, OTHER);
        }
        tiles::join_rows<PoolType::SUM>(SUMS);
        inverse_root_mean(SUMS, inverse_width, constant);
        tiles::multiply(PEAKS, SUMS);
    }
    unary_max_tile_init();
    unary_max_tile(PEAKS, smallest_peak);
    binop_with_scalar_tile_init();
    mul_unary_tile(PEAKS, inverse_code);
    copy_dest_values_init();
    copy_dest_values<DataFormat::Float32>(PEAKS, TO_CODES);
    recip_tile_init();
    recip_tile(TO_CODES);
    if (normed) {
        tiles::multiply(TO_CODES, SUMS);
    } else {
        binop_with_scalar_tile_init();
        mul_unary_tile(PEAKS, constant);
    }
    tiles::transpose(TO_CODES);
    tiles::transpose(PEAKS);
    tile_regs_commit();
    cb_reserve_back(buffers::FACTORS, 2);
    pack_reconfig_data_format(buffers::FACTORS);
    tile_regs_wait();
    pack_tile(TO_CODES, buffers::FACTORS);
    pack_tile(PEAKS, buffers::FACTORS);
    tile_regs_release();
    cb_push_back(buffers::FACTORS, 2);
}

// Codes of the part that `measure` has measured. Pushes `pages` pages of CODES, which hold the part.
ALWI void codes(bool normed, uint32_t rows, uint32_t gamma, uint32_t part_tiles, uint32_t pages) {
    constexpr uint32_t X = 0, FACTOR = 1;
    cb_wait_front(buffers::SCALES, 2);
    cb_reserve_back(buffers::CODES, pages);
    pack_reconfig_data_format(buffers::CODES);
    for (uint32_t i = 0; i < part_tiles; i++) {
        tile_regs_acquire();
        tiles::load(rows, i, X);
        if (normed) {
            tiles::load(buffers::GAMMA, gamma + i, FACTOR);
            tiles::multiply_columns(X, FACTOR);
        }
        tiles::load(buffers::SCALES, 0, FACTOR);
        tiles::multiply_rows(X, FACTOR);
        rounding_op_tile_init();
        round_tile(X, 0);
        tile_regs_commit();
        tile_regs_wait();
        pack_tile(X, buffers::CODES);
        tile_regs_release();
    }
    cb_push_back(buffers::CODES, pages);
}

}  // namespace quantise
