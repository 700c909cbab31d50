// SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
// SPDX-License-Identifier: Apache-2.0
// Names that the library's headers use in functions for such senders.
#pragma once

#include "tt_metal/fabric/hw/inc/tt_fabric_mux.hpp"

namespace tt::tt_fabric {
template <uint8_t buffers>
void fabric_async_write(
    WorkerToFabricMuxSender<buffers>& sender, volatile PACKET_HEADER_TYPE* header, uint32_t from, uint32_t bytes);
template <uint8_t buffers>
void fabric_atomic_inc(WorkerToFabricMuxSender<buffers>& sender, volatile PACKET_HEADER_TYPE* header);
}  // namespace tt::tt_fabric
