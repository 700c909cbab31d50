// SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
// SPDX-License-Identifier: Apache-2.0
// The matrix unit's sums and products of a tile and a row, a column or a number, and a tile that is one of them.
#pragma once
#include "api/compute/eltwise_binary.h"
#include "api/compute/tile_move_copy.h"

namespace ckernel {
template <EltwiseBinaryType operation, BroadcastType broadcast>
inline void bcast_init(uint32_t, uint32_t) {}
template <EltwiseBinaryType operation, BroadcastType broadcast>
inline void any_tiles_bcast(
    uint32_t in0, uint32_t in1, uint32_t tile0, uint32_t tile1, uint32_t to, uint32_t row = 0, AT) {
    if (row) emu_not_emulated("a broadcast of another row than the first", HERE);
    emu::two_tiles(emu::binary(operation), emu::spread(broadcast), in0, in1, tile0, tile1, to, HERE);
}
#define EMU_BROADCAST(name, operation)                                                                              \
    template <BroadcastType broadcast>                                                                              \
    inline void name##_tiles_bcast(                                                                                 \
        uint32_t in0, uint32_t in1, uint32_t tile0, uint32_t tile1, uint32_t to, uint32_t row = 0, AT) {            \
        any_tiles_bcast<EltwiseBinaryType::operation, broadcast>(in0, in1, tile0, tile1, to, row, HERE);            \
    }                                                                                                               \
    EMU_BROADCAST_OF(name, rows, ROW) EMU_BROADCAST_OF(name, cols, COL) EMU_BROADCAST_OF(name, scalar, SCALAR)
#define EMU_BROADCAST_OF(name, of, broadcast)                                                                       \
    inline void name##_bcast_##of##_init(uint32_t, uint32_t) {}                                                     \
    inline void name##_tiles_bcast_##of(                                                                            \
        uint32_t in0, uint32_t in1, uint32_t tile0, uint32_t tile1, uint32_t to, uint32_t row = 0, AT) {            \
        name##_tiles_bcast<BroadcastType::broadcast>(in0, in1, tile0, tile1, to, row, HERE);                        \
    }
EMU_BROADCAST(add, ELWADD)
EMU_BROADCAST(sub, ELWSUB)
EMU_BROADCAST(mul, ELWMUL)
#undef EMU_BROADCAST
#undef EMU_BROADCAST_OF

template <BroadcastType broadcast>
inline void unary_bcast_init(uint32_t) {}
template <BroadcastType broadcast>
inline void unary_bcast(uint32_t cb, uint32_t tile, uint32_t to, AT) {
    copy_tile(cb, tile, to, HERE);
    MATH(emu_spread_in_dest(emu::spread(broadcast), to, HERE);)
}
template <BroadcastType broadcast>
inline void unary_bcast_uninit(uint32_t) {}
}  // namespace ckernel
