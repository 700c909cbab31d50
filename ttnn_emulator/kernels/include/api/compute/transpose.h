// SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
// SPDX-License-Identifier: Apache-2.0
// A tile whose rows become columns on the way to the destination register.
#pragma once
#include "api/compute/tile_move_copy.h"

namespace ckernel {
inline void transpose_init(uint32_t) {}
inline void transpose_tile(uint32_t cb, uint32_t tile, uint32_t to, AT) {
    copy_tile(cb, tile, to, HERE);
    MATH(emu_transpose(to, HERE);)
}
inline void transpose_block(uint32_t cb, uint32_t tile, uint32_t to, uint32_t count, AT) {
    for (uint32_t i = 0; i < count; i++) transpose_tile(cb, tile + i, to + i, HERE);
}
}  // namespace ckernel
