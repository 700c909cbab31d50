// SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
// SPDX-License-Identifier: Apache-2.0
// The pool of packet headers in each core's L1. Groups of headers have numbers.
#pragma once

#include "hostdev/fabric_edm_packet_header.hpp"

class PacketHeaderPool {
public:
    using Header = volatile PACKET_HEADER_TYPE;

    static void reset() { emu_fabric_drop_headers(); }
    static Header* allocate_header(uint8_t count = 1, AT) { return group(emu_fabric_new_headers(count, HERE), HERE).first; }
    static uint8_t allocate_header_n(uint8_t count, AT) { return uint8_t(emu_fabric_new_headers(count, HERE)); }
    static uint8_t get_num_headers(uint8_t number, AT) { return uint8_t(group(number, HERE).second); }
    template <typename Action>
    static void for_each_header(uint8_t number, Action&& action, AT) {
        const auto [headers, count] = group(number, HERE);
        for (uint32_t i = 0; i < count; i++) action(headers + i, uint8_t(i));
    }

private:
    static std::pair<Header*, uint32_t> group(uint32_t number, AT) {
        uint32_t address, count;
        emu_fabric_headers(number, &address, &count, HERE);
        return {reinterpret_cast<Header*>(uintptr_t(address)), count};
    }
};
