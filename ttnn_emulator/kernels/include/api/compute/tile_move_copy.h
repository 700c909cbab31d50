// SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
// SPDX-License-Identifier: Apache-2.0
// Tiles from a buffer to the destination register.
#pragma once
#include "api/compute/common.h"
namespace ckernel {
inline void copy_init(uint32_t, uint32_t = 0, uint32_t = 0) {}
inline void copy_tile_init(uint32_t) {}
inline void copy_tile_to_dst_init_short(uint32_t, uint32_t = 0) {}
inline void copy_tile_to_dst_init_short_with_dt(uint32_t, uint32_t cb, uint32_t = 0, AT) {
    reconfig_data_format_srca(cb, HERE);
}
inline void copy_tile(uint32_t cb, uint32_t tile, uint32_t to, AT) {
    UNPACK(emu_unpack(cb, tile, HERE);)
    MATH(emu_copy(to, HERE);)
}
inline void copy_block(uint32_t cb, uint32_t tile, uint32_t to, uint32_t count, AT) {
    for (uint32_t i = 0; i < count; i++) copy_tile(cb, tile + i, to + i, HERE);
}
}  // namespace ckernel
