// SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
// SPDX-License-Identifier: Apache-2.0

// What the runner has to say about a program.
#pragma once

#include <cstdarg>
#include <string>

#include "machine.h"

namespace runner {

// Adds an error, once for each rule and place. It names the kernel, file and line of the running fiber.
__attribute__((format(printf, 2, 3))) void report(const char* rule, const char* format, ...);

// The same for a fiber that does not run at the moment.
__attribute__((format(printf, 4, 5))) void report_of(
    const Fiber* fiber, const char* file_and_line, const char* rule, const char* format, ...);

// Ends the whole program: its running fiber cannot go on.
[[noreturn]] void give_up();

const char* base_name(const char* path);
std::string text(const char* format, ...) __attribute__((format(printf, 1, 2)));

// A core, and its chip where programs of several chips run.
std::string name_of(const Core* core);

// An address of L1, as the circular buffer and page that it lies in.
std::string describe(Core* core, uint32_t address);

}  // namespace runner
