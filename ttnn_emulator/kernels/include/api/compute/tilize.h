// SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
// SPDX-License-Identifier: Apache-2.0
// Rows of a row-major tensor become tiles.
#pragma once
#include "api/compute/common.h"

namespace ckernel {
#define EMU_TILIZE(name)                                                                                               \
    inline void name##_init(uint32_t, uint32_t, uint32_t) {}                                                           \
    inline void name##_uninit(uint32_t, uint32_t, uint32_t = 0) {}                                                     \
    inline void name##_block(uint32_t in, uint32_t across, uint32_t out, uint32_t first = 0, uint32_t page = 0, AT) {  \
        for (uint32_t i = 0; i < across; i++) {                                                                        \
            tile_regs_acquire(HERE);                                                                                   \
            UNPACK(emu_unpack_rows(in, first, i, across, HERE);)                                                       \
            MATH(emu_copy(0, HERE);)                                                                                   \
            tile_regs_commit(HERE);                                                                                    \
            tile_regs_wait(HERE);                                                                                      \
            PACK(emu_pack(0, out, true, page + i, HERE);)                                                              \
            tile_regs_release(HERE);                                                                                   \
        }                                                                                                              \
    }
EMU_TILIZE(tilize)
EMU_TILIZE(fast_tilize)
#undef EMU_TILIZE
}  // namespace ckernel
