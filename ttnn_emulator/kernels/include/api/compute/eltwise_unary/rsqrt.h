// SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
// SPDX-License-Identifier: Apache-2.0

// 1 / sqrt(x) of a tile, in the vector unit.
#pragma once
#include "api/compute/common.h"

namespace ckernel {
inline void rsqrt_tile_init() {}
inline void rsqrt_tile(uint32_t tile, AT) { MATH(emu_unary(EMU_RSQRT, tile, 0, HERE);) }
}  // namespace ckernel
