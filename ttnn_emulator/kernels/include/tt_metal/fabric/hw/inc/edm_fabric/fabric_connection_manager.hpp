// SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
// SPDX-License-Identifier: Apache-2.0
// The connections of a kernel to both directions of a line.
#pragma once

#include "tt_metal/fabric/hw/inc/edm_fabric/edm_fabric_worker_adapters.hpp"

class FabricConnectionManager {
public:
    enum BuildFromArgsMode : uint8_t { BUILD_ONLY, BUILD_AND_OPEN_CONNECTION, BUILD_AND_OPEN_CONNECTION_START_ONLY };

    // Each direction has an argument that says whether it is there, and if it is, those of its connection.
    template <BuildFromArgsMode mode = BUILD_ONLY>
    static FabricConnectionManager build_from_args(size_t& argument, AT) {
        FabricConnectionManager manager;
        for (Direction& direction : manager.directions_) {
            direction.exists = get_arg_val<uint32_t>(argument++) != 0;
            if (!direction.exists) continue;
            direction.sender = Sender::build_from_args<ProgrammableCoreType::TENSIX>(argument, HERE);
            if constexpr (mode != BUILD_ONLY) direction.sender.open_start(HERE);
        }
        if constexpr (mode == BUILD_AND_OPEN_CONNECTION) manager.open_finish(HERE);
        return manager;
    }

    bool is_logically_connected() const { return has_forward_connection() || has_backward_connection(); }
    bool has_forward_connection() const { return directions_[0].exists; }
    bool has_backward_connection() const { return directions_[1].exists; }

    template <bool sends_address = false>
    void open(AT) {
        each([&](auto& sender) { sender.open_start(HERE); });
        open_finish(HERE);
    }
    void open_finish(AT) { each([&](auto& sender) { sender.open_finish(HERE); }); }
    void close(AT) {
        close_start(HERE);
        close_finish(HERE);
    }
    void close_start(AT) { each([&](auto& sender) { sender.close_start(HERE); }); }
    void close_finish(AT) { each([&](auto& sender) { sender.close_finish(HERE); }); }

    auto& get_forward_connection() { return directions_[0].sender; }
    auto& get_backward_connection() { return directions_[1].sender; }

private:
    using Sender = tt::tt_fabric::WorkerToFabricEdmSender;
    struct Direction {
        bool exists = false;
        Sender sender;
    };
    template <typename Action>
    void each(Action action) {
        for (Direction& direction : directions_)
            if (direction.exists) action(direction.sender);
    }

    Direction directions_[2];  // forward, backward
};
