// SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
// SPDX-License-Identifier: Apache-2.0
// Data movement: an exchange between cores that need the same pages of a tensor. Each core reads some of them
// and multicasts these to the others, into a buffer that has the same address on all. Touches no circular buffer of its
// own. The caller reserves the buffer before `fill` and pushes it afterwards.
//
// | semaphore | meaning                                   | set by                    | waited for by |
// |-----------|-------------------------------------------|---------------------------|---------------|
// | `ready`   | buffers that were free, over all rounds   | every core, on every core | every core    |
// | `arrived` | pieces that have arrived, over all rounds | every core, on every core | every core    |
//
// Both only rise: in round n a core waits for n times the number of cores.
#pragma once

#include "api/dataflow/dataflow_api.h"

struct Exchange {
    // The cores of the exchange: `wide` neighbouring columns of cores, and `high` rows of cores that lie `apart`.
    uint32_t first_x;  // runtime argument with the NoC coordinate of the first column; those of the others follow
    uint32_t wide;
    uint32_t first_y;  // the same of the first row
    uint32_t high;
    uint32_t apart;
    uint32_t number;          // of this core in the exchange, row by row
    uint32_t ready, arrived;  // semaphores, 0 when the program starts
    uint32_t rounds = 0;

    // Fills `to` on all cores with `count` pages of a tensor, from `first` on. All cores of the exchange call this,
    // each when its `to` is free.
    template <typename Tensor>
    void fill(const Tensor& tensor, uint32_t first, uint32_t count, uint32_t page_bytes, uint32_t to) {
        const uint32_t each = (count + wide * high - 1) / (wide * high);
        const uint32_t begin = min(number * each, count), end = min(begin + each, count);
        for (uint32_t i = begin; i < end; i++) {
            noc_async_read_page(first + i, tensor, to + i * page_bytes);
        }
        noc_async_read_barrier();
        rounds++;
        tell_all(ready);
        wait_for_all(ready);
        if (begin < end) {
            send(to + begin * page_bytes, (end - begin) * page_bytes);
        }
        noc_async_write_barrier();
        tell_all(arrived);
        wait_for_all(arrived);
        noc_async_atomic_barrier();
    }

    static uint32_t min(uint32_t a, uint32_t b) { return a < b ? a : b; }
    uint32_t column(uint32_t i) const { return get_arg_val<uint32_t>(first_x + i); }
    uint32_t row(uint32_t i) const { return get_arg_val<uint32_t>(first_y + i * apart); }

    void tell_all(uint32_t semaphore) const {
        for (uint32_t y = 0; y < high; y++) {
            for (uint32_t x = 0; x < wide; x++) {
                noc_semaphore_inc(get_noc_addr(column(x), row(y), get_semaphore(semaphore)), 1);
            }
        }
    }

    void wait_for_all(uint32_t semaphore) const {
        const auto count = reinterpret_cast<volatile tt_l1_ptr uint32_t*>(get_semaphore(semaphore));
        noc_semaphore_wait_min(count, rounds * wide * high);
    }

    // Rows of cores that lie apart take a multicast each. A multicast does not reach its sender, and does not count it.
    void send(uint32_t at, uint32_t bytes) const {
        const uint32_t together = apart == 1 ? high : 1;
        for (uint32_t y = 0; y < high; y += together) {
            const uint32_t left = column(0), right = column(wide - 1), top = row(y), bottom = row(y + together - 1);
            const bool among = number / wide / together == y / together;
            const uint32_t others = wide * together - among;
            // The second NoC routes the other way: its rectangles begin at the bottom right.
            const uint64_t to = noc_index == 0 ? get_noc_multicast_addr(left, top, right, bottom, at)
                                               : get_noc_multicast_addr(right, bottom, left, top, at);
            if (others) {
                noc_async_write_multicast(at, to, bytes, others);
            }
        }
    }
};
