// SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
// SPDX-License-Identifier: Apache-2.0

#include "network.h"

#include <algorithm>
#include <cstring>

#include "fabric.h"
#include "fibers.h"
#include "memory.h"
#include "packets.h"
#include "report.h"

using namespace runner;

namespace runner {

Found find_place(uint32_t chip, uint64_t address, uint32_t bytes) {
    const uint32_t xy = uint32_t(address >> 36) & 4095, x = xy & 63, y = xy >> 6, local = uint32_t(address);
    if (x == DRAM_X) {
        Region* region = find_region(nullptr, chip * DRAM_STEP + y, local, bytes);
        if (region) return {{nullptr, region, local}};
        return {{}, "out of bounds", text("%u bytes at 0x%x of DRAM bank %u, where no tensor lies", bytes, local, y)};
    }
    const auto found = machine.core_at.find(key_on_chip(chip, xy));
    if (found == machine.core_at.end()) return {{}, "no such core", text("the NoC coordinates (%u,%u)", x, y)};
    if (uint64_t(local) + bytes > L1_STEP || local < FIRST_ADDRESS)
        return {{}, "out of bounds", text("%u bytes at L1 0x%x of another core", bytes, local)};
    return {{found->second, nullptr, local}};
}

namespace {

uint32_t lone = FIRST_LONE;  // reads have no order: each has a lane of its own

uint32_t local_part(uint64_t address) { return uint32_t(address); }

// The far end of a transaction of the running kernel.
Place far_end(uint64_t address, uint32_t bytes, const char* what) {
    const Found found = find_place(machine.running->core->chip, address, bytes);
    if (found.rule) {
        report(found.rule, "%s %s", what, found.error.c_str());
        give_up();
    }
    return found.place;
}

void check_alignment(const Place& place, uint32_t local, bool reads) {
    const uint32_t step = !place.core && reads ? machine.dram_alignment : machine.l1_alignment;
    if (machine.sanitized && place.address % step != local % step)
        report(
            "alignment", "a NoC %s between 0x%x and L1 0x%x: they must be alike modulo %u", reads ? "read" : "write",
            place.address, local, step);
}

// The marks of other writes that have yet to take their source here are set again.
void take_source(Packet& packet) {
    Source* source = packet.source;
    if (!source || source->is_taken) return;
    Core* core = packet.from->core;
    source->is_taken = true;
    source->data.assign(core->l1 + packet.local, core->l1 + packet.local + packet.bytes);
    source->shadow.assign(core->shadow + packet.local, core->shadow + packet.local + packet.bytes);
    packet.from->outstanding[packet.noc][source->sent].remove(packet.id);
    mark(core, packet.local, packet.bytes, 0, LEAVING);
    for (auto& [key, lane] : machine.lanes)
        for (const Packet* other : lane)
            if (other->source && !other->source->is_taken && other->from->core == core &&
                other->local < packet.local + packet.bytes && packet.local < other->local + other->bytes)
                mark(core, other->local, other->bytes, LEAVING, 0);
}

// What a write may meet where it lands.
void check_landing(const Packet& packet) {
    Core* core = packet.place.core;
    const uint32_t address = packet.place.address, bytes = packet.bytes;
    if (!core || bytes == 0) return;
    const std::string where = text("%s:%d", base_name(packet.file), packet.line);
    const auto place = [&] { return describe(core, address); };
    const char* at = where.c_str();
    const CircularBuffer* const found = find_buffer(core, address);
    if (found ? !found->has(address + bytes - 1) : find_buffer(core, address + bytes - 1) != nullptr) {
        report_of(
            packet.from, at, "past the end of a buffer", "a NoC write of %u bytes arrives from %s on", bytes,
            place().c_str());
    } else if (found) {
        const CircularBuffer& buffer = *found;
        const uint32_t last = (address - buffer.address + bytes - 1) / buffer.page;
        for (uint32_t page = (address - buffer.address) / buffer.page; page <= last; page++)
            if ((page + buffer.pages - buffer.read) % buffer.pages < buffer.held()) {
                report_of(
                    packet.from, at, "overwritten", "a NoC write arrives in %s, which its consumer has not popped",
                    place().c_str());
                break;
            }
    } else if (!is_in_use(core, address, bytes)) {
        report_of(
            packet.from, at, "out of bounds", "a NoC write of %u bytes arrives in %s, where no buffer lies", bytes,
            place().c_str());
    }
    const uint8_t marks = marks_of(core, address, bytes);
    if (marks & ARRIVING)
        report_of(packet.from, at, "race", "a NoC write arrives in %s, where a NoC read is still to arrive", place().c_str());
    if (marks & LEAVING)
        report_of(
            packet.from, at, "race", "a NoC write arrives in %s, which another NoC write has not sent yet", place().c_str());
    if (packet.kind == ATOMIC && !(packet.place.shadow()[0] & WRITTEN))
        report_of(packet.from, at, "never written", "a semaphore that was never set is counted up in %s", place().c_str());
}

}  // namespace

void arrive(Packet* packet) {
    Fiber* from = packet->from;
    const uint32_t bytes = packet->bytes;
    uint8_t *const data = packet->place.data(), *const shadow = packet->place.shadow();
    if (packet->kind == FORWARD) {
        deliver(*packet);
    } else if (packet->kind == READ) {
        memcpy(from->core->l1 + packet->local, data, bytes);
        uint8_t* own = from->core->shadow + packet->local;
        for (uint32_t i = 0; i < bytes; i++) own[i] = uint8_t((shadow[i] & WRITTEN) | (own[i] & LEAVING));
    } else {
        take_source(*packet);
        check_landing(*packet);
        if (packet->kind == ATOMIC) {
            uint32_t value;
            memcpy(&value, data, sizeof value);
            value += packet->value;
            memcpy(data, &value, sizeof value);
        } else if (!packet->source) {
            memcpy(data, &packet->value, sizeof packet->value);
            for (uint32_t i = 0; i < sizeof packet->value; i++) shadow[i] |= WRITTEN;
        } else {
            memcpy(data, packet->source->data.data(), bytes);
            for (uint32_t i = 0; i < bytes; i++)
                shadow[i] = uint8_t((shadow[i] & LEAVING) | (packet->source->shadow[i] & WRITTEN));
        }
    }
    if (!packet->posted) from->outstanding[packet->noc][packet->kind].remove(packet->id);
    if (packet->kind == WRITE && packet->link) forward(*packet);
    if (packet->source && --packet->source->packets == 0) delete packet->source;
    delete packet;
}

namespace {

void count(Fiber* fiber, Kind kind, uint32_t noc, uint32_t id) {
    fiber->outstanding[noc][kind].add(id);
    fiber->since_barrier[noc][kind].add(id);
}

}  // namespace

void put(const Packet& packet, uint32_t sender, uint32_t lane) {
    machine.lanes[{sender, packet.noc, packet.place.number(), packet.kind, lane}].push_back(new Packet(packet));
}

void send(Packet packet, uint32_t lane) {
    Fiber* fiber = packet.from;
    packet.file = fiber->file;
    packet.line = fiber->line;
    if (!packet.posted) count(fiber, packet.kind, packet.noc, packet.id);
    put(packet, fiber->core->number * 8 + uint32_t(fiber->processor), lane);
}

void send_write(
    uint32_t from, uint32_t bytes, bool posted, uint32_t noc, const std::vector<std::pair<Place, Lane>>& places) {
    Fiber* fiber = machine.running;
    const uint32_t id = fiber->writes[noc].id;
    check_access(from, bytes, Access::WRITE_SOURCE);
    for (const auto& [place, lane] : places) {
        check_alignment(place, from, false);
        if (!place.core) place.region->is_written = true;
    }
    if (!machine.sanitized) {
        for (const auto& [place, lane] : places) memmove(place.data(), fiber->core->l1 + from, bytes);
        return;
    }
    if (places.empty()) return;
    mark(fiber->core, from, bytes, LEAVING, 0);
    const Kind sent = posted ? POSTED_SENT : SENT;
    count(fiber, sent, noc, id);
    Source* source = new Source{uint32_t(places.size()), sent, false, {}, {}};
    for (const auto& [place, lane] : places)
        send({WRITE, fiber, noc, id, from, bytes, 0, place, source, posted, "", 0}, lane);
}

namespace {

void send_read(const Place& place, uint32_t to, uint32_t bytes, uint32_t noc) {
    Fiber* fiber = machine.running;
    check_access(to, bytes, Access::READ_TARGET);
    check_alignment(place, to, true);
    if (!machine.sanitized) {
        memmove(fiber->core->l1 + to, place.data(), bytes);
        return;
    }
    mark(fiber->core, to, bytes, ARRIVING, WRITTEN);
    send({READ, fiber, noc, fiber->reads[noc].id, to, bytes, 0, place, nullptr, false, "", 0}, lone++);
}

void send_increment(const Place& place, uint32_t by, bool posted, uint32_t noc, uint32_t lane) {
    if (!machine.sanitized) {
        uint32_t value;
        memcpy(&value, place.data(), sizeof value);
        value += by;
        memcpy(place.data(), &value, sizeof value);
        return;
    }
    send({ATOMIC, machine.running, noc, 0, 0, 4, by, place, nullptr, posted, "", 0}, lane);
}

// The cores of a multicast.
std::vector<std::pair<Place, Lane>> rectangle(
    uint64_t to, uint32_t bytes, uint32_t destinations, bool to_sender, uint32_t noc) {
    const uint32_t xy = uint32_t(to >> 36);
    uint32_t x0 = xy & 63, y0 = xy >> 6 & 63, x1 = xy >> 12 & 63, y1 = xy >> 18 & 63;
    if (noc == 1) {  // it routes the other way, so that its rectangles begin at the other corner
        std::swap(x0, x1);
        std::swap(y0, y1);
    }
    if (x0 > x1 || y0 > y1) {
        report(
            "multicast", "a rectangle from (%u,%u) to (%u,%u): on NoC %u it begins at the %s", xy & 63, xy >> 6 & 63,
            xy >> 12 & 63, xy >> 18 & 63, noc, noc ? "bottom right" : "top left");
        give_up();
    }
    const uint32_t chip = machine.running->core->chip;
    std::vector<std::pair<Place, Lane>> places;
    for (uint32_t y = y0; y <= y1; y++)
        for (uint32_t x = x0; x <= x1; x++) {
            const bool is_corner = (x == x0 || x == x1) && (y == y0 || y == y1);
            const bool is_worker = machine.core_at.count(key_on_chip(chip, x | y << 6));
            if (!is_corner && !is_worker) continue;  // DRAM and others between worker cores
            const Place place = far_end(uint64_t(x | y << 6) << 36 | local_part(to), bytes, "a multicast of");
            if (place.core != machine.running->core || to_sender) places.push_back({place, MULTICAST});
        }
    if (places.size() != destinations) {
        report(
            "multicast", "it reaches %zu cores and is told of %u: its barrier %s", places.size(), destinations,
            places.size() < destinations ? "never ends" : "ends too early");
        if (!machine.sanitized) give_up();
    }
    return places;
}

// The address of a transaction whose command buffer has the rest of it.
uint64_t at_same_place(const Command& command, uint32_t local) { return command.far_end >> 32 << 32 | local; }

void note_barrier(Fiber* fiber, int transactions, int id, uint32_t noc) {
    for (int kind = 0; kind < KINDS; kind++)
        if (transactions >> kind & 1) fiber->since_barrier[noc][kind].clear(id);
    if (transactions & EMU_WRITES) fiber->since_barrier[noc][SENT].clear(id);
}

// Whether somebody waits for this packet.
bool is_wanted(const Packet& packet) {
    const Fiber* fiber = packet.from;
    if (packet.kind == FORWARD) return fiber->wait == Wait::SLOT && fiber->wait_link == packet.link;
    const int transactions = packet.kind == READ     ? EMU_READS
                             : packet.kind == ATOMIC ? EMU_ATOMICS
                             : packet.posted         ? EMU_POSTED_SENT
                                                     : EMU_WRITES | EMU_WRITES_SENT;
    return fiber->wait == Wait::BARRIER && fiber->wait_noc == packet.noc && (fiber->wait_transactions & transactions) &&
           (fiber->wait_id == EMU_ANY_ID || fiber->wait_id == int(packet.id));
}

}  // namespace

bool move_packets(double odds, bool force) {
    bool moved = false;
    auto& lanes = machine.lanes;
    for (auto next = lanes.begin(); odds > 0 && next != lanes.end();) {
        const auto lane = next++;
        while (!lane->second.empty() && machine.random.chance(odds)) {
            Packet* packet = lane->second.front();
            moved = true;
            if (packet->source && !packet->source->is_taken && machine.random.chance(0.5)) {
                take_source(*packet);
                continue;
            }
            lane->second.pop_front();
            arrive(packet);
        }
        if (lane->second.empty()) lanes.erase(lane);
    }
    if (moved || !force) return moved;
    std::erase_if(lanes, [](const auto& lane) { return lane.second.empty(); });
    if (lanes.empty()) return false;
    auto lane = std::next(lanes.begin(), machine.random.below(uint32_t(lanes.size())));
    if (odds == 0)  // as late as can be: one that somebody waits for
        for (size_t i = 0; i < lanes.size() && !is_wanted(*lane->second.front()); i++)
            if (++lane == lanes.end()) lane = lanes.begin();
    Packet* packet = lane->second.front();
    lane->second.pop_front();
    if (lane->second.empty()) lanes.erase(lane);
    arrive(packet);
    return true;
}

void check_transactions_at_end(const Fiber& fiber) {
    if (!machine.sanitized) return;
    for (const auto& issued : fiber.since_barrier) {
        if (issued[READ].all) report("unfinished at the end", "%u NoC reads without a barrier", issued[READ].all);
        if (issued[WRITE].all) report("unfinished at the end", "%u NoC writes without a barrier", issued[WRITE].all);
        if (issued[ATOMIC].all) report("unfinished at the end", "%u atomics without a barrier", issued[ATOMIC].all);
        if (issued[POSTED_SENT].all)
            report("unfinished at the end", "%u posted NoC writes without a flush", issued[POSTED_SENT].all);
    }
}

void drop_packets() {
    for (auto& [key, lane] : machine.lanes)
        for (Packet* packet : lane) {
            if (packet->source && --packet->source->packets == 0) delete packet->source;
            delete packet;
        }
    machine.lanes.clear();
}

}  // namespace runner

