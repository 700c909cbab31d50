// SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
// SPDX-License-Identifier: Apache-2.0

// Packets on their way, of the NoC and of the fabric.
#pragma once

#include <string>
#include <utility>

#include "machine.h"

namespace runner {

// SENT: the part of a write until its source was taken. A posted write is only this part: nobody learns of its arrival.
// FORWARD: a fabric packet that lies in a slot of a router.
enum Kind { READ, SENT, WRITE, ATOMIC, POSTED_SENT, FORWARD };
enum Lane : uint32_t { UNICAST, MULTICAST, LOOPBACK, FIRST_LONE };

// The source of a write, which all of its destinations share.
struct Source {
    uint32_t packets;
    Kind sent;  // SENT or POSTED_SENT
    bool is_taken = false;
    std::vector<uint8_t> data, shadow;
};

// The far end of a transaction.
struct Place {
    Core* core;      // null: a region of no core
    Region* region;  // null: L1 of `core`
    uint32_t address;

    uint8_t* data() const { return core ? core->l1 + address : region->data + (address - region->address); }
    uint8_t* shadow() const { return core ? core->shadow + address : region->shadow.data() + (address - region->address); }
    uint32_t number() const { return core ? core->number : 1u << 20 | region->bank; }
};

// The place of a NoC address on a chip, or the rule that the address breaks.
struct Found {
    Place place;
    const char* rule = nullptr;
    std::string error = {};
};
Found find_place(uint32_t chip, uint64_t address, uint32_t bytes);

struct Packet {
    Kind kind;
    Fiber* from;
    uint32_t noc, id, local, bytes, value;  // `local`: the address in the sender's L1
    Place place;
    Source* source;  // null: a word that the packet carries
    bool posted;
    const char* file;
    int line;
    Link* link = nullptr;  // of a fabric packet, and of the word that tells its router of it
};

// Puts a packet of the running kernel on its way.
void send(Packet packet, uint32_t lane);

// The same for any sender.
void put(const Packet& packet, uint32_t sender, uint32_t lane);

// A write of the running kernel's memory, to one place or to many.
void send_write(
    uint32_t from, uint32_t bytes, bool posted, uint32_t noc, const std::vector<std::pair<Place, Lane>>& places);

void arrive(Packet* packet);

}  // namespace runner
