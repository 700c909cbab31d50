// SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
// SPDX-License-Identifier: Apache-2.0

// A tile and a number (the bits of a float32), in the vector unit. A division multiplies: its number is the inverse.
#pragma once
#include "api/compute/common.h"

namespace ckernel {
inline void binop_with_scalar_tile_init() {}
inline void add_unary_tile(uint32_t tile, uint32_t bits, AT) { MATH(emu_unary(EMU_ADD_SCALAR, tile, bits, HERE);) }
inline void sub_unary_tile(uint32_t tile, uint32_t bits, AT) { MATH(emu_unary(EMU_SUBTRACT_SCALAR, tile, bits, HERE);) }
inline void mul_unary_tile(uint32_t tile, uint32_t bits, AT) { MATH(emu_unary(EMU_MULTIPLY_SCALAR, tile, bits, HERE);) }
inline void div_unary_tile(uint32_t tile, uint32_t bits, AT) { MATH(emu_unary(EMU_DIVIDE_SCALAR, tile, bits, HERE);) }
inline void rsub_unary_tile(uint32_t tile, uint32_t bits, AT) { MATH(emu_unary(EMU_REVERSE_SUBTRACT_SCALAR, tile, bits, HERE);) }
}  // namespace ckernel
