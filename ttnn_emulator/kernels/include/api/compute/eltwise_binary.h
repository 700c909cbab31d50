// SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
// SPDX-License-Identifier: Apache-2.0
// The matrix unit's sums and products of two tiles.
#pragma once
#include "api/compute/common.h"

enum class EltwiseBinaryReuseDestType { NONE, DEST_TO_SRCA, DEST_TO_SRCB };
namespace ckernel {
using ::EltwiseBinaryReuseDestType;
}

namespace emu {
constexpr EmuBinary binary(EltwiseBinaryType type) {
    return type == EltwiseBinaryType::ELWADD   ? EMU_ADD
           : type == EltwiseBinaryType::ELWSUB ? EMU_SUBTRACT
                                               : EMU_MULTIPLY;
}
constexpr EmuBroadcast spread(BroadcastType type) {
    return type == BroadcastType::ROW      ? EMU_ROW
           : type == BroadcastType::COL    ? EMU_COLUMN
           : type == BroadcastType::SCALAR ? EMU_SCALAR
                                           : EMU_NO_BROADCAST;
}
inline void two_tiles(
    EmuBinary operation, EmuBroadcast broadcast, uint32_t in0, uint32_t in1, uint32_t tile0, uint32_t tile1, uint32_t to, AT) {
    UNPACK(emu_unpack_two(in0, in1, tile0, tile1, HERE);)
    MATH(emu_two(operation, broadcast, to, HERE);)
}
}  // namespace emu

namespace ckernel {
inline void binary_op_init_common(uint32_t in0, uint32_t in1, uint32_t out, AT) {
    compute_kernel_hw_startup(in0, in1, out, HERE);
}
template <bool full, EltwiseBinaryType operation>
inline void binary_tiles_init(uint32_t, uint32_t, bool accumulates = false, AT) {
    MATH(emu_accumulate(accumulates, HERE);)
}
template <EltwiseBinaryType operation, EltwiseBinaryReuseDestType reuse>
inline void binary_reuse_dest_init(uint32_t) {}
// The tile of the destination register is the first operand (SrcA) or the second one (SrcB).
template <EltwiseBinaryType operation, EltwiseBinaryReuseDestType reuse>
inline void binary_reuse_dest_tiles(uint32_t cb, uint32_t tile, uint32_t to, AT) {
    UNPACK(emu_unpack(cb, tile, HERE);)
    MATH(emu_two_with_dest(emu::binary(operation), reuse == EltwiseBinaryReuseDestType::DEST_TO_SRCA, to, HERE);)
}
#define EMU_TWO_TILES(name, operation)                                                                              \
    inline void name##_init(uint32_t, uint32_t, bool accumulates = false, AT) { MATH(emu_accumulate(accumulates, HERE);) } \
    inline void name##_tiles_init(uint32_t in0, uint32_t in1, bool accumulates = false, AT) {                       \
        name##_init(in0, in1, accumulates, HERE);                                                                   \
    }                                                                                                               \
    inline void name##_tiles(uint32_t in0, uint32_t in1, uint32_t tile0, uint32_t tile1, uint32_t to, AT) {         \
        emu::two_tiles(emu::binary(EltwiseBinaryType::operation), EMU_NO_BROADCAST, in0, in1, tile0, tile1, to, HERE); \
    }                                                                                                               \
    inline void name##_block(uint32_t in0, uint32_t in1, uint32_t tile0, uint32_t tile1, uint32_t to, uint32_t count, AT) { \
        for (uint32_t i = 0; i < count; i++) name##_tiles(in0, in1, tile0 + i, tile1 + i, to + i, HERE);            \
    }                                                                                                               \
    template <EltwiseBinaryReuseDestType reuse>                                                                     \
    inline void name##_reuse_dest_init(uint32_t) {}                                                                 \
    template <EltwiseBinaryReuseDestType reuse>                                                                     \
    inline void name##_reuse_dest_tiles(uint32_t cb, uint32_t tile, uint32_t to, AT) {                              \
        binary_reuse_dest_tiles<EltwiseBinaryType::operation, reuse>(cb, tile, to, HERE);                           \
    }
EMU_TWO_TILES(add, ELWADD)
EMU_TWO_TILES(sub, ELWSUB)
EMU_TWO_TILES(mul, ELWMUL)
#undef EMU_TWO_TILES
}  // namespace ckernel
