// SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
// SPDX-License-Identifier: Apache-2.0

// Sums, products, quotients and comparisons of two tiles of the destination register, in the vector unit.
#pragma once
#include "api/compute/common.h"

namespace ckernel {
#define EMU_VECTOR_BINARY(name, operation)              \
    inline void name##_binary_tile_init() {}            \
    inline void name##_binary_tile(uint32_t a, uint32_t b, uint32_t to, AT) { MATH(emu_binary(operation, a, b, to, HERE);) }
EMU_VECTOR_BINARY(add, EMU_ADD)
EMU_VECTOR_BINARY(sub, EMU_SUBTRACT)
EMU_VECTOR_BINARY(rsub, EMU_REVERSE_SUBTRACT)
EMU_VECTOR_BINARY(mul, EMU_MULTIPLY)
EMU_VECTOR_BINARY(div, EMU_DIVIDE)
EMU_VECTOR_BINARY(eq, EMU_EQUAL)
EMU_VECTOR_BINARY(ne, EMU_NOT_EQUAL)
EMU_VECTOR_BINARY(gt, EMU_GREATER)
EMU_VECTOR_BINARY(ge, EMU_GREATER_EQUAL)
EMU_VECTOR_BINARY(lt, EMU_LESS)
EMU_VECTOR_BINARY(le, EMU_LESS_EQUAL)
#undef EMU_VECTOR_BINARY
}  // namespace ckernel
