// SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
// SPDX-License-Identifier: Apache-2.0
// Tiles become rows of a row-major tensor.
#pragma once
#include "api/compute/tile_move_copy.h"

namespace ckernel {
inline void untilize_init(uint32_t) {}
inline void untilize_uninit(uint32_t) {}
template <uint32_t at_once = 1>
inline void untilize_block(uint32_t in, uint32_t across, uint32_t out, AT) {
    for (uint32_t i = 0; i < across; i++) {
        tile_regs_acquire(HERE);
        copy_tile(in, i, 0, HERE);
        tile_regs_commit(HERE);
        tile_regs_wait(HERE);
        PACK(emu_pack_rows(0, out, 0, i, across, HERE);)
        tile_regs_release(HERE);
    }
}
}  // namespace ckernel
