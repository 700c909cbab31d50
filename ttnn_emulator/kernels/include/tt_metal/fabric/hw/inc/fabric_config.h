// SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
// SPDX-License-Identifier: Apache-2.0
// The size of a packet's payload.
#pragma once

namespace tt::tt_fabric {
inline uint32_t get_fabric_max_packet_size() { return emu_fabric_packet_bytes(); }
}  // namespace tt::tt_fabric
