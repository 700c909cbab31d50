// SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
// SPDX-License-Identifier: Apache-2.0

// The matrix unit's sums and products of a tile and a row, a column or a number.
#pragma once
#include "api/compute/eltwise_binary.h"

namespace ckernel {
inline void add_bcast_rows_init(uint32_t, uint32_t) {}
inline void add_tiles_bcast_rows(uint32_t in0, uint32_t in1, uint32_t tile0, uint32_t tile1, uint32_t to, AT) {
    emu::two_tiles(EMU_ADD, EMU_ROW, in0, in1, tile0, tile1, to, HERE);
}
inline void sub_bcast_rows_init(uint32_t, uint32_t) {}
inline void sub_tiles_bcast_rows(uint32_t in0, uint32_t in1, uint32_t tile0, uint32_t tile1, uint32_t to, AT) {
    emu::two_tiles(EMU_SUBTRACT, EMU_ROW, in0, in1, tile0, tile1, to, HERE);
}
inline void mul_bcast_rows_init(uint32_t, uint32_t) {}
inline void mul_tiles_bcast_rows(uint32_t in0, uint32_t in1, uint32_t tile0, uint32_t tile1, uint32_t to, AT) {
    emu::two_tiles(EMU_MULTIPLY, EMU_ROW, in0, in1, tile0, tile1, to, HERE);
}
inline void add_bcast_cols_init(uint32_t, uint32_t) {}
inline void add_tiles_bcast_cols(uint32_t in0, uint32_t in1, uint32_t tile0, uint32_t tile1, uint32_t to, AT) {
    emu::two_tiles(EMU_ADD, EMU_COLUMN, in0, in1, tile0, tile1, to, HERE);
}
inline void sub_bcast_cols_init(uint32_t, uint32_t) {}
inline void sub_tiles_bcast_cols(uint32_t in0, uint32_t in1, uint32_t tile0, uint32_t tile1, uint32_t to, AT) {
    emu::two_tiles(EMU_SUBTRACT, EMU_COLUMN, in0, in1, tile0, tile1, to, HERE);
}
inline void mul_bcast_cols_init(uint32_t, uint32_t) {}
inline void mul_tiles_bcast_cols(uint32_t in0, uint32_t in1, uint32_t tile0, uint32_t tile1, uint32_t to, AT) {
    emu::two_tiles(EMU_MULTIPLY, EMU_COLUMN, in0, in1, tile0, tile1, to, HERE);
}
inline void add_bcast_scalar_init(uint32_t, uint32_t) {}
inline void add_tiles_bcast_scalar(uint32_t in0, uint32_t in1, uint32_t tile0, uint32_t tile1, uint32_t to, AT) {
    emu::two_tiles(EMU_ADD, EMU_SCALAR, in0, in1, tile0, tile1, to, HERE);
}
inline void sub_bcast_scalar_init(uint32_t, uint32_t) {}
inline void sub_tiles_bcast_scalar(uint32_t in0, uint32_t in1, uint32_t tile0, uint32_t tile1, uint32_t to, AT) {
    emu::two_tiles(EMU_SUBTRACT, EMU_SCALAR, in0, in1, tile0, tile1, to, HERE);
}
inline void mul_bcast_scalar_init(uint32_t, uint32_t) {}
inline void mul_tiles_bcast_scalar(uint32_t in0, uint32_t in1, uint32_t tile0, uint32_t tile1, uint32_t to, AT) {
    emu::two_tiles(EMU_MULTIPLY, EMU_SCALAR, in0, in1, tile0, tile1, to, HERE);
}
}  // namespace ckernel
