// SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
// SPDX-License-Identifier: Apache-2.0
// Cores of a rectangle with a leader in its top left corner, as a writer sees them.
#pragma once

#include "words.h"

struct Team {
    uint32_t left, top, right, bottom;  // as the NoC numbers them
    uint32_t cores;

    // The second NoC counts the other way: its rectangles begin at the bottom right.
    uint64_t everywhere(uint32_t address) const { return get_noc_multicast_addr(right, bottom, left, top, address); }

    uint64_t at_leader(uint32_t address) const { return get_noc_addr(left, top, address); }

    // A multicast reaches all cores but its sender.
    void send_to_all(uint32_t from, uint32_t to, uint32_t bytes) const {
        noc_async_write(from, get_noc_addr(to), bytes);
        if (cores > 1) {
            noc_async_write_multicast(from, everywhere(to), bytes, cores - 1);
        }
    }

    // The leader's: sets a semaphore on every core, when all that was sent has arrived.
    void signal_all(uint32_t semaphore, uint32_t value) const {
        noc_async_write_barrier();
        noc_semaphore_set(words(semaphore), value);
        if (cores > 1) {
            noc_semaphore_set_multicast(semaphore, everywhere(semaphore), cores - 1);
        }
        noc_async_write_barrier();
    }

    // Counts the leader's semaphore up, when all that was sent has arrived.
    void tell_leader(uint32_t semaphore) const {
        noc_async_write_barrier();
        noc_semaphore_inc(at_leader(semaphore), 1);
        noc_async_atomic_barrier();
    }
};