extern "C" {

uint32_t emu_semaphore(uint32_t id, EMU_AT) {
    enter("get_semaphore", file, line);
    const uint32_t count = machine.running->core->semaphores;
    if (id >= count) {
        report("no such semaphore", "semaphore %u; the program has %u on this core", id, count);
        give_up();
    }
    return SEMAPHORES + id * SEMAPHORE_STEP;
}

void emu_read(uint64_t from, uint32_t to, uint32_t bytes, uint32_t noc, EMU_AT) {
    enter("noc_async_read", file, line);
    Command& command = machine.running->reads[noc];
    command = {from, bytes, command.id};
    send_read(far_end(from, bytes, "a NoC read of"), to, bytes, noc);
}

void emu_read_zeros(uint32_t to, uint32_t bytes, uint32_t noc, EMU_AT) {
    enter("async_write_zeros", file, line);
    static std::vector<uint8_t> memory(L1_STEP);
    static Region zeros{nullptr, 0, 0, L1_STEP, memory.data(), true, std::vector<uint8_t>(L1_STEP, WRITTEN)};
    send_read({nullptr, &zeros, to}, to, bytes, noc);
}

void emu_write(uint32_t from, uint64_t to, uint32_t bytes, int posted, uint32_t noc, EMU_AT) {
    enter("noc_async_write", file, line);
    Command& command = machine.running->writes[noc];
    command = {to, bytes, command.id};
    const Place place = far_end(to, bytes, "a NoC write of");
    send_write(from, bytes, posted, noc, {{place, place.core == machine.running->core ? LOOPBACK : UNICAST}});
}

void emu_multicast(uint32_t from, uint64_t to, uint32_t bytes, uint32_t destinations, int to_sender, uint32_t noc, EMU_AT) {
    enter("noc_async_write_multicast", file, line);
    send_write(from, bytes, false, noc, rectangle(to, bytes, destinations, to_sender, noc));
}

void emu_increment(uint64_t to, uint32_t by, int posted, uint32_t noc, EMU_AT) {
    enter("noc_semaphore_inc", file, line);
    send_increment(far_end(to, 4, "an atomic of"), by, posted, noc, UNICAST);
}

void emu_multicast_increment(uint64_t to, uint32_t by, uint32_t destinations, uint32_t noc, EMU_AT) {
    enter("noc_semaphore_inc_multicast", file, line);
    for (const auto& [place, lane] : rectangle(to, 4, destinations, false, noc))
        send_increment(place, by, false, noc, lane);
}

void emu_write_word(uint64_t to, uint32_t value, int posted, uint32_t noc, EMU_AT) {
    enter("noc_inline_dw_write", file, line);
    const Place place = far_end(to, 4, "an inline write of");
    if (!place.core) place.region->is_written = true;
    if (!machine.sanitized) {
        memcpy(place.data(), &value, sizeof value);
        return;
    }
    send({WRITE, machine.running, noc, 0, 0, 4, value, place, nullptr, posted != 0, "", 0}, UNICAST);
}

void emu_set_state(int writes, uint64_t far_end, uint32_t bytes, uint32_t noc, EMU_AT) {
    enter(writes ? "noc_async_write_set_state" : "noc_async_read_set_state", file, line);
    Command& command = (writes ? machine.running->writes : machine.running->reads)[noc];
    command = {far_end, bytes, command.id};
}

void emu_set_id(int writes, uint32_t id, uint32_t noc, EMU_AT) {
    enter(writes ? "noc_async_write_set_trid" : "noc_async_read_set_trid", file, line);
    if (id >= IDS) {
        report("no such transaction id", "%u; there are %u", id, IDS);
        give_up();
    }
    (writes ? machine.running->writes : machine.running->reads)[noc].id = id;
}

void emu_read_with_state(uint32_t from, uint32_t to, uint32_t bytes, uint32_t noc, EMU_AT) {
    enter("noc_async_read_with_state", file, line);
    const Command& command = machine.running->reads[noc];
    if (!bytes) bytes = command.bytes;
    send_read(far_end(at_same_place(command, from), bytes, "a NoC read of"), to, bytes, noc);
}

void emu_write_with_state(uint32_t from, uint32_t to, uint32_t bytes, int posted, uint32_t noc, EMU_AT) {
    enter("noc_async_write_with_state", file, line);
    const Command& command = machine.running->writes[noc];
    if (!bytes) bytes = command.bytes;
    const Place place = far_end(at_same_place(command, to), bytes, "a NoC write of");
    send_write(from, bytes, posted, noc, {{place, place.core == machine.running->core ? LOOPBACK : UNICAST}});
}

void emu_barrier(int transactions, int id, uint32_t noc, EMU_AT) {
    enter("a NoC barrier", file, line);
    Fiber* fiber = machine.running;
    fiber->wait_transactions = transactions;
    fiber->wait_id = id;
    fiber->wait_noc = noc;
    wait(Wait::BARRIER);
    note_barrier(fiber, transactions, id, noc);
}

int emu_has_arrived(int transactions, int id, uint32_t noc, EMU_AT) {
    enter("a loop that looks for transactions", file, line);
    Fiber* fiber = machine.running;
    for (int kind = 0; kind < KINDS; kind++)
        if ((transactions >> kind & 1) && fiber->outstanding[noc][kind].count(id)) {
            machine.polls++;
            return false;
        }
    note_barrier(fiber, transactions, id, noc);
    return true;
}

static uint32_t address_of(const volatile uint32_t* word) {
    const uintptr_t address = reinterpret_cast<uintptr_t>(word);
    check_access(address < L1_STEP ? uint32_t(address) : 0, 4, Access::LOAD);
    return uint32_t(address);
}

void emu_wait_word(const volatile uint32_t* word, uint32_t value, int at_least, EMU_AT) {
    enter("noc_semaphore_wait", file, line);
    Fiber* fiber = machine.running;
    fiber->wait_address = address_of(word);
    fiber->wait_count = value;
    fiber->wait_at_least = at_least;
    wait(Wait::WORD);
}

void emu_set_word(volatile uint32_t* word, uint32_t value, EMU_AT) {
    enter("noc_semaphore_set", file, line);
    const uint32_t address = uint32_t(reinterpret_cast<uintptr_t>(word));
    check_access(address, 4, Access::STORE);
    memcpy(machine.running->core->l1 + address, &value, sizeof value);
}

void emu_pause(EMU_AT) {
    enter("a loop that looks for a change", file, line);
    machine.polls++;
    to_scheduler();
}
}
