// SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
// SPDX-License-Identifier: Apache-2.0

// A tile of one number.
#pragma once
#include "api/compute/common.h"

namespace ckernel {
inline void fill_tile_init() {}
inline void fill_tile(uint32_t tile, float value, AT) { MATH(emu_unary(EMU_FILL, tile, std::bit_cast<uint32_t>(value), HERE);) }
inline void fill_tile_bitcast(uint32_t tile, uint32_t bits, AT) { MATH(emu_unary(EMU_FILL, tile, bits, HERE);) }
}  // namespace ckernel
