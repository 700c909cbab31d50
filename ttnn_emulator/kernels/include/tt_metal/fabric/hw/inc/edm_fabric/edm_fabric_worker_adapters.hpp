// SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
// SPDX-License-Identifier: Apache-2.0
// A kernel's connection to a router of its chip. The router itself is the runner's (runner/fabric.h).
#pragma once

// The library's headers read the tables of routes there. A call of a function that does is an error.
#define MEM_TENSIX_ROUTING_TABLE_BASE emu::routing_table()
namespace emu {
__attribute__((error("tables of fabric routes are not emulated"))) uintptr_t routing_table();
}

#include "api/alignment.h"
#include "api/dataflow/dataflow_api.h"
#include "hostdev/fabric_edm_packet_header.hpp"
#include "tt_metal/fabric/hw/inc/edm_fabric/edm_fabric_utils.hpp"

// Programs whose kernels have this run together on all chips.
extern "C" __attribute__((visibility("default"), used, weak)) const int emu_uses_fabric = 1;

namespace emu {
// What a packet's header asks for.
inline void decode_packet(const void* from, EmuFabricPacket* packet) {
    using namespace tt::tt_fabric;
    using Route = RoutingFieldsConstants::LowLatency;
    const auto& header = *static_cast<const PACKET_HEADER_TYPE*>(from);
    const auto& fields = header.command_fields;
    const uint32_t route = header.routing_fields.value;
    for (uint32_t hop = 0; hop < Route::BASE_HOPS; hop++) {
        const uint32_t action = route >> hop * Route::FIELD_WIDTH & Route::FIELD_MASK;
        if (action & Route::WRITE_ONLY) packet->delivers |= uint64_t(1) << hop;
        if (!(action & Route::FORWARD_ONLY)) break;
    }
    packet->payload = header.payload_size_bytes;
    const auto add = [&](EmuPartKind kind, uint64_t to, uint32_t value, bool flush = false) {
        packet->parts[packet->count++] = {kind, to, value, flush};
    };
    switch (header.noc_send_type) {
        case NOC_UNICAST_WRITE: add(EMU_PART_WRITE, fields.unicast_write.noc_address, packet->payload); break;
        case NOC_UNICAST_INLINE_WRITE:
            add(EMU_PART_WORD, fields.unicast_inline_write.noc_address, fields.unicast_inline_write.value);
            break;
        case NOC_UNICAST_ATOMIC_INC: {
            const auto& increment = fields.unicast_seminc;
            add(EMU_PART_INCREMENT, increment.noc_address, increment.val, increment.flush);
            break;
        }
        case NOC_FUSED_UNICAST_ATOMIC_INC: {
            const auto& both = fields.unicast_seminc_fused;
            add(EMU_PART_WRITE, both.noc_address, packet->payload);
            add(EMU_PART_INCREMENT, both.semaphore_noc_address, both.val, both.flush);
            break;
        }
        case NOC_UNICAST_SCATTER_WRITE: {
            const auto& chunks = fields.unicast_scatter_write;
            uint32_t rest = packet->payload;
            for (uint32_t i = 0; i < chunks.chunk_count && i < NOC_SCATTER_WRITE_MAX_CHUNKS; i++) {
                const auto encoding = chunks.chunk_encoding >> 2 * i & 3;
                const bool is_last = i == NOC_SCATTER_WRITE_MAX_CHUNKS - 1 || i + 1u == chunks.chunk_count;
                if (encoding == CHUNK_ENCODING_UNICAST_WRITE) {
                    const uint32_t bytes = is_last ? rest : chunks.chunk_size[i];
                    add(EMU_PART_WRITE, chunks.noc_address[i], bytes);
                    rest -= bytes;
                } else {
                    const bool flush = encoding == CHUNK_ENCODING_SEMINC_FLUSH;
                    add(EMU_PART_INCREMENT, chunks.noc_address[i], chunks.chunk_size[i], flush);
                }
            }
            break;
        }
        default: packet->not_emulated = "the header asks for a multicast inside a chip, a sparse one or a read: not emulated";
    }
}
}  // namespace emu

