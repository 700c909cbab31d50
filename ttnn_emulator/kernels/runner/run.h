// SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
// SPDX-License-Identifier: Apache-2.0

// Runs the fibers of a program to their end.
#pragma once

#include "machine.h"

namespace runner {

void run(uint64_t seed, uint64_t most_switches);

}  // namespace runner
