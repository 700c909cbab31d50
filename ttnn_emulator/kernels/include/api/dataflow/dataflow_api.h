// SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
// SPDX-License-Identifier: Apache-2.0
// The data-movement API. Address generators and TensorAccessor are the library's own headers.
#pragma once

#include "internal/circular_buffer_interface.h"
#include "internal/dataflow/dataflow_api_addrgen.h"
#include "internal/risc_attribs.h"
#include "api/tensor/tensor_accessor.h"
#include "internal/tensor/transfer_noc_addr.h"

// circular buffers
inline void cb_reserve_back(uint32_t cb, uint32_t pages, AT) { emu_reserve_back(cb, pages, HERE); }
inline void cb_push_back(uint32_t cb, uint32_t pages, AT) { emu_push_back(cb, pages, HERE); }
inline void cb_wait_front(uint32_t cb, uint32_t pages, AT) { emu_wait_front(cb, pages, HERE); }
inline void cb_pop_front(uint32_t cb, uint32_t pages, AT) { emu_pop_front(cb, pages, HERE); }
inline bool cb_pages_available_at_front(uint32_t cb, uint32_t pages, AT) { return emu_has_pages(cb, pages, 1, HERE); }
inline bool cb_pages_reservable_at_back(uint32_t cb, uint32_t pages, AT) { return emu_has_pages(cb, pages, 0, HERE); }
inline uint32_t get_write_ptr(uint32_t cb, AT) { return emu_pointer(cb, 0, HERE); }
inline uint32_t get_read_ptr(uint32_t cb, AT) { return emu_pointer(cb, 1, HERE); }

// semaphores
template <ProgrammableCoreType type = ProgrammableCoreType::TENSIX>
inline uint32_t get_semaphore(uint32_t id, AT) { return emu_semaphore(id, HERE); }
inline void noc_semaphore_wait(volatile uint32_t* word, uint32_t value, AT) { emu_wait_word(word, value, 0, HERE); }
inline void noc_semaphore_wait_min(volatile uint32_t* word, uint32_t value, AT) { emu_wait_word(word, value, 1, HERE); }
inline void noc_semaphore_set(volatile uint32_t* word, uint32_t value, AT) { emu_set_word(word, value, HERE); }
template <bool posted = false>
inline void noc_semaphore_inc(uint64_t to, uint32_t by, uint8_t noc = noc_index, uint8_t vc = 1, AT) {
    emu_increment(to, by, posted, noc, HERE);
}
inline void noc_semaphore_inc_multicast(
    uint64_t to, uint32_t by, uint32_t destinations, uint8_t noc = noc_index, uint8_t vc = 4, AT) {
    emu_multicast_increment(to, by, destinations, noc, HERE);
}
inline void noc_semaphore_set_remote(uint32_t from, uint64_t to, uint8_t noc = noc_index, AT) {
    emu_write(from, to, 4, false, noc, HERE);
}
inline void noc_semaphore_set_multicast(
    uint32_t from, uint64_t to, uint32_t destinations, bool linked = false, uint8_t noc = noc_index, uint8_t vc = 4, AT) {
    emu_multicast(from, to, 4, destinations, 0, noc, HERE);
}
inline void noc_semaphore_set_multicast_loopback_src(
    uint32_t from, uint64_t to, uint32_t destinations, bool linked = false, uint8_t noc = noc_index, AT) {
    emu_multicast(from, to, 4, destinations, 1, noc, HERE);
}

// transactions
template <uint32_t max_page_size = 0, bool tracing = true>
inline void noc_async_read(
    uint64_t from, uint32_t to, uint32_t bytes, uint8_t noc = noc_index, uint32_t vc = 1, AT) {
    emu_read(from, to, bytes, noc, HERE);
}
template <bool tracing = true>
inline void noc_async_read_one_packet(
    uint64_t from, uint32_t to, uint32_t bytes, uint8_t noc = noc_index, uint32_t vc = 1, AT) {
    emu_read(from, to, bytes, noc, HERE);
}
template <uint32_t max_page_size = 0, bool tracing = true, bool posted = false>
inline void noc_async_write(
    uint32_t from, uint64_t to, uint32_t bytes, uint8_t noc = noc_index, uint32_t vc = 1, AT) {
    emu_write(from, to, bytes, posted, noc, HERE);
}
template <bool tracing = true, bool posted = false>
inline void noc_async_write_one_packet(
    uint32_t from, uint64_t to, uint32_t bytes, uint8_t noc = noc_index, uint32_t vc = 1, AT) {
    emu_write(from, to, bytes, posted, noc, HERE);
}
template <uint32_t max_page_size = 0>
inline void noc_async_write_multicast(
    uint32_t from, uint64_t to, uint32_t bytes, uint32_t destinations, bool linked = false, uint8_t noc = noc_index,
    uint8_t vc = 4, AT) {
    emu_multicast(from, to, bytes, destinations, 0, noc, HERE);
}
template <bool tracing = true>
inline void noc_async_write_multicast_one_packet(
    uint32_t from, uint64_t to, uint32_t bytes, uint32_t destinations, bool linked = false, uint8_t noc = noc_index, AT) {
    emu_multicast(from, to, bytes, destinations, 0, noc, HERE);
}
inline void noc_async_write_multicast_loopback_src(
    uint32_t from, uint64_t to, uint32_t bytes, uint32_t destinations, bool linked = false, uint8_t noc = noc_index, AT) {
    emu_multicast(from, to, bytes, destinations, 1, noc, HERE);
}
template <InlineWriteDst where = InlineWriteDst::DEFAULT, bool posted = false, bool flush = true>
inline void noc_inline_dw_write(
    uint64_t to, uint32_t value, uint8_t be = 15, uint8_t noc = noc_index, uint8_t vc = 1, uint32_t source = 0, AT) {
    static_assert(where != InlineWriteDst::REG, "inline writes to registers are not emulated");
    emu_write_word(to, value, posted, noc, HERE);
}

