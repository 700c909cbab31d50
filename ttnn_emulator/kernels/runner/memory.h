// SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
// SPDX-License-Identifier: Apache-2.0

// The memory of cores and DRAM banks, and what the sanitizer knows of it.
#pragma once

#include "machine.h"

namespace runner {

// Makes the L1 of `count` cores, or takes what there is. Sanitized, it also makes an empty shadow.
void make_l1(uint32_t count);

// Maps the L1 of a core at its own addresses.
void show_in_window(Core* core);

// The part of a tensor that has all these bytes, or null. `core` null: of a DRAM bank.
Region* find_region(const Core* core, uint32_t bank, uint64_t address, uint64_t bytes);

// The circular buffer that has this address, or null.
CircularBuffer* find_buffer(Core* core, uint32_t address);
uint32_t number_of(const Core* core, const CircularBuffer* buffer);

// Whether a program may use these bytes, which are in no circular buffer.
bool is_in_use(const Core* core, uint32_t address, uint32_t bytes);

uint32_t word_at(const Core& core, uint32_t address);

void mark(Core* core, uint32_t address, uint32_t bytes, uint8_t set, uint8_t clear);

// All marks of these bytes together.
uint8_t marks_of(const Core* core, uint32_t address, uint32_t bytes);
bool all_written(const uint8_t* shadow, uint32_t bytes);

// Whether all pages of a range of the buffer are among `count` pages from place `first` on.
bool among(const CircularBuffer& buffer, uint32_t address, uint32_t bytes, uint32_t first, uint32_t count);

enum class Access { LOAD, STORE, READ_TARGET, WRITE_SOURCE };

// Checks an access of the running fiber to its own L1: by a pointer, or as the near end of a NoC transaction.
void check_access(uint32_t address, uint32_t bytes, Access access);

}  // namespace runner