namespace tt::tt_fabric {

class WorkerToFabricEdmSender {
public:
    template <ProgrammableCoreType core_type, bool arguments_are_addresses = false>
    static WorkerToFabricEdmSender build_from_args(size_t& argument, AT) {
        WorkerToFabricEdmSender sender;
        sender.channel_ = get_arg_val<uint32_t>(argument++);
        for (int i = 0; i < 2; i++) {  // semaphores, which a card's protocol needs
            const uint32_t semaphore = get_arg_val<uint32_t>(argument++);
            if constexpr (!arguments_are_addresses) get_semaphore<core_type>(semaphore, HERE);
        }
        return sender;
    }

    template <bool sends_address = false, bool posted = false, uint8_t noc = get_fabric_worker_noc()>
    void open_start(AT) {
        emu_fabric_open(channel_, sizeof(PACKET_HEADER_TYPE), emu::decode_packet, HERE);
    }
    template <bool posted = false, uint8_t noc = get_fabric_worker_noc()>
    void open_finish(AT) {
        noc_async_read_barrier(noc, HERE);
        emu_fabric_open_finish(channel_, HERE);
    }
    template <bool sends_address = false, bool posted = false, uint8_t noc = get_fabric_worker_noc()>
    void open(AT) {
        open_start(HERE);
        open_finish<posted, noc>(HERE);
    }
    template <bool posted = false, uint8_t noc = get_fabric_worker_noc()>
    void close_start(AT) {
        emu_fabric_close(channel_, 0, HERE);
    }
    template <bool posted = false, uint8_t noc = get_fabric_worker_noc()>
    void close_finish(AT) {
        noc_async_write_barrier(noc, HERE);
        emu_fabric_close(channel_, 1, HERE);
    }
    template <bool posted = false, uint8_t noc = get_fabric_worker_noc()>
    void close(AT) {
        close_start(HERE);
        close_finish<posted, noc>(HERE);
    }

    uint32_t get_num_free_write_slots(AT) const { return emu_fabric_free_slots(channel_, HERE); }
    template <size_t slots = 1>
    bool edm_has_space_for_packet(AT) const { return get_num_free_write_slots(HERE) >= slots; }
    void wait_for_empty_write_slot(AT) const { emu_fabric_wait(channel_, HERE); }

    // A payload goes to the slot first. The header, or a packet that begins with it, is sent with it.
    template <bool posted = false>
    void send_payload_without_header_non_blocking_from_address(
        uint32_t from, size_t bytes, uint8_t noc = get_fabric_worker_noc(), AT) {
        emu_fabric_write(channel_, from, bytes, true, posted, noc, HERE);
    }
    template <bool posted = false>
    void send_payload_flush_blocking_from_address(
        uint32_t from, size_t bytes, uint8_t noc = get_fabric_worker_noc(), AT) {
        emu_fabric_write(channel_, from, bytes, false, posted, noc, HERE);
        emu_barrier(posted ? EMU_POSTED_SENT : EMU_WRITES_SENT, EMU_ANY_ID, noc, HERE);
        emu_fabric_send(channel_, noc, HERE);
    }
    template <bool posted = false>
    void send_payload_blocking_from_address(uint32_t from, size_t bytes, uint8_t noc = get_fabric_worker_noc(), AT) {
        emu_fabric_write(channel_, from, bytes, false, posted, noc, HERE);
        emu_barrier(posted ? EMU_POSTED_SENT : EMU_WRITES, EMU_ANY_ID, noc, HERE);
        emu_fabric_send(channel_, noc, HERE);
    }
    template <bool posted = false>
    void send_payload_flush_non_blocking_from_address(
        uint32_t from, size_t bytes, uint8_t noc = get_fabric_worker_noc(), AT) {
        send_payload_non_blocking_from_address<posted>(from, bytes, noc, HERE);
    }
    template <bool posted = false>
    void send_payload_non_blocking_from_address(
        uint32_t from, size_t bytes, uint8_t noc = get_fabric_worker_noc(), AT) {
        emu_fabric_write(channel_, from, bytes, false, posted, noc, HERE);
        emu_fabric_send(channel_, noc, HERE);
    }
    template <bool posted = false>
    void send_current_slot_non_blocking(
        uint32_t payload, size_t bytes, uint32_t header, uint8_t noc = get_fabric_worker_noc(), AT) {
        send_payload_without_header_non_blocking_from_address<posted>(payload, bytes, noc, HERE);
        send_payload_non_blocking_from_address<posted>(header, sizeof(PACKET_HEADER_TYPE), noc, HERE);
    }

private:
    uint32_t channel_ = 0;
};

}  // namespace tt::tt_fabric
