// SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
// SPDX-License-Identifier: Apache-2.0
// The circular buffers of a ternary product's program; `Role` in describe.py has the same numbers.
#pragma once

#include <cstdint>

namespace buffers {
constexpr uint32_t ROWS = 0;      // this core's part of the rows: whole tiles, as the tensor has them
constexpr uint32_t GAMMA = 1;     // the norm's weights for that part, in the first row of each tile
constexpr uint32_t WEIGHTS = 2;   // ternary tiles of 256 bytes
constexpr uint32_t RESIDUAL = 3;  // what is added to this core's columns
constexpr uint32_t PARTIALS =
    4;  // sums of squares and peaks over this core's part, one a row, lying in a tile's first row
constexpr uint32_t GATHERED = 5;  // the leader's: those of all parts, one part a row; all sums, then all peaks
constexpr uint32_t FACTORS = 6;   // the leader's: what goes out as SCALES
constexpr uint32_t SCALES =
    7;  // [0] takes x * gamma to codes, [1] takes integer sums back; one a row, in the first column
constexpr uint32_t CODES = 8;  // int8 codes of this core's part, held in bfloat16
constexpr uint32_t ALL_CODES = 9;
constexpr uint32_t RESULT = 16;
}  // namespace buffers

// one core's share, in tiles: `parts` of the rows from `first_part` on, `groups` of columns
enum Share : uint32_t { NUMBER, FIRST_PART, PARTS, FIRST_COLUMN, COLUMNS, LEADS };
