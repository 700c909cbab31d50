// SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
// SPDX-License-Identifier: Apache-2.0

// A tile and the first row or column of another one, in the vector unit.
#pragma once
#include "api/compute/common.h"

namespace ckernel {
inline void sfpu_bcast_row_init() {}
inline void sfpu_add_bcast_row_init() {}
inline void sfpu_add_bcast_row(uint32_t tile, uint32_t other, AT) { MATH(emu_broadcast(EMU_ADD, EMU_ROW, tile, other, HERE);) }
inline void sfpu_sub_bcast_row_init() {}
inline void sfpu_sub_bcast_row(uint32_t tile, uint32_t other, AT) { MATH(emu_broadcast(EMU_SUBTRACT, EMU_ROW, tile, other, HERE);) }
inline void sfpu_mul_bcast_row_init() {}
inline void sfpu_mul_bcast_row(uint32_t tile, uint32_t other, AT) { MATH(emu_broadcast(EMU_MULTIPLY, EMU_ROW, tile, other, HERE);) }
inline void sfpu_bcast_col_init() {}
inline void sfpu_add_bcast_col_init() {}
inline void sfpu_add_bcast_col(uint32_t tile, uint32_t other, AT) { MATH(emu_broadcast(EMU_ADD, EMU_COLUMN, tile, other, HERE);) }
inline void sfpu_sub_bcast_col_init() {}
inline void sfpu_sub_bcast_col(uint32_t tile, uint32_t other, AT) { MATH(emu_broadcast(EMU_SUBTRACT, EMU_COLUMN, tile, other, HERE);) }
inline void sfpu_mul_bcast_col_init() {}
inline void sfpu_mul_bcast_col(uint32_t tile, uint32_t other, AT) { MATH(emu_broadcast(EMU_MULTIPLY, EMU_COLUMN, tile, other, HERE);) }
}  // namespace ckernel
