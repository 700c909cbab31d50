// SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
// SPDX-License-Identifier: Apache-2.0
// Matrix products. The first operand goes to SrcB, the second to SrcA.
#pragma once
#include "api/compute/common.h"
namespace ckernel {
inline void matmul_init(uint32_t, uint32_t, uint32_t transpose = 0) {}
inline void matmul_block_init(uint32_t, uint32_t, uint32_t = 0, uint32_t = 1, uint32_t = 1, uint32_t = 1) {}
inline void matmul_block(
    uint32_t in0, uint32_t in1, uint32_t tile0, uint32_t tile1, uint32_t to, uint32_t transpose, uint32_t columns,
    uint32_t rows, uint32_t inner, AT) {
    UNPACK(emu_unpack_block(in0, in1, tile0, tile1, columns, rows, inner, HERE);)
    MATH(emu_multiply_block(to, transpose, columns, rows, HERE);)
}
inline void matmul_tiles(uint32_t in0, uint32_t in1, uint32_t tile0, uint32_t tile1, uint32_t to, AT) {
    matmul_block(in0, in1, tile0, tile1, to, 0, 1, 1, 1, HERE);
}
}  // namespace ckernel
