// SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
// SPDX-License-Identifier: Apache-2.0
// The numbers of the circular buffers. `Role` in describe.py has the same names. The description of a program numbers
// the buffers that the program has. Each kernel says at its top which of them it touches, who fills them and who
// empties them. A core's part is the tile columns of the rows that this core measures and quantises.
#pragma once

#include "api/compile_time_args.h"

namespace buffers {
// The rows that enter the program, in tiles.
constexpr uint32_t ROWS = get_named_compile_time_arg_val("ROWS");
// The norm's weights for a core's part, in the first row of each tile.
constexpr uint32_t GAMMA = get_named_compile_time_arg_val("GAMMA");
// Tiles of the matrix; ternary tiles have 256 bytes.
constexpr uint32_t WEIGHTS = get_named_compile_time_arg_val("WEIGHTS");
// What is added to a core's results.
constexpr uint32_t RESIDUAL = get_named_compile_time_arg_val("RESIDUAL");
// A core's measurements: a tile of peaks, a tile of sums; see measurements.h.
constexpr uint32_t PARTIALS = get_named_compile_time_arg_val("PARTIALS");
// The leader's: the measurements of all parts; see measurements.h.
constexpr uint32_t GATHERED = get_named_compile_time_arg_val("GATHERED");
// The leader's: what it sends to all cores as SCALES.
constexpr uint32_t FACTORS = get_named_compile_time_arg_val("FACTORS");
// Factors of rows, one a row in the first column of a tile.
constexpr uint32_t SCALES = get_named_compile_time_arg_val("SCALES");
// Int8 codes of a core's part, held in bfloat16.
constexpr uint32_t CODES = get_named_compile_time_arg_val("CODES");
// Int8 codes of whole rows, held in bfloat16.
constexpr uint32_t ALL_CODES = get_named_compile_time_arg_val("ALL_CODES");
// Results that leave the program and stay in it as rows too.
constexpr uint32_t LEAVING = get_named_compile_time_arg_val("LEAVING");
// What leaves the program, in tiles.
constexpr uint32_t RESULT = get_named_compile_time_arg_val("RESULT");
}  // namespace buffers
