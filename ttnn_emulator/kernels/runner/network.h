// SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
// SPDX-License-Identifier: Apache-2.0

// The NoC: reads, writes, multicasts and atomics, and what a barrier waits for.
//
// Sanitized, a transaction is a packet for each destination. A read's data arrive between its issue and the barrier. A
// write's source is taken between its issue and the flush, its data arrive before the barrier. Packets of a lane keep
// their order: one sender, NoC, destination and kind. There is no order between unicast, multicast and atomics, nor
// between reads.
#pragma once

#include "machine.h"

namespace runner {

// Lets packets leave or arrive, each with these odds; at least one if `force`. Returns whether one did.
bool move_packets(double odds, bool force);

// A kernel that ends must have waited for all that it sent.
void check_transactions_at_end(const Fiber& fiber);

void drop_packets();

}  // namespace runner
