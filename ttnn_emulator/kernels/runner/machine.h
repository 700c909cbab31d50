// SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
// SPDX-License-Identifier: Apache-2.0

// The chips that run a program each: their cores, memory and links, and the fibers that execute the kernels.
//
// Two modes. Plain: the NoC copies at once, and a fiber runs until it must wait. Sanitized: a seed decides everything that
// the hardware leaves open, and each access is checked.
//
// L1 of all cores is one file in memory, 4 MB a core. It is mapped twice: as a whole for the runner (`Core::l1`), and the
// L1 of the core that runs at its own addresses, so that an L1 address is a pointer in kernels. An operating system does
// not map the addresses below 64 KB, where a card has some of the circular buffers. So these lie behind the end of L1.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <string>
#include <tuple>
#include <vector>

#include "calls.h"

namespace runner {

constexpr uint32_t L1_STEP = 1 << 22;         // of the file, from one core's L1 to the next
constexpr uint32_t FIRST_ADDRESS = 0x10000;   // the lowest that kernels use
constexpr uint32_t SEMAPHORES = FIRST_ADDRESS, SEMAPHORE_STEP = 16, MOST_SEMAPHORES = 16;
constexpr uint32_t BUFFERS = 64;
constexpr uint32_t DRAM_X = 63;
constexpr uint32_t DRAM_STEP = 64;  // of the numbers of DRAM banks, from one chip's first bank to the next
// The pool of headers of fabric packets, behind the semaphores: a part for each of the two data-movement processors.
constexpr uint32_t HEADERS = SEMAPHORES + MOST_SEMAPHORES * SEMAPHORE_STEP;
constexpr uint32_t HEADER_STEP = 144, HEADER_BYTES = 8 * HEADER_STEP;
constexpr uint32_t TILE = 32, TILE_VALUES = TILE * TILE;
constexpr uint32_t SIDE = 16;  // of a face
constexpr uint16_t POISON = 0x7fb0;  // fills memory that nobody has written: NaN in bfloat16 and float32

// What the sanitizer knows of a byte of memory.
enum Shadow : uint8_t {
    WRITTEN = 1,
    ARRIVING = 2,  // a NoC read will land here
    LEAVING = 4,   // a NoC write has not taken this yet
};

struct Fiber;
struct Link;

struct CircularBuffer {
    bool exists = false;
    bool is_queue = false;  // some kernel reserves or waits; else it serves as memory
    uint32_t address = 0, page = 0, pages = 0;
    uint32_t format = 0, rows = TILE;  // of a tile
    bool straight_to_dest = false;     // float32 that is not cut on the way through the matrix unit's sources
    uint32_t pushed = 0, popped = 0;   // pages, ever
    uint32_t read = 0, write = 0;      // the places of the next page to pop and to push
    uint32_t reserved = 0, waited = 0, packed = 0;
    Fiber *producer = nullptr, *consumer = nullptr;
    Fiber* stored_by = nullptr;  // the first to store to it as memory, and where
    const char* stored_file = "";
    int stored_line = 0;

    uint32_t held() const { return pushed - popped; }
    bool has(uint32_t at) const { return at >= address && at < address + pages * page; }
    uint32_t page_address(uint32_t place) const { return address + place % pages * page; }
};

// A part of a tensor: what lies in one DRAM bank, or in the L1 of one core.
struct Core;
struct Region {
    Core* core;  // null: DRAM
    uint32_t bank;
    uint32_t address, bytes;
    uint8_t* data;
    bool is_written;  // by the program
    std::vector<uint8_t> shadow;

    bool holds(uint64_t from, uint64_t count) const { return from >= address && from + count <= uint64_t(address) + bytes; }
};

// What a compute kernel is compiled for.
struct ComputeSettings {
    bool blackhole = false;
    bool wide = false;  // float32 in the destination register
    int phases = 4;     // of the matrix unit: its fidelity
    uint32_t dest_tiles = 8, dest_halves = 2;
};

// Tiles on the way from the unpacker to the math unit.
struct Unpacked {
    std::vector<float> a, b;
    uint32_t rows_a = TILE;  // of each tile of `a`
};

// A core's compute engines.
struct Tensix {
    ComputeSettings settings;
    volatile uint32_t unpacker[8] = {};     // registers; [0] is the format of SrcA
    uint32_t format_b = ~0u, format_out = ~0u;
    std::deque<Unpacked> sources;           // at most two
    std::deque<uint32_t> told[2];           // numbers from the unpacker's thread to math and to the packer
    std::vector<float> dest;                // [halves][tiles][32][32], row by row
    std::vector<uint8_t> has_value;         // of tiles of dest
    bool acquired = false, waited = false;  // by math, by the packer
    bool accumulates = false, pack_adds = false;
    uint64_t committed = 0, released = 0;   // halves

