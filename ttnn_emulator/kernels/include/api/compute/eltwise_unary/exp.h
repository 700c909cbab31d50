// SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
// SPDX-License-Identifier: Apache-2.0

// e^x of a tile, in the vector unit.
#pragma once
#include "api/compute/common.h"

namespace ckernel {
inline void exp_tile_init() {}
inline void exp_tile(uint32_t tile, AT) { MATH(emu_unary(EMU_EXP, tile, 0, HERE);) }
}  // namespace ckernel
