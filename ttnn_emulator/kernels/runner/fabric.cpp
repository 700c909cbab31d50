// SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
// SPDX-License-Identifier: Apache-2.0

#include "fabric.h"

#include <algorithm>
#include <cstring>

#include "fibers.h"
#include "memory.h"
#include "packets.h"
#include "report.h"

using namespace runner;

namespace runner {

namespace {

constexpr uint32_t SLOTS = 8;                // of a channel
constexpr uint32_t MOST_HEADER_BYTES = 144;  // of a packet
constexpr uint32_t REGISTER_BYTES = 16;
constexpr uint32_t FIRST_BANK = 1 << 16;     // of the numbers of channels' regions; those of DRAM banks are lower
constexpr uint32_t FIRST_SENDER = 1 << 24;   // of the numbers of routers as senders; those of kernels are lower
constexpr uint32_t ROUTER_NOC = 1;

// The router of a chip that a channel's packets reach, as a sender of NoC packets.
uint32_t sender_of(const Link& link, uint32_t chip) {
    return FIRST_SENDER | key_on_chip(link.chip, link.channel) << 6 | chip;
}

Link& link_of(uint32_t channel) {
    const auto found = machine.links.find(key_on_chip(machine.running->core->chip, channel));
    if (found == machine.links.end()) {
        report("no such channel", "fabric channel %u, by which this chip reaches no other", channel);
        give_up();
    }
    return *found->second;
}

// A connection that the running kernel may use.
Link& open_link(uint32_t channel) {
    Link& link = link_of(channel);
    if (link.holder != machine.running || !link.is_open) {
        const bool is_half_open = link.holder == machine.running;
        report(
            "connection not open", "fabric channel %u, which this kernel has %s", channel,
            is_half_open ? "not opened completely, or has begun to close" : "not opened, or has closed");
        give_up();
    }
    return link;
}

Place slot_of(Link& link, uint32_t packet, uint32_t offset) {
    return {nullptr, &link.region, packet % SLOTS * link.slot_bytes + offset};
}

// All that a router has written, and not yet counted up, arrives.
void flush(uint32_t sender) {
    for (auto lane = machine.lanes.lower_bound({sender, 0, 0, 0, 0}); lane != machine.lanes.end(); ++lane) {
        if (std::get<0>(lane->first) != sender) break;
        while (std::get<3>(lane->first) == WRITE && !lane->second.empty()) {
            Packet* packet = lane->second.front();
            lane->second.pop_front();
            arrive(packet);
        }
    }
}

void count_up(const Place& place, uint32_t by) {
    uint32_t value;
    memcpy(&value, place.data(), sizeof value);
    value += by;
    memcpy(place.data(), &value, sizeof value);
}

// A part of a packet on its way from the router to its place. `payload` is where the part lies in the slot.
void deliver_part(const Packet& packet, const EmuPart& part, const Place& place, const Place& payload, uint32_t sender) {
    const uint32_t bytes = part.kind == EMU_PART_WRITE ? part.value : 4;
    Packet sent{
        WRITE, packet.from, ROUTER_NOC, 0, 0, bytes, part.value, place, nullptr, true, packet.file, packet.line};
    if (!place.core) place.region->is_written = true;
    switch (part.kind) {
        case EMU_PART_WRITE:
            if (!machine.sanitized) {
                memcpy(place.data(), payload.data(), bytes);
                return;
            }
            sent.source = new Source{
                1, SENT, true, {payload.data(), payload.data() + bytes}, {payload.shadow(), payload.shadow() + bytes}};
            break;
        case EMU_PART_WORD:
            if (!machine.sanitized) {
                memcpy(place.data(), &part.value, sizeof part.value);
                return;
            }
            break;
        case EMU_PART_INCREMENT:
            if (!machine.sanitized) {
                count_up(place, part.value);
                return;
            }
            if (part.flush) flush(sender);
            sent.kind = ATOMIC;
            break;
    }
    put(sent, sender, UNICAST);
}

// What a packet asks for, done on one chip. Returns whether it could be done.
bool deliver_on(uint32_t chip, const Packet& packet, const EmuFabricPacket& header) {
    Link& link = *packet.link;
    const std::string at = text("%s:%d", base_name(packet.file), packet.line);
    uint32_t offset = link.header_bytes;
    for (uint32_t i = 0; i < header.count; i++) {
        const EmuPart& part = header.parts[i];
        const uint32_t bytes = part.kind == EMU_PART_WRITE ? part.value : 4;
        const Found found = find_place(chip, part.to, bytes);
        if (found.rule) {
            report_of(
                packet.from, at.c_str(), found.rule, "a fabric packet to chip %u asks for %s", machine.chips[chip],
                found.error.c_str());
            return false;
        }
        const Place payload = slot_of(link, link.forwarded, offset);
        if (part.kind == EMU_PART_WRITE) {
            if (machine.sanitized && found.place.address % machine.l1_alignment != offset % machine.l1_alignment)
                report_of(
                    packet.from, at.c_str(), "alignment", "a fabric packet to chip %u writes to 0x%x: not a multiple of %u",
                    machine.chips[chip], found.place.address, machine.l1_alignment);
            offset += bytes;
        }
        deliver_part(packet, part, found.place, payload, sender_of(link, chip));
    }
    return true;
}

// What is wrong with a packet, or null.
const char* fault_of(const Link& link, const EmuFabricPacket& header) {
    if (header.not_emulated) return header.not_emulated;
    if (!header.delivers) return "the packet's header has no route: it reaches no chip";
    for (uint32_t hop = 0; hop < 64; hop++) {
        if (!(header.delivers >> hop & 1)) continue;
        if (hop >= link.path.size()) return "the packet's header has a route beyond the last chip";
        if (link.path[hop] < 0) return "the packet's header has a route to a chip that is not in the mesh";
    }
    if (header.payload > machine.packet_bytes) return "the packet's header tells of a payload that is too large";
    return nullptr;
}

}  // namespace

uint32_t Link::free_slots() const { return SLOTS - (sent - forwarded); }

void add_link(uint32_t chip, uint32_t channel, const std::vector<int32_t>& path) {
    const uint32_t key = key_on_chip(chip, channel);
    auto link = std::make_unique<Link>();
    link->chip = chip;
    link->channel = channel;
    link->path = path;
    link->slot_bytes = MOST_HEADER_BYTES + machine.packet_bytes;
    link->memory.resize(SLOTS * link->slot_bytes + REGISTER_BYTES);
    const uint32_t bytes = uint32_t(link->memory.size());
    link->region = Region{nullptr, FIRST_BANK + key, 0, bytes, link->memory.data(), false, {}};
    if (machine.sanitized) link->region.shadow.assign(bytes, 0);
    machine.links[key] = std::move(link);
}

void forward(const Packet& told) {
    Packet packet = told;
    packet.kind = FORWARD;
    packet.posted = true;
    put(packet, sender_of(*told.link, told.link->chip), UNICAST);
}

void deliver(const Packet& packet) {
    Link& link = *packet.link;
    const Place slot = slot_of(link, link.forwarded, 0);
    EmuFabricPacket header{};
    link.decode(slot.data(), &header);
    const char* fault = fault_of(link, header);
    bool is_done = !fault;
    if (fault)
        report_of(packet.from, text("%s:%d", base_name(packet.file), packet.line).c_str(), "fabric packet", "%s", fault);
    for (uint32_t hop = 0; is_done && hop < link.path.size(); hop++)
        if (header.delivers >> hop & 1) is_done = deliver_on(uint32_t(link.path[hop]), packet, header);
    if (!is_done) machine.given_up = true;
    if (machine.sanitized) memset(slot.shadow(), 0, link.slot_bytes);
    link.forwarded++;
}

void check_connections_at_end(const Fiber& fiber) {
    for (const auto& [key, link] : machine.links)
        if (link->holder == &fiber)
            report("unfinished at the end", "the connection to fabric channel %u is not closed", link->channel);
}

}  // namespace runner

