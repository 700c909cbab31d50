// SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
// SPDX-License-Identifier: Apache-2.0
// The matrix unit's sums and products of two tiles.
#pragma once
#include "api/compute/common.h"
namespace ckernel {
inline void binary_op_init_common(uint32_t in0, uint32_t in1, uint32_t out, AT) { compute_kernel_hw_startup(in0, in1, out, HERE); }
inline void add_init(uint32_t, uint32_t) {}
inline void sub_init(uint32_t, uint32_t) {}
inline void mul_init(uint32_t, uint32_t) {}
inline void add_tiles_init(uint32_t, uint32_t) {}
inline void sub_tiles_init(uint32_t, uint32_t) {}
inline void mul_tiles_init(uint32_t, uint32_t) {}
}  // namespace ckernel

namespace emu {
inline void two_tiles(
    EmuBinary operation, EmuBroadcast broadcast, uint32_t in0, uint32_t in1, uint32_t tile0, uint32_t tile1, uint32_t to, AT) {
    UNPACK(emu_unpack_two(in0, in1, tile0, tile1, HERE);)
    MATH(emu_two(operation, broadcast, to, operation == EMU_MULTIPLY, HERE);)
}
}  // namespace emu

namespace ckernel {
inline void add_tiles(uint32_t in0, uint32_t in1, uint32_t tile0, uint32_t tile1, uint32_t to, AT) {
    emu::two_tiles(EMU_ADD, EMU_NO_BROADCAST, in0, in1, tile0, tile1, to, HERE);
}
inline void sub_tiles(uint32_t in0, uint32_t in1, uint32_t tile0, uint32_t tile1, uint32_t to, AT) {
    emu::two_tiles(EMU_SUBTRACT, EMU_NO_BROADCAST, in0, in1, tile0, tile1, to, HERE);
}
inline void mul_tiles(uint32_t in0, uint32_t in1, uint32_t tile0, uint32_t tile1, uint32_t to, AT) {
    emu::two_tiles(EMU_MULTIPLY, EMU_NO_BROADCAST, in0, in1, tile0, tile1, to, HERE);
}
}  // namespace ckernel
