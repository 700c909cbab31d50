// SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
// SPDX-License-Identifier: Apache-2.0
// Access to this core's L1, word by word. Touches no circular buffer and no semaphore of its own.
#pragma once

#include "api/dataflow/dataflow_api.h"

inline volatile tt_l1_ptr uint32_t* words(uint32_t address) {
    return reinterpret_cast<volatile tt_l1_ptr uint32_t*>(address);
}
