// SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
// SPDX-License-Identifier: Apache-2.0
// A dataflow buffer: on these chips, a circular buffer whose pages are called entries.
#pragma once

#include "api/core_local_mem.h"
#include "api/dataflow/dfb_access.h"
#include "api/dataflow/dfb_binding_token.h"
#include "kernel/buffer_object.h"

class DataflowBuffer : public emu::BufferObject {
public:
    DataflowBuffer(uint16_t number) : BufferObject(number) {}
    template <dfb::AccessPattern producer, dfb::AccessPattern consumer>
    DataflowBuffer(DFBBindingToken<producer, consumer> token) : BufferObject(uint32_t(token)) {}

    uint16_t get_id() const { return uint16_t(number_); }
    uint32_t get_entry_size(AT) const { return page_bytes(HERE); }
    uint32_t get_stride_size(AT) const { return page_bytes(HERE); }
    uint32_t get_total_num_entries(AT) const { return get_local_cb_interface(number_, HERE).fifo_num_pages; }
    uint32_t get_total_size_bytes(AT) const { return get_total_num_entries(HERE) * page_bytes(HERE); }
    uint32_t get_local_num_entries(AT) const { return get_total_num_entries(HERE); }
    uint32_t get_local_size_bytes(AT) const { return get_total_size_bytes(HERE); }
    uint32_t get_ring_span_num_entries(AT) const { return get_total_num_entries(HERE); }
    uint32_t get_ring_span_bytes(AT) const { return get_total_size_bytes(HERE); }
    uint16_t get_producer_share() const { return 1; }
    uint16_t get_consumer_share() const { return 1; }
    uint16_t get_producer_stride_tiles() const { return 1; }
    uint16_t get_consumer_stride_tiles() const { return 1; }
    void finish() {}
#ifndef COMPILE_FOR_TRISC
    void write_barrier(const Noc& noc, AT) const { noc.async_write_barrier({}, HERE); }
#endif

    // Memory at the back, which may be written, and at the front, which may be read.
    [[nodiscard]] auto scoped_write_lock(uint16_t entries = 1, AT) const { return Locked<false>{get_write_ptr(HERE)}; }
    [[nodiscard]] auto scoped_read_lock(uint16_t entries = 1, AT) const { return Locked<true>{get_read_ptr(HERE)}; }

private:
    uint32_t page_bytes(AT) const { return get_local_cb_interface(number_, HERE).fifo_page_size << cb_addr_shift; }

    template <bool reads>
    struct Locked {
        uint32_t address;
        template <typename T = uint32_t>
        CoreLocalMem<std::conditional_t<reads, const T, T>> get_ptr() const { return address; }
    };
};

#ifndef COMPILE_FOR_TRISC
template <>
struct noc_traits_t<DataflowBuffer> : emu::BufferTraits<DataflowBuffer, DataflowBufferArgs> {};
template <>
inline constexpr bool noc_zero_l1_endpoint_v<DataflowBuffer> = true;
#endif
