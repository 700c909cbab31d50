// SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
// SPDX-License-Identifier: Apache-2.0
// Compute: int8 codes times ternary columns, and what becomes of the sums. In a pass, L1 holds whole rows of codes, and
// group after group of columns comes by; a few rows at a time are multiplied by a group, over the whole of K.
#include "api/compute/compute_kernel_hw_startup.h"
#include "api/compute/matmul.h"
#include "api/compute/pack.h"
#include "epilogue.h"
#include "core_assignment.h"
#include "ternary_format.h"

constexpr uint32_t inner = get_named_compile_time_arg_val("inner");  // tiles of K
constexpr uint32_t group = get_named_compile_time_arg_val("group");  // columns that are multiplied together
constexpr uint32_t passes = get_named_compile_time_arg_val("passes");
constexpr uint32_t rows_of_pass = get_named_compile_time_arg_val("rows_of_pass");
constexpr uint32_t rows_at_once = get_named_compile_time_arg_val("rows_at_once");

constexpr uint32_t results = results_of(group);
constexpr uint32_t SCRATCH = rows_at_once * group;  // the destination tile behind the sums

ALWI uint32_t min(uint32_t a, uint32_t b) { return a < b ? a : b; }

ALWI void multiply(uint32_t row, uint32_t rows) {
    reconfig_data_format(buffers::WEIGHTS, buffers::ALL_CODES);
    matmul_block_init(buffers::ALL_CODES, buffers::WEIGHTS, 0, group, rows, inner);
    begin_ternary();
    for (uint32_t k = 0; k < inner; k++) {
        matmul_block(buffers::ALL_CODES, buffers::WEIGHTS, row * inner + k, k * group, 0, 0, group, rows, inner);
    }
    end_ternary();
}

// `rows` of the pass, from `row` on, times the group of columns that is there.
ALWI void block(uint32_t row, uint32_t rows) {
    tile_regs_acquire();
    multiply(row, rows);
    for (uint32_t r = 0; r < rows; r++) {
        finish(group, r * group, row + r, SCRATCH);
    }
    tile_regs_commit();
    tile_regs_wait();
    for (uint32_t r = 0; r < rows; r++) {
        cb_reserve_back(buffers::RESULT, results);
        for (uint32_t c = 0; c < results; c++) {
            pack_tile(r * group + c, buffers::RESULT);
        }
        cb_push_back(buffers::RESULT, results);
    }
    tile_regs_release();
}

void kernel_main() {
    const uint32_t all_rows = get_arg_val<uint32_t>(product_share::ROWS);
    const uint32_t groups = get_arg_val<uint32_t>(product_share::GROUPS);
    compute_kernel_hw_startup<SrcOrder::Reverse>(buffers::ALL_CODES, buffers::WEIGHTS, buffers::RESULT);
    for (uint32_t pass = 0; pass < passes; pass++) {
        // cores with fewer rows than others still take the weights, of which they bring the others a part
        const uint32_t done = min(pass * rows_of_pass, all_rows), rows = min(rows_of_pass, all_rows - done);
        if (rows) {
            cb_wait_front(buffers::SCALES, rows_of_pass);
            cb_wait_front(buffers::ALL_CODES, rows_of_pass * inner);
        }
        for (uint32_t g = 0; g < groups; g++) {
            cb_wait_front(buffers::WEIGHTS, inner * group);
            for (uint32_t row = 0; row < rows; row += rows_at_once) {
                block(row, min(rows_at_once, rows - row));
            }
            cb_pop_front(buffers::WEIGHTS, inner * group);
        }
        if (rows) {
            cb_pop_front(buffers::SCALES, rows_of_pass);
            cb_pop_front(buffers::ALL_CODES, rows_of_pass * inner);
        }
    }
}
