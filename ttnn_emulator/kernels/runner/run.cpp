// SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
// SPDX-License-Identifier: Apache-2.0

#include "run.h"

#include <algorithm>

#include "fibers.h"
#include "memory.h"
#include "network.h"
#include "report.h"

namespace runner {

void Random::seed(uint64_t number) {
    state = number * 0x9e3779b97f4a7c15ull + 0x1234567;
    for (int i = 0; i < 8; i++) next();
}

uint64_t Random::next() {
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return state * 2685821657736338717ull;
}

namespace {

// A seed decides how often kernels pause, how soon packets arrive (0: as late as can be), and whether some kernels are
// preferred for a long time.
void plan(uint64_t seed) {
    static constexpr double PAUSES[] = {0.02, 0.2, 0.9, 0.5}, ARRIVALS[] = {0.5, 0.02, 0.2, 0};
    machine.random.seed(seed);
    machine.switch_odds = PAUSES[seed % 4];
    machine.arrival_odds = ARRIVALS[(seed + seed / 4) % 4];  // all of them among the first seeds
    machine.by_priority = seed / 4 % 2;
    machine.polls = 0;
}

// The next fiber in turn that can run. Those of a core lie side by side.
Fiber* next_in_turn(size_t& next) {
    const size_t count = machine.fibers.size();
    for (size_t i = 0; i < count; i++) {
        Fiber* fiber = machine.fibers[(next + i) % count].get();
        if (can_run(fiber)) {
            next = (next + i + 1) % count;
            return fiber;
        }
    }
    return nullptr;
}

Fiber* any_fiber() {
    constexpr double MOVES = 0.3, NEW_PRIORITIES = 0.02;
    constexpr uint32_t MOST_POLLS = 50;  // a kernel that polls waits for packets, too
    static std::vector<Fiber*> able;
    while (true) {
        if (machine.random.chance(MOVES)) move_packets(machine.arrival_odds, false);
        if (machine.polls > MOST_POLLS) {
            machine.polls = 0;
            move_packets(machine.arrival_odds, true);
        }
        able.clear();
        for (auto& fiber : machine.fibers)
            if (can_run(fiber.get())) able.push_back(fiber.get());
        if (!able.empty()) break;
        if (!move_packets(machine.arrival_odds, true)) return nullptr;
    }
    if (!machine.by_priority) return able[machine.random.below(uint32_t(able.size()))];
    Fiber* fiber = *std::max_element(
        able.begin(), able.end(), [](const Fiber* a, const Fiber* b) { return a->priority < b->priority; });
    if (machine.random.chance(NEW_PRIORITIES)) fiber->priority = machine.random.unit() * 0.5;
    return fiber;
}

std::string what_it_waits_for(const Fiber* fiber) {
    const Core& core = *fiber->core;
    const CircularBuffer& buffer = core.buffers[fiber->wait_buffer];
    switch (fiber->wait) {
        case Wait::FREE_PAGES:
            return text(
                "waits for %u free pages of buffer %u, where %u of %u are in use", fiber->wait_count, fiber->wait_buffer,
                buffer.held(), buffer.pages);
        case Wait::PAGES:
            return text(
                "waits for %u pages of buffer %u, which holds %u of %u", fiber->wait_count, fiber->wait_buffer,
                buffer.held(), buffer.pages);
        case Wait::WORD: {
            const uint32_t value = word_at(core, fiber->wait_address);
            const uint32_t number = (fiber->wait_address - SEMAPHORES) / SEMAPHORE_STEP;
            const std::string which = number < core.semaphores ? text("semaphore %u", number)
                                                               : text("the word at L1 0x%x", fiber->wait_address);
            return text(
                "waits until %s is %s%u; it is %u", which.c_str(), fiber->wait_at_least ? "at least " : "", fiber->wait_count,
                value);
        }
        case Wait::BARRIER: return "waits for a barrier";
        case Wait::SLOT: return text("waits for a free slot of fabric channel %u", fiber->wait_link->channel);
        case Wait::SOURCES_FREE: return "waits for the math unit, which takes no operand";
        case Wait::SOURCES: return "waits for an operand from the unpacker";
        case Wait::DEST_FREE: return "waits for a part of the destination register that the packer has released";
        case Wait::DEST: return "waits for math to commit the destination register";
        case Wait::TOLD: return "waits for a number from the unpacker's thread";
        default: return "still runs";
    }
}

// Kernels that have not ended, alike ones together.
void report_stuck(bool is_endless) {
    constexpr size_t MOST = 12;  // lines
    std::map<std::string, std::vector<const Core*>> alike;
    uint32_t stuck = 0;
    for (auto& fiber : machine.fibers)
        if (fiber->wait != Wait::ENDED) {
            stuck++;
            const std::string what = what_it_waits_for(fiber.get());
            alike[text("%s %s [%s:%d]", fiber->name.c_str(), what.c_str(), base_name(fiber->file), fiber->line)].push_back(
                fiber->core);
        }
    if (!stuck) return;
    std::string lines;
    size_t count = 0;
    for (const auto& [line, cores] : alike) {
        if (count++ == MOST) break;
        lines += "\n    " + name_of(cores[0]);
        if (cores.size() > 1) lines += text(" and %zu others", cores.size() - 1);
        lines += ": " + line;
    }
    report(is_endless ? "no end" : "deadlock", "%u kernels have not ended:", stuck);
    machine.errors.back() += lines;
}

}  // namespace

void run(uint64_t seed, uint64_t most_switches) {
    machine.given_up = false;
    machine.switches = 0;
    plan(seed);
    prepare_fibers();
    size_t next = 0;
    while (!machine.given_up && machine.switches < most_switches) {
        Fiber* fiber = machine.sanitized ? any_fiber() : next_in_turn(next);
        if (!fiber || machine.given_up) break;
        resume(fiber);
    }
    if (machine.given_up) return;
    report_stuck(machine.switches >= most_switches);
    while (!machine.given_up && move_packets(1, true)) {  // what is still on its way
    }
}

}  // namespace runner
