// SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
// SPDX-License-Identifier: Apache-2.0
// What every core of decode's program is told. `CoreArguments` in decode_product.py has the same order.
#pragma once

#include <cstdint>

enum CoreArguments : uint32_t {
    CORE,          // the core's number in the team, and the number of its part
    PART_FIRST,    // the part: the first tile column of the rows that this core measures and quantises
    PART_TILES,    // the part: how many tile columns, 0 for a core without a part
    FIRST_COLUMN,  // the first tile column of the results that this core computes
    COLUMNS,       // how many of them
    LEADS,         // 1 for the leader
};
