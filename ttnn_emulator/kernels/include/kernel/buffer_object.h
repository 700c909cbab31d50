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
    // The unpacker's thread knows the answer, and tells the two others.
    uint32_t get_tile_address(uint32_t tile, AT) const {
        return tell([&] { return emu_tile_address(number_, tile, HERE); }, HERE);
    }
    template <typename T = uint32_t>
    T read_tile_value(uint32_t tile, uint32_t place, AT) const {
        return T(tell([&] { return uint32_t(reinterpret_cast<const volatile T*>(uintptr_t(emu_tile_address(number_, tile, HERE)))[place]); }, HERE));
    }
#else
    bool pages_reservable_at_back(uint32_t pages, AT) const { return cb_pages_reservable_at_back(number_, pages, HERE); }
    bool pages_available_at_front(uint32_t pages, AT) const { return cb_pages_available_at_front(number_, pages, HERE); }
#endif
    [[nodiscard]] auto scoped_lock() const { return Lock([] {}); }

protected:
    uint32_t number_;

#ifdef COMPILE_FOR_TRISC
private:
    template <typename Find>
    static uint32_t tell(Find find, AT) {
        uint32_t value = 0;
        UNPACK(value = find();)
#ifdef EMU_ONE_THREAD
        UNPACK(emu_tell(value, HERE);)
        MATH(value = emu_hear(HERE);)
        PACK(value = emu_hear(HERE);)
#endif
        return value;
    }
#endif
};
}  // namespace emu

#ifndef COMPILE_FOR_TRISC
#include "api/dataflow/noc.h"

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
