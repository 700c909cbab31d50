// SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
// SPDX-License-Identifier: Apache-2.0

// Fibers: kernels that take turns in one thread, each with a stack of its own.
#pragma once

#include "machine.h"

namespace runner {

// Gives every fiber a stack on which it will begin.
void prepare_fibers();
void free_stacks();

// Runs a fiber until it waits, ends, or is made to pause.
void resume(Fiber* fiber);

// Leaves the running fiber.
void to_scheduler();

// Leaves the running fiber until what it waits for is there. Sanitized, it may have to wait a turn even so.
void wait(Wait what);
bool can_run(const Fiber* fiber);

// Every call of a kernel begins with this: notes where the fiber is, and sanitized it may pause here.
void enter(const char* call, const char* file, int line);

}  // namespace runner
