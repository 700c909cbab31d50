// SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
// SPDX-License-Identifier: Apache-2.0

// The fabric: packets that kernels send to other chips.
//
// A kernel writes a packet into a slot of a router by the NoC. The router forwards the packets of a channel in their
// order. The router at the far end writes their parts by the NoC of its chip, in any order between destinations. An
// increment that flushes comes after all that the router wrote for this channel before.
#pragma once

#include <vector>

#include "machine.h"

namespace runner {

struct Packet;

void add_link(uint32_t chip, uint32_t channel, const std::vector<int32_t>& path);

// The router learns of a packet in one of its slots.
void forward(const Packet& told);

// A packet arrives on the chips that it is for, and its slot is free again.
void deliver(const Packet& packet);

// A kernel that ends must have closed its connections.
void check_connections_at_end(const Fiber& fiber);

}  // namespace runner
