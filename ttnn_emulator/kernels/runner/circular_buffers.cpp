// SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
// SPDX-License-Identifier: Apache-2.0

#include "circular_buffers.h"

#include <algorithm>

#include "fibers.h"
#include "memory.h"
#include "report.h"

using namespace runner;

namespace runner {

CircularBuffer& buffer_of(uint32_t number) {
    Core* core = machine.running->core;
    if (number >= BUFFERS || !core->buffers[number].exists) {
        report("no such buffer", "circular buffer %u; the program has none of this number on this core", number);
        give_up();
    }
    return core->buffers[number];
}

namespace {

// From here on a kernel may only touch pages that it has reserved or waited for, and so it should have been before.
void become_queue(CircularBuffer& buffer, uint32_t number) {
    if (!buffer.is_queue && buffer.stored_by) {
        const std::string place = text("%s:%d", base_name(buffer.stored_file), buffer.stored_line);
        report_of(
            buffer.stored_by, place.c_str(), "write before reserve",
            "a store to buffer %u, of which no page was reserved; %s uses it as a queue", number,
            machine.running->name.c_str());
    }
    buffer.is_queue = true;
}

void take_producer(CircularBuffer& buffer, uint32_t number) {
    Fiber* fiber = machine.running;
    become_queue(buffer, number);
    if (machine.sanitized && buffer.producer && buffer.producer != fiber)
        report("two producers", "buffer %u, which %s fills too", number, buffer.producer->name.c_str());
    buffer.producer = fiber;
}

void take_consumer(CircularBuffer& buffer, uint32_t number) {
    Fiber* fiber = machine.running;
    become_queue(buffer, number);
    if (machine.sanitized && buffer.consumer && buffer.consumer != fiber)
        report("two consumers", "buffer %u, which %s empties too", number, buffer.consumer->name.c_str());
    buffer.consumer = fiber;
}

// Pages that are handed over together lie one behind the other.
void check_end(const CircularBuffer& buffer, uint32_t number, uint32_t place, uint32_t pages, const char* what) {
    if (machine.sanitized && pages <= buffer.pages && place + pages > buffer.pages)
        report(
            "past the end of a buffer", "%u pages of buffer %u are %s from place %u of %u on", pages, number, what, place,
            buffer.pages);
}

void check_count(const CircularBuffer& buffer, uint32_t number, uint32_t pages, const char* what) {
    if (pages > buffer.pages) {
        report("too many pages", "%u pages of buffer %u are %s, which has %u", pages, number, what, buffer.pages);
        give_up();
    }
}

uint8_t marks_of_pages(const CircularBuffer& buffer, uint32_t place, uint32_t pages) {
    uint8_t all = 0;
    for (uint32_t i = 0; i < pages; i++)
        all |= marks_of(machine.running->core, buffer.page_address(place + i), buffer.page);
    return all;
}

}  // namespace
}  // namespace runner

extern "C" {

void emu_reserve_back(uint32_t number, uint32_t pages, EMU_AT) {
    enter("cb_reserve_back", file, line);
    CircularBuffer& buffer = buffer_of(number);
    take_producer(buffer, number);
    check_count(buffer, number, pages, "reserved");
    check_end(buffer, number, buffer.write, pages, "reserved");
    machine.running->wait_buffer = number;
    machine.running->wait_count = pages;
    wait(Wait::FREE_PAGES);
    buffer.reserved = std::max(buffer.reserved, pages);
}

void emu_push_back(uint32_t number, uint32_t pages, EMU_AT) {
    enter("cb_push_back", file, line);
    CircularBuffer& buffer = buffer_of(number);
    take_producer(buffer, number);
    if (buffer.held() + pages > buffer.pages) {
        report(
            "push beyond the buffer's size", "%u pages are pushed to buffer %u, %u of its %u are in use", pages, number,
            buffer.held(), buffer.pages);
        give_up();
    }
    if (pages > buffer.reserved)
        report("push without reserve", "%u pages are pushed to buffer %u, %u are reserved", pages, number, buffer.reserved);
    if (machine.sanitized) {
        check_end(buffer, number, buffer.write, pages, "pushed");
        if (marks_of_pages(buffer, buffer.write, pages) & ARRIVING)
            report(
                "read still in flight", "pages of buffer %u are pushed before a NoC read to them has arrived: no barrier",
                number);
    }
    buffer.pushed += pages;
    buffer.write = (buffer.write + pages) % buffer.pages;
    buffer.reserved -= std::min(buffer.reserved, pages);
    buffer.packed = 0;
}

void emu_wait_front(uint32_t number, uint32_t pages, EMU_AT) {
    enter("cb_wait_front", file, line);
    CircularBuffer& buffer = buffer_of(number);
    take_consumer(buffer, number);
    check_count(buffer, number, pages, "waited for");
    machine.running->wait_buffer = number;
    machine.running->wait_count = pages;
    wait(Wait::PAGES);
    buffer.waited = std::max(buffer.waited, pages);
}

void emu_pop_front(uint32_t number, uint32_t pages, EMU_AT) {
    enter("cb_pop_front", file, line);
    CircularBuffer& buffer = buffer_of(number);
    take_consumer(buffer, number);
    if (pages > buffer.held()) {
        report("pop of an empty buffer", "%u pages of buffer %u are popped, it holds %u", pages, number, buffer.held());
        give_up();
    }
    if (pages > buffer.waited)
        report("pop without wait", "%u pages of buffer %u are popped, %u were waited for", pages, number, buffer.waited);
    if (machine.sanitized) {
        check_end(buffer, number, buffer.read, pages, "popped");
        if (marks_of_pages(buffer, buffer.read, pages) & LEAVING)
            report("source changed", "pages of buffer %u are popped before a NoC write has sent them: no flush", number);
        for (uint32_t i = 0; i < pages; i++)  // what was popped is gone
            mark(machine.running->core, buffer.page_address(buffer.read + i), buffer.page, 0, WRITTEN);
    }
    buffer.popped += pages;
    buffer.read = (buffer.read + pages) % buffer.pages;
    buffer.waited -= std::min(buffer.waited, pages);
}

int emu_has_pages(uint32_t number, uint32_t pages, int at_front, EMU_AT) {
    enter(at_front ? "cb_pages_available_at_front" : "cb_pages_reservable_at_back", file, line);
    CircularBuffer& buffer = buffer_of(number);
    const bool has = at_front ? buffer.held() >= pages : buffer.pages - buffer.held() >= pages;
    if (!has) machine.polls++;
    if (!has && !machine.sanitized) to_scheduler();  // a kernel that asks again and again lets others run
    return has;
}

uint32_t emu_pointer(uint32_t number, int front, EMU_AT) {
    enter(front ? "get_read_ptr" : "get_write_ptr", file, line);
    CircularBuffer& buffer = buffer_of(number);
    return buffer.page_address(front ? buffer.read : buffer.write);
}

void emu_describe(uint32_t number, uint32_t* pages, uint32_t* page_bytes, uint32_t* address, EMU_AT) {
    enter("get_local_cb_interface", file, line);
    const CircularBuffer& buffer = buffer_of(number);
    *pages = buffer.pages;
    *page_bytes = buffer.page;
    *address = buffer.address;
}
}