    uint32_t half(uint64_t count) const { return uint32_t(count % settings.dest_halves); }
};

struct Core {
    uint32_t number, chip, x, y, noc_x, noc_y;
    uint8_t *l1, *shadow;
    CircularBuffer buffers[BUFFERS];
    std::vector<uint32_t> numbers;  // of the buffers that exist
    std::vector<Region*> regions;
    uint32_t semaphores = 0;
    uint32_t header_bytes[2] = {};  // that each data-movement processor has taken from the pool
    std::unique_ptr<Tensix> tensix;
};

enum class Processor : uint32_t { READER, WRITER, COMPUTE, UNPACK, MATH, PACK };

enum class Wait { NOTHING, FREE_PAGES, PAGES, BARRIER, WORD, SOURCES_FREE, SOURCES, DEST_FREE, DEST, TOLD, SLOT, ENDED };

constexpr int KINDS = 5;  // of transactions: reads, writes to be sent, writes, atomics, posted writes to be sent
constexpr uint32_t IDS = 16;

// Transactions of a kind on a NoC, all of them and those of each id.
struct Transactions {
    uint32_t all = 0, of_id[IDS] = {};

    void add(uint32_t id) { all++, of_id[id]++; }
    void remove(uint32_t id) { all--, of_id[id]--; }
    uint32_t count(int id) const { return id == EMU_ANY_ID ? all : of_id[id]; }
    void clear(int id) {
        if (id == EMU_ANY_ID)
            *this = {};
        else
            all -= of_id[id], of_id[id] = 0;
    }
};

// What a command buffer of a NoC holds.
struct Command {
    uint64_t far_end = 0;
    uint32_t bytes = 0, id = 0;
};

struct Fiber {
    Core* core;
    Processor processor;
    uint32_t noc;
    std::string name;
    void (*main)();
    std::vector<uint32_t> arguments, common;

    void* stack_pointer = nullptr;
    uint8_t* stack = nullptr;
    double priority = 0;

    const char *file = "", *call = "";  // where it is
    int line = 0;

    Wait wait = Wait::NOTHING;
    uint32_t wait_buffer = 0, wait_count = 0;  // pages, or the value of a word
    uint32_t wait_address = 0;
    bool wait_at_least = false;
    int wait_transactions = 0, wait_id = EMU_ANY_ID;
    uint32_t wait_noc = 0;
    const Link* wait_link = nullptr;

    Transactions outstanding[2][KINDS];    // on both NoCs
    Transactions since_barrier[2][KINDS];  // issued since the last barrier of their kind
    Command reads[2], writes[2];

    std::vector<std::pair<uint32_t, uint32_t>> headers;  // groups of the pool: the address of the first, how many
};

// A channel of a chip's router, by which kernels send packets into the fabric. A kernel writes a packet into the next of
// the channel's slots, and then tells the router, which sends on the packets of its slots one after the other.
struct Link {
    uint32_t chip, channel;
    std::vector<int32_t> path;         // the chips that a packet passes; -1: not of this mesh
    uint32_t slot_bytes;
    std::vector<uint8_t> memory;       // of the slots, and behind them a register that tells of packets
    Region region;                     // the same
    uint32_t header_bytes = 0;
    void (*decode)(const void*, EmuFabricPacket*) = nullptr;
    Fiber* holder = nullptr;           // who has opened it
    bool is_open = false;              // completely
    uint32_t sent = 0, forwarded = 0;  // packets, ever: by kernels, by the router
    uint32_t awaited = 0;              // slots that the holder knows to be free

    uint32_t free_slots() const;
};

struct Random {
    uint64_t state = 1;
    void seed(uint64_t number);
    uint64_t next();
    double unit() { return double(next() >> 11) * 0x1p-53; }
    bool chance(double odds) { return unit() < odds; }
    uint32_t below(uint32_t count) { return uint32_t(next() % count); }
};

struct Packet;

struct Machine {
    std::vector<uint32_t> chips;  // their numbers in the mesh
    std::vector<std::unique_ptr<Core>> cores;
    std::map<uint32_t, Core*> core_at;  // by chip and NoC coordinates
    std::vector<std::unique_ptr<Fiber>> fibers;
    std::vector<std::unique_ptr<Region>> regions;
    std::map<uint32_t, std::vector<Region*>> dram;  // by bank
    std::map<uint32_t, std::unique_ptr<Link>> links;  // by chip and channel
    uint32_t packet_bytes = 0;                       // of the largest fabric packet, without its header
    int l1_file = -1;
    uint8_t *l1 = nullptr, *shadow = nullptr;
    size_t mapped = 0;
    Core* in_window = nullptr;  // whose L1 lies at its own addresses
    uint32_t dram_alignment = 32, l1_alignment = 16;

    bool sanitized = false, given_up = false;
    Random random;
    double switch_odds = 0, arrival_odds = 0;
    bool by_priority = false;
    uint32_t polls = 0;  // of kernels that look for a change again and again, since a packet was made to move
    std::map<std::tuple<uint32_t, uint32_t, uint32_t, int, uint32_t>, std::deque<Packet*>> lanes;  // see network.cpp

    Fiber* running = nullptr;
    void* scheduler = nullptr;  // its stack pointer
    uint64_t switches = 0;
    bool rounds_products = false;  // the matrix unit had operands other than small whole numbers, since Python asked
    std::vector<std::string> errors;
    std::map<std::string, int> seen;
};

extern Machine machine;

// The key of something that each chip has, by its number on the chip.
inline uint32_t key_on_chip(uint32_t chip, uint32_t number) { return chip << 12 | number; }

}  // namespace runner
