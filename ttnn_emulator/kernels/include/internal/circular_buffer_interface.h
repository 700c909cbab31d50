// SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
// SPDX-License-Identifier: Apache-2.0
// What a kernel may ask of a circular buffer's place in memory. Compute kernels count it in units of 16 bytes.
#pragma once

struct LocalCBInterface {
    uint32_t fifo_size, fifo_limit, fifo_page_size, fifo_num_pages, fifo_rd_ptr, fifo_wr_ptr;
};

#ifdef COMPILE_FOR_TRISC
constexpr uint32_t cb_addr_shift = 4;
#else
constexpr uint32_t cb_addr_shift = 0;
#endif

inline const LocalCBInterface get_local_cb_interface(uint32_t cb, AT) {
    uint32_t pages, page, address;
    emu_describe(cb, &pages, &page, &address, HERE);
    const uint32_t read = emu_pointer(cb, 1, HERE), write = emu_pointer(cb, 0, HERE), bytes = pages * page;
    return {
        bytes >> cb_addr_shift, (address + bytes) >> cb_addr_shift, page >> cb_addr_shift, pages, read >> cb_addr_shift,
        write >> cb_addr_shift};
}
