// SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
// SPDX-License-Identifier: Apache-2.0
// What every core of prefill's codes program is told. `CodesArguments` in prefill_codes.py has the same order. A token
// tile is a row of tiles: 32 tokens.
#pragma once

#include <cstdint>

enum CodesArguments : uint32_t {
    CORE,              // the core's number in its team, and the number of its part; 0 is the leader
    PART_FIRST,        // the part: the first tile column of the rows that this core measures and quantises
    PART_TILES,        // the part: how many tile columns, 0 for a core without a part
    FIRST_TOKEN_TILE,  // of the team
    TOKEN_TILES,       // how many of them
    LEFT,
    TOP,
    RIGHT,
    BOTTOM,  // NoC coordinates of the team's corners
};
