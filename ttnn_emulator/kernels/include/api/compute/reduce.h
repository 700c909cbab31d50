// SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
// SPDX-License-Identifier: Apache-2.0
// Sums, averages and maxima of the rows or columns of a tile, or of all of it, in the matrix unit. They are multiplied by
// the first number of another tile, and added to what the destination register holds (or the larger one stays).
#pragma once
#include "api/compute/common.h"

namespace ckernel {
template <PoolType pool, ReduceDim dim>
inline void reduce_init(uint32_t, uint32_t, uint32_t) {}
inline void reduce_uninit(uint32_t = 0) {}
template <PoolType pool, ReduceDim dim>
inline void reduce_tile(uint32_t cb, uint32_t cb_scaler, uint32_t tile, uint32_t scaler, uint32_t to, AT) {
    static_assert(pool != MIN, "the matrix unit has no minimum");
    constexpr int over_columns = dim != REDUCE_COL, over_rows = dim != REDUCE_ROW;
    UNPACK(emu_unpack_two(cb, cb_scaler, tile, scaler, HERE);)
    MATH(emu_reduce_scaled(pool == MAX, over_rows, over_columns, to, HERE);)
}
template <PoolType pool, ReduceDim dim>
inline void reduce_block(uint32_t cb, uint32_t cb_scaler, uint32_t tile, uint32_t scaler, uint32_t to, uint32_t count, AT) {
    for (uint32_t i = 0; i < count; i++) reduce_tile<pool, dim>(cb, cb_scaler, tile + i, scaler, to + i, HERE);
}
}  // namespace ckernel
