// SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
// SPDX-License-Identifier: Apache-2.0

// Functions of the vector unit that have no header of their own.
#pragma once
#include "api/compute/common.h"

namespace ckernel {
inline void square_tile_init() {}
inline void square_tile(uint32_t tile, AT) { MATH(emu_unary(EMU_SQUARE, tile, 0, HERE);) }
inline void abs_tile_init() {}
inline void abs_tile(uint32_t tile, AT) { MATH(emu_unary(EMU_ABS, tile, 0, HERE);) }
inline void sigmoid_tile_init() {}
inline void sigmoid_tile(uint32_t tile, AT) { MATH(emu_unary(EMU_SIGMOID, tile, 0, HERE);) }
inline void silu_tile_init() {}
inline void silu_tile(uint32_t tile, AT) { MATH(emu_unary(EMU_SILU, tile, 0, HERE);) }
inline void tanh_tile_init() {}
inline void tanh_tile(uint32_t tile, AT) { MATH(emu_unary(EMU_TANH, tile, 0, HERE);) }
inline void log_tile_init() {}
inline void log_tile(uint32_t tile, AT) { MATH(emu_unary(EMU_LOG, tile, 0, HERE);) }
inline void unary_max_tile_init() {}
inline void unary_max_tile(uint32_t tile, uint32_t bits, AT) { MATH(emu_unary(EMU_MAX_SCALAR, tile, bits, HERE);) }
inline void unary_min_tile_init() {}
inline void unary_min_tile(uint32_t tile, uint32_t bits, AT) { MATH(emu_unary(EMU_MIN_SCALAR, tile, bits, HERE);) }
template <PoolType pool, DataFormat format>
inline void sfpu_reduce_init() {}
template <PoolType pool, DataFormat format, ReduceDim dim = REDUCE_COL>
inline void sfpu_reduce(uint32_t tile, uint32_t columns = 1, uint32_t rows = 1, AT) {
    static_assert(dim != REDUCE_SCALAR, "sfpu_reduce to one number is not emulated");
    static_assert(format == DataFormat::Float32 || format == DataFormat::Float16_b, "sfpu_reduce of integers is not emulated");
    MATH(emu_reduce(pool, dim == REDUCE_ROW, tile, columns * rows, HERE);)
}
}  // namespace ckernel