// transactions to the same place as before: the far end's coordinates, and of a packet also its size, are kept
template <bool use_vc = false>
inline void noc_async_read_one_packet_set_state(
    uint64_t from, uint32_t bytes, uint32_t vc = 0, uint8_t noc = noc_index, AT) {
    emu_set_state(false, from, bytes, noc, HERE);
}
template <bool counts = true, bool use_vc = false>
inline void noc_async_read_one_packet_with_state(
    uint32_t from, uint32_t to, uint32_t vc = 0, uint8_t noc = noc_index, AT) {
    emu_read_with_state(from, to, 0, noc, HERE);
}
inline void noc_async_read_set_state(uint64_t from, uint8_t noc = noc_index, AT) {
    emu_set_state(false, from, 0, noc, HERE);
}
template <bool counts = true, bool skips_check = false>
inline void noc_async_read_with_state(uint32_t from, uint32_t to, uint32_t bytes, uint8_t noc = noc_index, AT) {
    emu_read_with_state(from, to, bytes, noc, HERE);
}
template <bool posted = false>
inline void noc_async_write_one_packet_set_state(
    uint64_t to, uint32_t bytes, uint8_t noc = noc_index, uint8_t vc = 1, AT) {
    emu_set_state(true, to, bytes, noc, HERE);
}
template <bool posted = false>
inline void noc_async_write_one_packet_with_state(uint32_t from, uint32_t to, uint8_t noc = noc_index, AT) {
    emu_write_with_state(from, to, 0, posted, noc, HERE);
}
template <bool posted = false>
inline void noc_async_write_set_state(uint64_t to, uint8_t noc = noc_index, uint8_t vc = 1, AT) {
    emu_set_state(true, to, 0, noc, HERE);
}
template <bool posted = false, bool counts = true, bool skips_check = false>
inline void noc_async_write_with_state(uint32_t from, uint32_t to, uint32_t bytes, uint8_t noc = noc_index, AT) {
    emu_write_with_state(from, to, bytes, posted, noc, HERE);
}

// transaction ids. The id of a NoC's reads, or of its writes, is that of all later ones.
inline void noc_async_read_set_trid(uint32_t id = 0, uint8_t noc = noc_index, AT) { emu_set_id(false, id, noc, HERE); }
inline void noc_async_write_set_trid(uint32_t id = 0, uint8_t noc = noc_index, AT) { emu_set_id(true, id, noc, HERE); }
template <bool skips_update = false, bool skips_check = false>
inline void noc_async_read_one_packet_with_state_with_trid(
    uint32_t base, uint32_t from, uint32_t to, uint32_t id = 0, uint8_t noc = noc_index, AT) {
    emu_set_id(false, id, noc, HERE);
    emu_read_with_state(base + from, to, 0, noc, HERE);
}
template <bool counts = true, bool posted = false>
inline void noc_async_write_one_packet_with_trid(
    uint32_t from, uint64_t to, uint32_t bytes, uint32_t id, uint8_t command = 0, uint8_t noc = noc_index, uint8_t vc = 1,
    AT) {
    emu_set_id(true, id, noc, HERE);
    emu_write(from, to, bytes, posted, noc, HERE);
}
template <bool posted = false>
inline void noc_async_write_one_packet_with_trid_set_state(
    uint64_t to, uint8_t command = 0, uint8_t noc = noc_index, uint8_t vc = 1, AT) {
    emu_set_state(true, to, 0, noc, HERE);
}
template <bool counts = true, bool posted = false>
inline void noc_async_write_one_packet_with_trid_with_state(
    uint32_t from, uint32_t to, uint32_t bytes, uint32_t id, uint8_t command = 0, uint8_t noc = noc_index, AT) {
    emu_set_id(true, id, noc, HERE);
    emu_write_with_state(from, to, bytes, posted, noc, HERE);
}
inline void noc_async_read_barrier_with_trid(uint32_t id, uint8_t noc = noc_index, AT) {
    emu_barrier(EMU_READS, int(id), noc, HERE);
}
inline void noc_async_write_barrier_with_trid(uint32_t id, uint8_t noc = noc_index, AT) {
    emu_barrier(EMU_WRITES, int(id), noc, HERE);
}
inline void noc_async_write_flushed_with_trid(uint32_t id, uint8_t noc = noc_index, AT) {
    emu_barrier(EMU_WRITES_SENT, int(id), noc, HERE);
}
inline bool ncrisc_noc_read_with_transaction_id_flushed(uint32_t noc, uint32_t id, AT) {
    return emu_has_arrived(EMU_READS, int(id), noc, HERE);
}
inline bool ncrisc_noc_nonposted_write_with_transaction_id_flushed(uint32_t noc, uint32_t id, AT) {
    return emu_has_arrived(EMU_WRITES, int(id), noc, HERE);
}
inline bool ncrisc_noc_nonposted_write_with_transaction_id_sent(uint32_t noc, uint32_t id, AT) {
    return emu_has_arrived(EMU_WRITES_SENT, int(id), noc, HERE);
}
// The counters of ids begin at zero, and the runner's do not lose count.
inline void reset_noc_trid_barrier_counter(uint32_t ids = 0xffff, uint32_t noc = noc_index) {}

