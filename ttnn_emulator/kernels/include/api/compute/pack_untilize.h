// SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
// SPDX-License-Identifier: Apache-2.0
// Tiles of the destination register become rows of a row-major tensor: `wide` of the `across` tiles of its width.
#pragma once
#include "api/compute/tile_move_copy.h"

constexpr uint32_t TILE_C_DIM = 32, TILE_R_DIM = 32;

namespace ckernel {
template <
    uint32_t wide = 8, uint32_t across = wide, bool narrow = false, uint32_t row_values = TILE_C_DIM, bool dense = false,
    bool remaps = true>
inline void pack_untilize_dest_init(uint32_t) {}
template <uint32_t wide = 8, uint32_t across = wide>
inline void pack_untilize_init(uint32_t, uint32_t) {}
inline void pack_untilize_uninit(uint32_t) {}
template <
    uint32_t wide = 8, uint32_t across = wide, bool diagonal = false, bool narrow = false, uint32_t row_values = TILE_C_DIM,
    uint32_t first = 0, bool dense = false>
inline void pack_untilize_dest(uint32_t out, uint32_t high = 1, uint32_t part = 0, uint32_t first_row = 0, AT) {
    static_assert(!diagonal && !narrow && !dense && row_values == TILE_C_DIM, "only whole tiles become rows here");
    for (uint32_t row = 0; row < high; row++)
        for (uint32_t i = 0; i < wide; i++) {
            PACK(emu_pack_rows((first_row + row) * wide + first + i, out, row * across, part * wide + i, across, HERE);)
        }
}
template <uint32_t wide = 8, uint32_t across = wide>
inline void pack_untilize_block(uint32_t in, uint32_t high, uint32_t out, uint32_t part = 0, AT) {
    for (uint32_t row = 0; row < high; row++) {
        tile_regs_acquire(HERE);
        for (uint32_t i = 0; i < wide; i++) copy_tile(in, i, i, HERE);
        tile_regs_commit(HERE);
        tile_regs_wait(HERE);
        pack_untilize_dest<wide, across>(out, 1, part, 0, HERE);
        tile_regs_release(HERE);
    }
}
}  // namespace ckernel
