// SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
// SPDX-License-Identifier: Apache-2.0
// Circular buffers: the unpacker empties them, the packer fills them.
#pragma once
#include "api/compute/common_globals.h"
#include "internal/circular_buffer_interface.h"
namespace ckernel {
inline void cb_wait_front(uint32_t cb, uint32_t pages, AT) { UNPACK(emu_wait_front(cb, pages, HERE);) }
inline void cb_pop_front(uint32_t cb, uint32_t pages, AT) { UNPACK(emu_pop_front(cb, pages, HERE);) }
inline void cb_reserve_back(uint32_t cb, uint32_t pages, AT) { PACK(emu_reserve_back(cb, pages, HERE);) }
inline void cb_push_back(uint32_t cb, uint32_t pages, AT) { PACK(emu_push_back(cb, pages, HERE);) }
}  // namespace ckernel
