// SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
// SPDX-License-Identifier: Apache-2.0
// Comparisons of a tile with a number (the bits of a float32): 1 where they hold, else 0.
#pragma once
#include "api/compute/common.h"

namespace ckernel {
#define EMU_COMPARISON(name, with_zero, function)                                                                \
    inline void unary_##name##_tile_init() {}                                                                    \
    inline void unary_##name##_tile(uint32_t tile, uint32_t bits, AT) { MATH(emu_unary(function, tile, bits, HERE);) } \
    inline void with_zero##_tile_init() {}                                                                       \
    inline void with_zero##_tile(uint32_t tile, AT) { MATH(emu_unary(function, tile, 0, HERE);) }
EMU_COMPARISON(eq, eqz, EMU_EQUAL_SCALAR)
EMU_COMPARISON(ne, nez, EMU_NOT_EQUAL_SCALAR)
EMU_COMPARISON(gt, gtz, EMU_GREATER_SCALAR)
EMU_COMPARISON(ge, gez, EMU_GREATER_EQUAL_SCALAR)
EMU_COMPARISON(lt, ltz, EMU_LESS_SCALAR)
EMU_COMPARISON(le, lez, EMU_LESS_EQUAL_SCALAR)
#undef EMU_COMPARISON
}  // namespace ckernel
