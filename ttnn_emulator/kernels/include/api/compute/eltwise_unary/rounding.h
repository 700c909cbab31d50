// SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
// SPDX-License-Identifier: Apache-2.0

// Rounding of a tile, in the vector unit.
#pragma once
#include "api/compute/common.h"

namespace ckernel {
inline void rounding_op_tile_init() {}
inline void floor_tile(uint32_t tile, AT) { MATH(emu_unary(EMU_FLOOR, tile, 0, HERE);) }
inline void ceil_tile(uint32_t tile, AT) { MATH(emu_unary(EMU_CEIL, tile, 0, HERE);) }
inline void trunc_tile(uint32_t tile, AT) { MATH(emu_unary(EMU_TRUNC, tile, 0, HERE);) }
inline void round_tile(uint32_t tile, int32_t decimals, AT) {
    float scale = 1;
    for (int32_t i = decimals; i > 0; i--) scale *= 10;
    for (int32_t i = decimals; i < 0; i++) scale /= 10;
    MATH(emu_unary(EMU_ROUND, tile, std::bit_cast<uint32_t>(scale), HERE);)
}
}  // namespace ckernel
