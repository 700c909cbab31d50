// SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
// SPDX-License-Identifier: Apache-2.0
// Compute: all rows times this core's tile columns of the head's matrix, a group of columns at a time. The sums of a
// group stay in the destination register, in float32, over all of K. A core's last group may have fewer columns than a
// group; it still takes the place of a whole group in the buffers.
//
// | buffer  | what it holds                                      | pushed by    | waited for by | popped by   |
// |---------|----------------------------------------------------|--------------|---------------|-------------|
// | ROWS    | all rows over all of K, 8, 16 or 32 rows a tile    | head_rows    | this kernel   | nobody      |
// | WEIGHTS | `runs` tiles of K of each column of a group, twice | head_weights | this kernel   | this kernel |
// | RESULT  | a group's columns of the results, twice            | this kernel  | head_rows     | head_rows   |
//
// Semaphores: none.
#include "api/compute/compute_kernel_hw_startup.h"
#include "api/compute/matmul.h"
#include "api/compute/pack.h"
#include "buffers.h"

constexpr uint32_t inner = get_named_compile_time_arg_val("inner");  // tiles of K
constexpr uint32_t group = get_named_compile_time_arg_val("group");  // tile columns that are multiplied together
constexpr uint32_t runs = get_named_compile_time_arg_val("runs");    // tiles of K that arrive together

enum ProductArguments : uint32_t { COLUMNS };  // tile columns of this core

void kernel_main() {
    const uint32_t columns = get_arg_val<uint32_t>(COLUMNS);
    if (!columns) {
        return;
    }
    compute_kernel_hw_startup<SrcOrder::Reverse>(buffers::ROWS, buffers::WEIGHTS, buffers::RESULT);
    cb_wait_front(buffers::ROWS, inner);
    for (uint32_t n = 0; n < columns; n += group) {
        const uint32_t wide = columns - n < group ? columns - n : group;
        matmul_block_init(buffers::ROWS, buffers::WEIGHTS, 0, wide, 1, inner);
        tile_regs_acquire();
        for (uint32_t k = 0; k < inner; k += runs) {
            cb_wait_front(buffers::WEIGHTS, runs * group);
            for (uint32_t i = 0; i < runs; i++) {
                matmul_block(buffers::ROWS, buffers::WEIGHTS, k + i, i * group, 0, 0, wide, 1, inner);
            }
            cb_pop_front(buffers::WEIGHTS, runs * group);
        }
        tile_regs_commit();
        cb_reserve_back(buffers::RESULT, group);
        tile_regs_wait();
        for (uint32_t c = 0; c < wide; c++) {
            pack_tile(c, buffers::RESULT);
        }
        tile_regs_release();
        cb_push_back(buffers::RESULT, group);
    }
}