extern "C" {

void emu_fabric_open(
    uint32_t channel, uint32_t header_bytes, void (*decode)(const void*, EmuFabricPacket*), EMU_AT) {
    enter("open_start", file, line);
    Link& link = link_of(channel);
    if (link.holder) {
        report("connection in use", "fabric channel %u, which %s has opened", channel, link.holder->name.c_str());
        give_up();
    }
    link.holder = machine.running;
    link.header_bytes = header_bytes;
    link.decode = decode;
    link.awaited = 0;
}

void emu_fabric_open_finish(uint32_t channel, EMU_AT) {
    enter("open_finish", file, line);
    Link& link = link_of(channel);
    if (link.holder != machine.running) {
        report("connection not open", "fabric channel %u, whose opening this kernel has not started", channel);
        give_up();
    }
    link.is_open = true;
}

void emu_fabric_close(uint32_t channel, int finish, EMU_AT) {
    enter(finish ? "close_finish" : "close_start", file, line);
    Link& link = finish ? link_of(channel) : open_link(channel);
    if (link.holder != machine.running || (finish && link.is_open)) {
        report("connection not open", "fabric channel %u, whose closing this kernel has not started", channel);
        give_up();
    }
    link.is_open = false;
    if (finish) link.holder = nullptr;
}

uint32_t emu_fabric_free_slots(uint32_t channel, EMU_AT) {
    enter("get_num_free_write_slots", file, line);
    Link& link = open_link(channel);
    link.awaited = link.free_slots();
    if (!link.awaited) machine.polls++;
    return link.awaited;
}

void emu_fabric_wait(uint32_t channel, EMU_AT) {
    enter("wait_for_empty_write_slot", file, line);
    Link& link = open_link(channel);
    machine.running->wait_link = &link;
    wait(Wait::SLOT);
    link.awaited = std::max(link.awaited, 1u);
}

void emu_fabric_write(uint32_t channel, uint32_t from, uint32_t bytes, int is_payload, int posted, uint32_t noc, EMU_AT) {
    enter("a write to a fabric slot", file, line);
    Link& link = open_link(channel);
    const uint32_t offset = is_payload ? link.header_bytes : 0;
    if (offset + bytes > link.header_bytes + machine.packet_bytes) {
        report("packet too large", "%u bytes; a fabric packet carries %u", bytes, machine.packet_bytes);
        give_up();
    }
    if (!link.awaited) report("no free slot", "a packet for fabric channel %u, of which no free slot was awaited", channel);
    send_write(from, bytes, posted, noc, {{slot_of(link, link.sent, offset), UNICAST}});
}

void emu_fabric_send(uint32_t channel, uint32_t noc, EMU_AT) {
    enter("a send to the fabric", file, line);
    Link& link = open_link(channel);
    link.awaited -= std::min(link.awaited, 1u);
    link.sent++;
    const Place tells{nullptr, &link.region, SLOTS * link.slot_bytes};
    const Packet word{WRITE, machine.running, noc, 0, 0, 4, 0, tells, nullptr, false, file, line, &link};
    if (machine.sanitized)
        send(word, UNICAST);
    else
        deliver(word);
}

uint32_t emu_fabric_packet_bytes() { return machine.packet_bytes; }

uint32_t emu_fabric_new_headers(uint32_t count, EMU_AT) {
    enter("PacketHeaderPool::allocate_header", file, line);
    Fiber* fiber = machine.running;
    const uint32_t part = fiber->processor == Processor::WRITER;
    uint32_t& taken = fiber->core->header_bytes[part];
    if (count > (HEADER_BYTES - taken) / HEADER_STEP) {
        report("no free header", "%u packet headers more than the pool of this kernel has", count);
        give_up();
    }
    fiber->headers.push_back({HEADERS + part * HEADER_BYTES + taken, count});
    taken += count * HEADER_STEP;
    return uint32_t(fiber->headers.size() - 1);
}

void emu_fabric_headers(uint32_t group, uint32_t* address, uint32_t* count, EMU_AT) {
    enter("PacketHeaderPool", file, line);
    const auto& groups = machine.running->headers;
    if (group >= groups.size()) {
        report("no such header", "group %u of packet headers; this kernel has %zu", group, groups.size());
        give_up();
    }
    *address = groups[group].first;
    *count = groups[group].second;
}

void emu_fabric_drop_headers() {
    Fiber* fiber = machine.running;
    fiber->headers.clear();
    fiber->core->header_bytes[fiber->processor == Processor::WRITER] = 0;
}
}
