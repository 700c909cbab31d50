// SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
// SPDX-License-Identifier: Apache-2.0
// Circular buffers: the unpacker empties them, the packer fills them.
#pragma once
#include "api/compute/common_globals.h"
#include "internal/circular_buffer_interface.h"

namespace emu {
// The unpacker's thread finds a number, and tells the two others.
template <typename Find>
inline uint32_t tell(Find find, AT) {
    uint32_t value = 0;
    UNPACK(value = find();)
#ifdef EMU_ONE_THREAD
    UNPACK(emu_tell(value, HERE);)
    MATH(value = emu_hear(HERE);)
    PACK(value = emu_hear(HERE);)
#endif
    return value;
}
}  // namespace emu

namespace ckernel {
inline uint32_t get_tile_address(uint32_t cb, uint32_t tile, AT) {
    return emu::tell([&] { return emu_tile_address(cb, tile, HERE); }, HERE);
}
template <typename T = uint32_t>
inline T read_tile_value(uint32_t cb, uint32_t tile, uint32_t place, AT) {
    const auto read = [&] {
        const uintptr_t address = emu_tile_address(cb, tile, HERE);
        return uint32_t(reinterpret_cast<const volatile T*>(address)[place]);
    };
    return T(emu::tell(read, HERE));
}
inline void cb_wait_front(uint32_t cb, uint32_t pages, AT) { UNPACK(emu_wait_front(cb, pages, HERE);) }
inline void cb_pop_front(uint32_t cb, uint32_t pages, AT) { UNPACK(emu_pop_front(cb, pages, HERE);) }
inline void cb_reserve_back(uint32_t cb, uint32_t pages, AT) { PACK(emu_reserve_back(cb, pages, HERE);) }
inline void cb_push_back(uint32_t cb, uint32_t pages, AT) { PACK(emu_push_back(cb, pages, HERE);) }
}  // namespace ckernel
