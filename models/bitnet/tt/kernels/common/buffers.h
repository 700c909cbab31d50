// SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
// SPDX-License-Identifier: Apache-2.0
// The numbers of the circular buffers. `Role` in describe.py has the same names and numbers. Each kernel says at its
// top which of them it touches, who fills them and who empties them. A core's part is the tile columns of the rows that
// this core measures and quantises.
#pragma once

#include <cstdint>

namespace buffers {
constexpr uint32_t ROWS = 0;       // the rows that enter the program, in tiles
constexpr uint32_t GAMMA = 1;      // the norm's weights for a core's part, in the first row of each tile
constexpr uint32_t WEIGHTS = 2;    // tiles of the matrix; ternary tiles have 256 bytes
constexpr uint32_t RESIDUAL = 3;   // what is added to a core's results
constexpr uint32_t PARTIALS = 4;   // a core's measurements: a tile of sums, a tile of peaks; see measurements.h
constexpr uint32_t GATHERED = 5;   // the leader's: the measurements of all parts; see measurements.h
constexpr uint32_t FACTORS = 6;    // the leader's: what it sends to all cores as SCALES
constexpr uint32_t SCALES = 7;     // factors of rows, one a row in the first column of a tile
constexpr uint32_t CODES = 8;      // int8 codes of a core's part, held in bfloat16
constexpr uint32_t ALL_CODES = 9;  // int8 codes of whole rows, held in bfloat16
constexpr uint32_t RESULT = 16;    // what leaves the program, in tiles
}  // namespace buffers
