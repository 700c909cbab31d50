// SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
// SPDX-License-Identifier: Apache-2.0
// What a circular buffer's two objects have in common: CircularBuffer, and DataflowBuffer, which counts entries.
#pragma once

#include "api/lock.h"

namespace emu {
class BufferObject {
public:
    explicit BufferObject(uint32_t number) : number_(number) {}

    void reserve_back(uint32_t pages, AT) const { cb_reserve_back(number_, pages, HERE); }
    void push_back(uint32_t pages, AT) const { cb_push_back(number_, pages, HERE); }
    void wait_front(uint32_t pages, AT) const { cb_wait_front(number_, pages, HERE); }
    void pop_front(uint32_t pages, AT) const { cb_pop_front(number_, pages, HERE); }
    uint32_t get_write_ptr(AT) const { return get_local_cb_interface(number_, HERE).fifo_wr_ptr; }
    uint32_t get_read_ptr(AT) const { return get_local_cb_interface(number_, HERE).fifo_rd_ptr; }

    uint32_t get_tile_size() const { return ::get_tile_size(number_); }
    uint32_t get_tile_hw() const { return ::get_tile_hw(number_); }
    DataFormat get_dataformat() const { return ::get_dataformat(number_); }

#ifdef COMPILE_FOR_TRISC
    uint32_t get_tile_address(uint32_t tile, AT) const { return ckernel::get_tile_address(number_, tile, HERE); }
    template <typename T = uint32_t>
    T read_tile_value(uint32_t tile, uint32_t place, AT) const {
        return ckernel::read_tile_value<T>(number_, tile, place, HERE);
    }
#else
    bool pages_reservable_at_back(uint32_t pages, AT) const { return cb_pages_reservable_at_back(number_, pages, HERE); }
    bool pages_available_at_front(uint32_t pages, AT) const { return cb_pages_available_at_front(number_, pages, HERE); }
#endif
    [[nodiscard]] auto scoped_lock() const { return Lock([] {}); }

protected:
    uint32_t number_;
};
}  // namespace emu

#ifndef COMPILE_FOR_TRISC
#include "api/dataflow/endpoints.h"
#include "api/dataflow/noc.h"
#include "api/tensor/noc_traits.h"

namespace emu {
struct OffsetInBuffer {
    uint32_t offset_bytes{};
};
struct OffsetInBuffers {
    uint32_t noc_x_start{}, noc_y_start{}, noc_x_end{}, noc_y_end{}, offset_bytes{};
};

// A NoC transaction begins at the front of a buffer that it reads, and at the back of one that it writes to.
template <typename Buffer, typename Offset>
struct BufferTraits {
    using src_args_type = Offset;
    using dst_args_type = Offset;
    using dst_args_mcast_type = OffsetInBuffers;

    template <Noc::AddressType type>
    static uint32_t src_addr(const Buffer& buffer, const Noc&, const Offset& args) {
        static_assert(type == Noc::AddressType::LOCAL_L1, "a buffer is an endpoint of its own core only");
        return buffer.get_read_ptr() + args.offset_bytes;
    }
    template <Noc::AddressType type>
    static uint32_t dst_addr(const Buffer& buffer, const Noc&, const Offset& args) {
        static_assert(type == Noc::AddressType::LOCAL_L1, "a buffer is an endpoint of its own core only");
        return buffer.get_write_ptr() + args.offset_bytes;
    }
    template <Noc::AddressType type>
    static uint64_t dst_addr_mcast(const Buffer& buffer, const Noc& noc, const OffsetInBuffers& args) {
        return ::get_noc_multicast_addr(
            args.noc_x_start, args.noc_y_start, args.noc_x_end, args.noc_y_end, buffer.get_write_ptr() + args.offset_bytes,
            noc.get_noc_id());
    }
};
}  // namespace emu
#endif
