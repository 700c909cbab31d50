// SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
// SPDX-License-Identifier: Apache-2.0

// Sums, products and quotients of two tiles of the destination register, in the vector unit.
#pragma once
#include "api/compute/common.h"

namespace ckernel {
inline void add_binary_tile_init() {}
inline void add_binary_tile(uint32_t a, uint32_t b, uint32_t to, AT) { MATH(emu_binary(EMU_ADD, a, b, to, HERE);) }
inline void sub_binary_tile_init() {}
inline void sub_binary_tile(uint32_t a, uint32_t b, uint32_t to, AT) { MATH(emu_binary(EMU_SUBTRACT, a, b, to, HERE);) }
inline void mul_binary_tile_init() {}
inline void mul_binary_tile(uint32_t a, uint32_t b, uint32_t to, AT) { MATH(emu_binary(EMU_MULTIPLY, a, b, to, HERE);) }
inline void div_binary_tile_init() {}
inline void div_binary_tile(uint32_t a, uint32_t b, uint32_t to, AT) { MATH(emu_binary(EMU_DIVIDE, a, b, to, HERE);) }
}  // namespace ckernel
