// SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
// SPDX-License-Identifier: Apache-2.0
// Tiles from the destination register to a buffer.
#pragma once
#include "api/compute/common_globals.h"
namespace ckernel {
template <bool out_of_order = false>
inline void pack_tile(uint32_t from, uint32_t cb, uint32_t page = 0, AT) { PACK(emu_pack(from, cb, out_of_order, page, HERE);) }
inline void pack_block(uint32_t from, uint32_t cb, uint32_t count, AT) {
    for (uint32_t i = 0; i < count; i++) pack_tile(from + i, cb, 0, HERE);
}
inline void pack_init(uint32_t) {}
// The packer adds to what a page holds instead of writing it.
inline void pack_reconfig_l1_acc(uint32_t adds, AT) { PACK(emu_pack_adds(adds, HERE);) }
}  // namespace ckernel
