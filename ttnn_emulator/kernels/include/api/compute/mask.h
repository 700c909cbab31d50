// SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
// SPDX-License-Identifier: Apache-2.0
// Clears a tile where the tile behind it in the destination register is zero.
#pragma once
#include "api/compute/common.h"

namespace ckernel {
inline void mask_tile_init() {}
inline void mask_tile(uint32_t tile, uint32_t mask, DataFormat format = DataFormat::Float16_b, AT) {
    MATH(emu_mask(tile, mask, HERE);)
}
}  // namespace ckernel
