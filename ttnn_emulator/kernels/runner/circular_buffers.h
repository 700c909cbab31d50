// SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
// SPDX-License-Identifier: Apache-2.0

// Circular buffers of the running core.
#pragma once

#include "machine.h"

namespace runner {

// A circular buffer of the running core by its number.
CircularBuffer& buffer_of(uint32_t number);

}  // namespace runner
