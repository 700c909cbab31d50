// SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
// SPDX-License-Identifier: Apache-2.0

#include "fibers.h"

#include <sys/mman.h>

#include <cstdlib>
#include <cstring>

#include "fabric.h"
#include "memory.h"
#include "network.h"

uint8_t my_x[2], my_y[2], my_logical_x_, my_logical_y_, my_relative_x_, my_relative_y_;

// Saves the registers that a function must keep on the stack, its pointer in *save, and takes those of the other stack.
extern "C" void emu_switch(void** save, void* to);
asm(R"(
.text
.globl emu_switch
.type emu_switch, @function
emu_switch:
  pushq %rbp; pushq %rbx; pushq %r12; pushq %r13; pushq %r14; pushq %r15
  movq %rsp, (%rdi)
  movq %rsi, %rsp
  popq %r15; popq %r14; popq %r13; popq %r12; popq %rbx; popq %rbp
  ret
)");

namespace runner {

namespace {

constexpr size_t STACK = 1 << 18;

std::vector<uint8_t*> free_ones;

uint8_t* new_stack() {
    if (!free_ones.empty()) {
        uint8_t* stack = free_ones.back();
        free_ones.pop_back();
        return stack;
    }
    void* stack = mmap(nullptr, STACK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (stack == MAP_FAILED) abort();
    return static_cast<uint8_t*>(stack);
}

void begin() {
    Fiber* fiber = machine.running;
    fiber->main();
    fiber->call = "the end of kernel_main";
    check_transactions_at_end(*fiber);
    check_connections_at_end(*fiber);
    fiber->wait = Wait::ENDED;
    to_scheduler();
    abort();
}

}  // namespace

void prepare_fibers() {
    for (auto& fiber : machine.fibers) {
        fiber->stack = new_stack();
        void** top = reinterpret_cast<void**>(fiber->stack + STACK - 64);
        *--top = nullptr;
        *--top = reinterpret_cast<void*>(begin);
        top -= 6;  // the saved registers
        memset(top, 0, 6 * sizeof(void*));
        fiber->stack_pointer = top;
        fiber->priority = machine.random.unit();
    }
}

void free_stacks() {
    for (auto& fiber : machine.fibers)
        if (fiber->stack) free_ones.push_back(fiber->stack);
}

void resume(Fiber* fiber) {
    machine.running = fiber;
    machine.switches++;
    const Core& core = *fiber->core;
    for (int noc = 0; noc < 2; noc++) {
        my_x[noc] = uint8_t(core.noc_x);
        my_y[noc] = uint8_t(core.noc_y);
    }
    my_logical_x_ = my_relative_x_ = uint8_t(core.x);
    my_logical_y_ = my_relative_y_ = uint8_t(core.y);
    if (!machine.sanitized) show_in_window(fiber->core);  // sanitized, an access does it
    emu_switch(&machine.scheduler, fiber->stack_pointer);
    machine.running = nullptr;
}

void to_scheduler() { emu_switch(&machine.running->stack_pointer, machine.scheduler); }

bool can_run(const Fiber* fiber) {
    const Core& core = *fiber->core;
    switch (fiber->wait) {
        case Wait::NOTHING: return true;
        case Wait::FREE_PAGES: {
            const CircularBuffer& buffer = core.buffers[fiber->wait_buffer];
            return buffer.pages - buffer.held() >= fiber->wait_count;
        }
        case Wait::PAGES: return core.buffers[fiber->wait_buffer].held() >= fiber->wait_count;
        case Wait::WORD: {
            const uint32_t value = word_at(core, fiber->wait_address);
            return fiber->wait_at_least ? value >= fiber->wait_count : value == fiber->wait_count;
        }
        case Wait::BARRIER:
            for (int kind = 0; kind < KINDS; kind++)
                if ((fiber->wait_transactions >> kind & 1) && fiber->outstanding[fiber->wait_noc][kind].count(fiber->wait_id))
                    return false;
            return true;
        case Wait::SOURCES_FREE: return core.tensix->sources.size() < 2;
        case Wait::SOURCES: return !core.tensix->sources.empty();
        case Wait::DEST_FREE: return core.tensix->committed - core.tensix->released < core.tensix->settings.dest_halves;
        case Wait::DEST: return core.tensix->committed > core.tensix->released;
        case Wait::TOLD: return !core.tensix->told[fiber->processor == Processor::PACK].empty();
        case Wait::SLOT: return fiber->wait_link->free_slots() > 0;
        case Wait::ENDED: return false;
    }
    return false;
}

void wait(Wait what) {
    Fiber* fiber = machine.running;
    fiber->wait = what;
    if (machine.sanitized || !can_run(fiber)) to_scheduler();
    fiber->wait = Wait::NOTHING;
}

void enter(const char* call, const char* file, int line) {
    Fiber* fiber = machine.running;
    fiber->call = call;
    fiber->file = file;
    fiber->line = line;
    if (machine.sanitized && machine.random.chance(machine.switch_odds)) to_scheduler();
}

}  // namespace runner
