// SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
// SPDX-License-Identifier: Apache-2.0
// Data movement: the cores of a team. A team is a rectangle of cores that work on the same rows. Its leader is the core
// in the top left corner. These functions are for writer kernels, which use the second NoC. Touches no circular buffer
// of its own. Semaphores are the caller's: `signal_all` sets one on every core of the team, and `tell_leader` counts up
// the leader's.
#pragma once

#include "words.h"

struct Team {
    uint32_t left, top, right, bottom;  // NoC coordinates of the corners
    uint32_t cores;

    // The second NoC routes from right to left and from bottom to top: its rectangles begin at the bottom right.
    uint64_t everywhere(uint32_t address) const { return get_noc_multicast_addr(right, bottom, left, top, address); }

    uint64_t at_leader(uint32_t address) const { return get_noc_addr(left, top, address); }

    // Writes to the same address on all cores. A multicast does not reach its sender, so it also writes to itself.
    void send_to_all(uint32_t from, uint32_t to, uint32_t bytes) const {
        noc_async_write(from, get_noc_addr(to), bytes);
        if (cores > 1) {
            noc_async_write_multicast(from, everywhere(to), bytes, cores - 1);
        }
    }

    // The leader calls this. It waits until all that this core sent has arrived, then sets the semaphore on every core.
    void signal_all(uint32_t semaphore, uint32_t value) const {
        noc_async_write_barrier();
        noc_semaphore_set(words(semaphore), value);
        if (cores > 1) {
            noc_semaphore_set_multicast(semaphore, everywhere(semaphore), cores - 1);
        }
        noc_async_write_barrier();
    }

    // Waits until all that this core sent has arrived, then counts the leader's semaphore up by one.
    void tell_leader(uint32_t semaphore) const {
        noc_async_write_barrier();
        noc_semaphore_inc(at_leader(semaphore), 1);
        noc_async_atomic_barrier();
    }
};
