// SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
// SPDX-License-Identifier: Apache-2.0

// The larger and the smaller of two tiles, in the vector unit.
#pragma once
#include "api/compute/common.h"

namespace ckernel {
inline void binary_max_tile_init() {}
inline void binary_max_tile(uint32_t a, uint32_t b, uint32_t to, AT) { MATH(emu_binary(EMU_MAX, a, b, to, HERE);) }
inline void binary_min_tile_init() {}
inline void binary_min_tile(uint32_t a, uint32_t b, uint32_t to, AT) { MATH(emu_binary(EMU_MIN, a, b, to, HERE);) }
}  // namespace ckernel
