// SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
// SPDX-License-Identifier: Apache-2.0

#include "memory.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "report.h"

namespace runner {

Machine machine;

namespace {

uint8_t* map(size_t bytes, int file) {
    const int kind = file < 0 ? MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE : MAP_SHARED | MAP_NORESERVE;
    void* place = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, kind, file, 0);
    if (place == MAP_FAILED) {
        perror("ttnn_emulator: memory for the cores' L1");
        abort();
    }
    return static_cast<uint8_t*>(place);
}

}  // namespace

void make_l1(uint32_t count) {
    const size_t bytes = size_t(count) * L1_STEP;
    if (machine.mapped < bytes) {
        if (machine.l1_file < 0) machine.l1_file = memfd_create("ttnn_emulator L1", MFD_CLOEXEC);
        if (machine.l1_file < 0 || ftruncate(machine.l1_file, off_t(bytes))) {
            perror("ttnn_emulator: memory for the cores' L1");
            abort();
        }
        if (machine.l1) munmap(machine.l1, machine.mapped);
        machine.l1 = map(bytes, machine.l1_file);
        machine.mapped = bytes;
    }
    static size_t shadowed = 0;
    if (machine.shadow) munmap(machine.shadow, shadowed);
    machine.shadow = machine.sanitized ? map(bytes, -1) : nullptr;
    shadowed = bytes;
}

void show_in_window(Core* core) {
    if (machine.in_window == core) return;
    static bool is_ours = false;
    const int fixed = is_ours ? MAP_FIXED : MAP_FIXED_NOREPLACE;
    void* wanted = reinterpret_cast<void*>(uintptr_t(FIRST_ADDRESS));
    void* place = mmap(
        wanted, L1_STEP - FIRST_ADDRESS, PROT_READ | PROT_WRITE, MAP_SHARED | fixed, machine.l1_file,
        off_t(core->number) * L1_STEP + FIRST_ADDRESS);
    if (place != wanted) {
        report("no memory", "L1 cannot be mapped at its addresses, from 0x%x on: %s", FIRST_ADDRESS, strerror(errno));
        give_up();
    }
    is_ours = true;
    machine.in_window = core;
}

Region* find_region(const Core* core, uint32_t bank, uint64_t address, uint64_t bytes) {
    for (Region* region : core ? core->regions : machine.dram[bank])
        if (region->holds(address, bytes)) return region;
    return nullptr;
}

CircularBuffer* find_buffer(Core* core, uint32_t address) {
    for (uint32_t number : core->numbers)
        if (core->buffers[number].has(address)) return &core->buffers[number];
    return nullptr;
}

uint32_t number_of(const Core* core, const CircularBuffer* buffer) { return uint32_t(buffer - core->buffers); }

bool is_in_use(const Core* core, uint32_t address, uint32_t bytes) {
    const auto is_among = [&](uint32_t start, uint32_t size) { return address >= start && address + bytes <= start + size; };
    return is_among(SEMAPHORES, MOST_SEMAPHORES * SEMAPHORE_STEP) || is_among(HEADERS, core->header_bytes[0]) ||
           is_among(HEADERS + HEADER_BYTES, core->header_bytes[1]) || find_region(core, 0, address, bytes);
}

uint32_t word_at(const Core& core, uint32_t address) {
    uint32_t value;
    memcpy(&value, core.l1 + address, sizeof value);
    return value;
}

void mark(Core* core, uint32_t address, uint32_t bytes, uint8_t set, uint8_t clear) {
    uint8_t* shadow = core->shadow + address;
    for (uint32_t i = 0; i < bytes; i++) shadow[i] = uint8_t((shadow[i] | set) & ~clear);
}

uint8_t marks_of(const Core* core, uint32_t address, uint32_t bytes) {
    uint8_t all = 0;
    for (uint32_t i = 0; i < bytes; i++) all |= core->shadow[address + i];
    return all;
}

bool all_written(const uint8_t* shadow, uint32_t bytes) {
    return std::all_of(shadow, shadow + bytes, [](uint8_t marks) { return marks & WRITTEN; });
}

bool among(const CircularBuffer& buffer, uint32_t address, uint32_t bytes, uint32_t first, uint32_t count) {
    const uint32_t last = (address - buffer.address + bytes - 1) / buffer.page;
    for (uint32_t page = (address - buffer.address) / buffer.page; page <= last; page++)
        if ((page + buffer.pages - first) % buffer.pages >= count) return false;
    return true;
}

void check_access(uint32_t address, uint32_t bytes, Access access) {
    static const char* const NAMES[] = {"loads from", "stores to", "a NoC read will write to", "a NoC write reads"};
    const char* what = NAMES[int(access)];
    const bool writes = access == Access::STORE || access == Access::READ_TARGET;
    Fiber* fiber = machine.running;
    Core* core = fiber->core;
    if (uint64_t(address) + bytes > L1_STEP || address < FIRST_ADDRESS) {
        report("out of bounds", "%s %u bytes at L1 0x%x", what, bytes, address);
        give_up();
    }
    if (!machine.sanitized || bytes == 0) return;
    const auto place = [&] { return describe(core, address); };  // made for an error only
    CircularBuffer* const found = find_buffer(core, address);
    if (found ? !found->has(address + bytes - 1) : find_buffer(core, address + bytes - 1) != nullptr) {
        report("past the end of a buffer", "%s %u bytes from %s on", what, bytes, place().c_str());
    } else if (found) {
        CircularBuffer& buffer = *found;
        if (writes && !buffer.is_queue && !buffer.stored_by) {
            buffer.stored_by = fiber;
            buffer.stored_file = fiber->file;
            buffer.stored_line = fiber->line;
        }
        const uint32_t reserved = buffer.producer == fiber ? buffer.reserved : 0;
        const uint32_t waited = buffer.consumer == fiber ? buffer.waited : 0;
        if (buffer.is_queue && !among(buffer, address, bytes, buffer.write, reserved) &&
            !among(buffer, address, bytes, buffer.read, waited))
            report(
                writes ? "write before reserve" : "read before wait",
                "%s %s; this kernel has reserved %u pages and waited for %u", what, place().c_str(), reserved, waited);
    } else if (!is_in_use(core, address, bytes)) {
        report("out of bounds", "%s %u bytes at %s, where no buffer lies", what, bytes, place().c_str());
    }
    const uint8_t marks = marks_of(core, address, bytes);
    if (marks & ARRIVING)
        report("read still in flight", "%s %s, where a NoC read has not arrived: no barrier", what, place().c_str());
    else if (access == Access::LOAD && !all_written(core->shadow + address, bytes))
        report("never written", "%s %s", what, place().c_str());
    if (writes && (marks & LEAVING))
        report("source changed", "%s %s, which a NoC write has not sent yet: no flush", what, place().c_str());
    if (access == Access::STORE) mark(core, address, bytes, WRITTEN, 0);
}

}  // namespace runner
