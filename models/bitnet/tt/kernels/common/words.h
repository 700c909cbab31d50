// SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
// SPDX-License-Identifier: Apache-2.0
// This core's L1, word by word, and where the rows of a tile lie.
#pragma once

#include "api/dataflow/dataflow_api.h"

inline volatile tt_l1_ptr uint32_t* words(uint32_t address) {
    return reinterpret_cast<volatile tt_l1_ptr uint32_t*>(address);
}

// Where in a tile a row's left (0) or right (1) half begins: a tile is four faces of 16 by 16 values.
constexpr uint32_t half_row(uint32_t row, uint32_t half, uint32_t value_bytes) {
    return ((row / 16 * 2 + half) * 256 + row % 16 * 16) * value_bytes;
}
