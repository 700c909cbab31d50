// SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
// SPDX-License-Identifier: Apache-2.0

// What Python calls (ttnn_emulator/kernels/machine.py), in this order: begin, then links, regions, buffers, semaphores
// and kernels, then run, fetch and report.

#include <dlfcn.h>

#include <algorithm>
#include <cstring>
#include <map>
#include <utility>

#include "fabric.h"
#include "fibers.h"
#include "memory.h"
#include "network.h"
#include "report.h"
#include "run.h"

using namespace runner;

namespace {

std::map<std::string, void*> loaded;  // libraries of kernels by their paths
std::string text_for_python;

// Returns null where there is no such library.
void* load(const char* library) {
    void*& handle = loaded[library];
    if (!handle) handle = dlopen(library, RTLD_NOW | RTLD_LOCAL);
    return handle;
}

void copy_to_l1(const Region& region) { memcpy(region.core->l1 + region.address, region.data, region.bytes); }

}  // namespace

extern "C" {

// `cores` has x, y, NoC x and NoC y of each core of a chip. The first core of the next chip has the next number.
void emu_begin(
    const uint32_t* chips, uint32_t chip_count, const uint32_t* cores, uint32_t count, uint32_t dram_alignment,
    uint32_t packet_bytes, int32_t sanitized) {
    machine.sanitized = sanitized;
    free_stacks();
    drop_packets();
    machine.fibers.clear();
    machine.cores.clear();
    machine.core_at.clear();
    machine.regions.clear();
    machine.dram.clear();
    machine.links.clear();
    machine.chips.assign(chips, chips + chip_count);
    machine.packet_bytes = packet_bytes;
    machine.errors.clear();
    machine.seen.clear();
    machine.in_window = nullptr;
    machine.dram_alignment = dram_alignment;
    make_l1(chip_count * count);
    for (uint32_t i = 0; i < chip_count * count; i++) {
        const uint32_t* place = cores + 4 * (i % count);
        auto core = std::make_unique<Core>();
        core->number = i;
        core->chip = i / count;
        core->x = place[0];
        core->y = place[1];
        core->noc_x = place[2];
        core->noc_y = place[3];
        core->l1 = machine.l1 + size_t(i) * L1_STEP;
        core->shadow = machine.shadow + size_t(i) * L1_STEP;
        machine.core_at[key_on_chip(core->chip, core->noc_x | core->noc_y << 6)] = core.get();
        machine.cores.push_back(std::move(core));
    }
}

void emu_link(uint32_t chip, uint32_t channel, const int32_t* path, uint32_t count) {
    add_link(chip, channel, {path, path + count});
}

// A part of a tensor: of a DRAM bank, or of the L1 of core `core` if that is not negative. Stays where it is in memory.
void emu_region(int32_t core, uint32_t bank, uint32_t address, uint32_t bytes, uint8_t* data, int32_t is_written) {
    Core* owner = core < 0 ? nullptr : machine.cores[uint32_t(core)].get();
    auto region = std::make_unique<Region>(Region{owner, owner ? 0 : bank, address, bytes, data, false, {}});
    if (machine.sanitized) region->shadow.assign(bytes, is_written ? WRITTEN : 0);
    if (owner) {
        copy_to_l1(*region);
        if (machine.sanitized && is_written) mark(owner, address, bytes, WRITTEN, 0);
    }
    (owner ? owner->regions : machine.dram[bank]).push_back(region.get());
    machine.regions.push_back(std::move(region));
}

// Brings L1 back into the regions. Then says of each whether the program changed it.
void emu_fetch(uint8_t* changed) {
    for (auto& region : machine.regions) {
        if (region->core) {
            const uint8_t* l1 = region->core->l1 + region->address;
            region->is_written = memcmp(region->data, l1, region->bytes) != 0;
            if (region->is_written) memcpy(region->data, l1, region->bytes);
        }
        *changed++ = region->is_written;
    }
}

void emu_buffer(
    uint32_t core, uint32_t number, uint32_t address, uint32_t bytes, uint32_t page, uint32_t format, uint32_t rows,
    int32_t straight_to_dest, int32_t is_tensor) {
    Core* owner = machine.cores[core].get();
    CircularBuffer& buffer = owner->buffers[number];
    buffer = CircularBuffer{};
    buffer.exists = true;
    buffer.address = address;
    buffer.page = page;
    buffer.pages = bytes / page;
    buffer.format = format;
    buffer.rows = rows;
    buffer.straight_to_dest = straight_to_dest;
    owner->numbers.push_back(number);
    if (!is_tensor) {
        uint16_t* halves = reinterpret_cast<uint16_t*>(owner->l1 + address);
        std::fill(halves, halves + bytes / 2, POISON);
    }
}

void emu_add_semaphore(uint32_t core, uint32_t id, uint32_t value) {
    Core* owner = machine.cores[core].get();
    const uint32_t address = SEMAPHORES + id * SEMAPHORE_STEP;
    memcpy(owner->l1 + address, &value, sizeof value);
    if (machine.sanitized) mark(owner, address, sizeof value, WRITTEN, 0);
    owner->semaphores = std::max(owner->semaphores, id + 1);
}

void emu_compute(uint32_t core, int32_t blackhole, int32_t wide, int32_t phases, uint32_t dest_tiles, uint32_t dest_halves) {
    auto engines = std::make_unique<Tensix>();
    engines->settings = {blackhole != 0, wide != 0, phases, dest_tiles, dest_halves};
    engines->unpacker[0] = ~0u;
    engines->dest.assign(size_t(dest_halves) * dest_tiles * TILE_VALUES, 0);
    engines->has_value.assign(dest_halves * dest_tiles, 0);
    machine.cores[core]->tensix = std::move(engines);
}

// Whether a kernel may send packets to other chips.
int32_t emu_uses_fabric(const char* library) {
    void* handle = load(library);
    return handle && dlsym(handle, "emu_uses_fabric");
}

// Returns an error, or null.
const char* emu_kernel(
    uint32_t core, const char* library, const char* name, uint32_t processor, uint32_t noc, const uint32_t* arguments,
    uint32_t count, const uint32_t* common, uint32_t common_count) {
    void* handle = load(library);
    if (!handle) return dlerror();
    const auto main = reinterpret_cast<void (*)()>(dlsym(handle, "emu_kernel_main"));
    if (!main) return dlerror();
    auto fiber = std::make_unique<Fiber>();
    fiber->core = machine.cores[core].get();
    fiber->processor = Processor(processor);
    fiber->noc = noc;
    fiber->name = name;
    fiber->main = main;
    fiber->file = name;
    fiber->call = "the beginning";
    fiber->arguments.assign(arguments, arguments + count);
    fiber->common.assign(common, common + common_count);
    machine.fibers.push_back(std::move(fiber));
    return nullptr;
}

// Returns the number of errors.
uint32_t emu_run(uint64_t seed, uint64_t most_switches) {
    std::stable_sort(machine.fibers.begin(), machine.fibers.end(), [](const auto& a, const auto& b) {
        return a->core->number < b->core->number;
    });
    run(seed, most_switches);
    return uint32_t(machine.errors.size());
}

// Whether products of the matrix unit may have been rounded since the last call.
int32_t emu_rounds_products() { return std::exchange(machine.rounds_products, false); }

const char* emu_errors() {
    text_for_python.clear();
    for (const std::string& error : machine.errors) text_for_python += error + "\n";
    return text_for_python.c_str();
}

// What kernels ask of their arguments.
uint32_t emu_argument(uint32_t index, int common) {
    const std::vector<uint32_t>& all = common ? machine.running->common : machine.running->arguments;
    if (index >= all.size()) {
        report("no such argument", "%s argument %u of %zu", common ? "common runtime" : "runtime", index, all.size());
        give_up();
    }
    return all[index];
}

uintptr_t emu_argument_address(uint32_t index, int common) {
    emu_argument(index, common);
    std::vector<uint32_t>& all = common ? machine.running->common : machine.running->arguments;
    return reinterpret_cast<uintptr_t>(&all[index]);
}
}
