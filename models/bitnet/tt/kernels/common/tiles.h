// SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
// SPDX-License-Identifier: Apache-2.0
// Compute: steps on tiles of the destination register. The vector unit works on them in float32. `load` reads a tile of
// the caller's circular buffer, which the caller has waited for. Nothing here pushes, waits or pops.
// Semaphores: none.
#pragma once

#include "api/compute/binary_max_min.h"
#include "api/compute/common.h"
#include "api/compute/compute_kernel_api.h"
#include "api/compute/eltwise_binary_sfpu.h"
#include "api/compute/eltwise_unary/binop_with_scalar.h"
#include "api/compute/eltwise_unary/recip.h"
#include "api/compute/eltwise_unary/relu.h"
#include "api/compute/eltwise_unary/rounding.h"
#include "api/compute/eltwise_unary/rsqrt.h"
#include "api/compute/reconfig_data_format.h"
#include "api/compute/sfpu_binary_bcast.h"
#include "api/compute/tile_move_copy.h"
#include "api/compute/transpose_dest.h"

namespace tiles {

ALWI void load(uint32_t buffer, uint32_t tile, uint32_t to) {
    reconfig_data_format_srca(buffer);
    copy_init(buffer);
    copy_tile(buffer, tile, to);
}

ALWI void square(uint32_t tile) {
    square_tile_init();
    square_tile(tile);
}

ALWI void squared_relu(uint32_t tile) {
    relu_tile_init();
    relu_tile(tile);
    square(tile);
}

ALWI void silu(uint32_t tile) {
    silu_tile_init();
    silu_tile(tile);
}

ALWI void magnitude(uint32_t tile) {
    abs_tile_init();
    abs_tile(tile);
}

ALWI void add(uint32_t to, uint32_t other) {
    add_binary_tile_init();
    add_binary_tile(to, other, to);
}

ALWI void multiply(uint32_t to, uint32_t other) {
    mul_binary_tile_init();
    mul_binary_tile(to, other, to);
}

ALWI void maximum(uint32_t to, uint32_t other) {
    binary_max_tile_init();
    binary_max_tile(to, other, to);
}

// Multiplies each column of `to` by the value in the first row of `other`.
ALWI void multiply_columns(uint32_t to, uint32_t other) {
    sfpu_mul_bcast_row_init();
    sfpu_mul_bcast_row(to, other);
}

// Multiplies each row of `to` by the value in the first column of `other`.
ALWI void multiply_rows(uint32_t to, uint32_t other) {
    sfpu_mul_bcast_col_init();
    sfpu_mul_bcast_col(to, other);
}

// Sums (or takes the maximum of) all rows of a tile, into its first row.
template <PoolType pool>
ALWI void join_rows(uint32_t tile) {
    sfpu_reduce_init<pool, DataFormat::Float32>();
    sfpu_reduce<pool, DataFormat::Float32, ReduceDim::REDUCE_COL>(tile);
}

ALWI void transpose(uint32_t tile) {
    transpose_dest_init<true>();
    transpose_dest<true>(tile);
}

}  // namespace tiles
