// SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
// SPDX-License-Identifier: Apache-2.0
// The connections of a kernel, one for each direction.
#pragma once

#include "tt_metal/fabric/hw/inc/edm_fabric/edm_fabric_worker_adapters.hpp"

namespace tt::tt_fabric {

class RoutingPlaneConnectionManager {
public:
    static constexpr size_t MaxConnections = 4;
    using Sender = WorkerToFabricEdmSender;
    enum BuildFromArgsMode : uint8_t { BUILD_ONLY, BUILD_AND_OPEN_CONNECTION, BUILD_AND_OPEN_CONNECTION_START_ONLY };
    struct ConnectionSlot {
        Sender sender;
        uint8_t tag = 0;  // the direction
    };

    template <
        BuildFromArgsMode mode = BUILD_ONLY, uint8_t noc = get_fabric_worker_noc(), bool arguments_are_addresses = false>
    static RoutingPlaneConnectionManager build_from_args(size_t& argument, uint32_t count, AT) {
        RoutingPlaneConnectionManager manager;
        manager.count_ = count;
        manager.for_each([&](Sender&, uint32_t i, uint32_t) {
            auto& slot = manager.slots_[i];
            slot.tag = uint8_t(get_arg_val<uint32_t>(argument++));
            slot.sender = Sender::build_from_args<ProgrammableCoreType::TENSIX, arguments_are_addresses>(argument, HERE);
            if constexpr (mode != BUILD_ONLY) slot.sender.open_start<false, false, noc>(HERE);
        });
        if constexpr (mode == BUILD_AND_OPEN_CONNECTION) manager.open_finish<noc>(HERE);
        return manager;
    }

    uint32_t active_count() const { return count_; }
    uint32_t get_tag(uint32_t i) const { return slots_[i].tag; }
    ConnectionSlot& get(uint32_t i) { return slots_[i]; }
    const ConnectionSlot& get(uint32_t i) const { return slots_[i]; }
    template <typename Action>
    void for_each(Action&& action) {
        for (uint32_t i = 0; i < count_; i++) action(slots_[i].sender, i, slots_[i].tag);
    }

    template <bool sends_address = false, uint8_t noc = get_fabric_worker_noc()>
    void open(AT) {
        open_start<sends_address, noc>(HERE);
        open_finish<noc>(HERE);
    }
    template <bool sends_address = false, uint8_t noc = get_fabric_worker_noc()>
    void open_start(AT) {
        for_each([&](Sender& sender, uint32_t, uint32_t) { sender.open_start<sends_address, false, noc>(HERE); });
    }
    template <uint8_t noc = get_fabric_worker_noc()>
    void open_finish(AT) {
        for_each([&](Sender& sender, uint32_t, uint32_t) { sender.open_finish<false, noc>(HERE); });
    }
    template <uint8_t noc = get_fabric_worker_noc()>
    void close(AT) {
        close_start<noc>(HERE);
        close_finish<noc>(HERE);
    }
    template <uint8_t noc = get_fabric_worker_noc()>
    void close_start(AT) {
        for_each([&](Sender& sender, uint32_t, uint32_t) { sender.close_start<false, noc>(HERE); });
    }
    template <uint8_t noc = get_fabric_worker_noc()>
    void close_finish(AT) {
        for_each([&](Sender& sender, uint32_t, uint32_t) { sender.close_finish<false, noc>(HERE); });
    }

private:
    ConnectionSlot slots_[MaxConnections];
    uint32_t count_ = 0;
};

}  // namespace tt::tt_fabric