// barriers
inline void noc_async_read_barrier(uint8_t noc = noc_index, AT) { emu_barrier(EMU_READS, EMU_ANY_ID, noc, HERE); }
inline void noc_async_write_barrier(uint8_t noc = noc_index, AT) { emu_barrier(EMU_WRITES, EMU_ANY_ID, noc, HERE); }
inline void noc_async_writes_flushed(uint8_t noc = noc_index, AT) {
    emu_barrier(EMU_WRITES_SENT, EMU_ANY_ID, noc, HERE);
}
inline void noc_async_posted_writes_flushed(uint8_t noc = noc_index, AT) {
    emu_barrier(EMU_POSTED_SENT, EMU_ANY_ID, noc, HERE);
}
inline void noc_async_atomic_barrier(uint8_t noc = noc_index, AT) { emu_barrier(EMU_ATOMICS, EMU_ANY_ID, noc, HERE); }
inline void noc_async_full_barrier(uint8_t noc = noc_index, AT) {
    emu_barrier(EMU_READS | EMU_WRITES_SENT | EMU_WRITES | EMU_ATOMICS | EMU_POSTED_SENT, EMU_ANY_ID, noc, HERE);
}
inline void invalidate_l1_cache(AT) { emu_pause(HERE); }

// pages of tensors
namespace emu {
template <typename Generator>
uint32_t page_bytes(const Generator& tensor) {
    if constexpr (has_get_aligned_page_size_v<Generator>)
        return tensor.get_aligned_page_size();
    else
        return tensor.page_size;
}
}  // namespace emu

template <typename Generator, bool tracing = true>
inline void noc_async_read_page(
    uint32_t page, const Generator& tensor, uint32_t to, uint32_t offset = 0, uint8_t noc = noc_index, AT) {
    emu_read(tensor.get_noc_addr(page, offset, noc), to, emu::page_bytes(tensor), noc, HERE);
}
template <typename Generator, bool tracing = true, bool posted = false>
inline void noc_async_write_page(
    uint32_t page, const Generator& tensor, uint32_t from, uint32_t bytes = 0, uint32_t offset = 0,
    uint8_t noc = noc_index, AT) {
    emu_write(from, tensor.get_noc_addr(page, offset, noc), bytes ? bytes : emu::page_bytes(tensor), posted, noc, HERE);
}
template <typename Generator>
inline void noc_async_read_tile(
    uint32_t page, const Generator& tensor, uint32_t to, uint32_t offset = 0, uint8_t noc = noc_index, AT) {
    noc_async_read_page(page, tensor, to, offset, noc, HERE);
}
template <typename Generator>
inline void noc_async_write_tile(
    uint32_t page, const Generator& tensor, uint32_t from, uint8_t noc = noc_index, AT) {
    noc_async_write_page(page, tensor, from, 0, 0, noc, HERE);
}
template <typename Layout>
inline void noc_async_read_shard(
    uint32_t shard, const TensorAccessor<Layout>& tensor, uint32_t to, uint8_t noc = noc_index, AT) {
    const uint32_t bytes = emu::page_bytes(tensor) * tensor.dspec().shard_volume();
    emu_read(tensor.get_shard_noc_addr(shard, 0, noc), to, bytes, noc, HERE);
}
template <typename Layout, bool posted = false>
inline void noc_async_write_shard(
    uint32_t shard, const TensorAccessor<Layout>& tensor, uint32_t from, uint8_t noc = noc_index, AT) {
    const uint32_t bytes = emu::page_bytes(tensor) * tensor.dspec().shard_volume();
    emu_write(from, tensor.get_shard_noc_addr(shard, 0, noc), bytes, posted, noc, HERE);
}

// places of this core
inline uint8_t get_absolute_logical_x() { return my_logical_x_; }
inline uint8_t get_absolute_logical_y() { return my_logical_y_; }
inline uint8_t get_relative_logical_x() { return my_relative_x_; }
inline uint8_t get_relative_logical_y() { return my_relative_y_; }
