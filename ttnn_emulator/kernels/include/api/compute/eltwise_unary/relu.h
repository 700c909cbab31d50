// SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
// SPDX-License-Identifier: Apache-2.0

// max(x, 0) of a tile, in the vector unit.
#pragma once
#include "api/compute/common.h"

namespace ckernel {
inline void relu_tile_init() {}
inline void relu_tile(uint32_t tile, AT) { MATH(emu_unary(EMU_RELU, tile, 0, HERE);) }
}  // namespace ckernel
