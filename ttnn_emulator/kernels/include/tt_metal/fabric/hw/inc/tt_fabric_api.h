// SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
// SPDX-License-Identifier: Apache-2.0
// Routes along a line or ring, which a packet's header has as two bits for each hop.
#pragma once

#include "hostdev/fabric_edm_packet_header.hpp"
#include "tt_metal/fabric/hw/inc/edm_fabric/edm_fabric_worker_adapters.hpp"

using namespace tt::tt_fabric;

namespace tt::tt_fabric {

template <bool target_as_dev = true, bool compressed = true>
bool fabric_set_unicast_route(volatile LowLatencyPacketHeader* header, uint16_t hops) {
    static_assert(!target_as_dev, "routes of the fabric are emulated by their number of hops, not by the target device");
    header->to_chip_unicast(uint8_t(hops));
    return true;
}
template <typename Hops>
void fabric_set_sparse_multicast_route(volatile LowLatencyPacketHeader* header, Hops hops) {
    uint32_t route;
    routing_encoding::encode_1d_sparse_multicast(hops, route);
    header->routing_fields.value = route;
}

// Names that the library's headers use in functions for a fabric of two dimensions. To call such a function is an error.
#define EMU_TWO_DIMENSIONS __attribute__((error("a fabric of two dimensions is not emulated")))
EMU_TWO_DIMENSIONS eth_chan_directions get_next_hop_router_direction(uint32_t mesh, uint32_t device);
EMU_TWO_DIMENSIONS bool fabric_set_unicast_route(volatile HybridMeshPacketHeader* header, uint16_t device, uint16_t mesh);
EMU_TWO_DIMENSIONS void fabric_set_mcast_route(
    volatile HybridMeshPacketHeader* header, uint16_t device, uint16_t mesh, uint16_t east, uint16_t west, uint16_t north,
    uint16_t south);
#undef EMU_TWO_DIMENSIONS

}  // namespace tt::tt_fabric
