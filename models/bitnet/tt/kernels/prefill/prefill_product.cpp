// SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
// SPDX-License-Identifier: Apache-2.0
// Compute: int8 codes times ternary columns, and the epilogue (see epilogue.h). In a pass, L1 holds the codes of whole
// token tiles. Group after group of columns arrives. A few token tiles at a time are multiplied by a group, over all of
// K.
//
// | buffer    | what it holds                                   | pushed by       | waited for by | popped by    |
// |-----------|-------------------------------------------------|-----------------|---------------|--------------|
// | SCALES    | a pass's steps, one tile a token tile           | prefill_rows    | this kernel   | this kernel  |
// | ALL_CODES | a pass's codes of whole token tiles             | prefill_rows    | this kernel   | this kernel  |
// | WEIGHTS   | a group's ternary tiles over all of K, twice    | prefill_weights | this kernel   | this kernel  |
// | RESIDUAL  | a group's columns of the residual stream, twice | prefill_rows    | this kernel   | this kernel  |
// | RESULT    | a group's columns of some token tiles, twice    | this kernel     | prefill_rows  | prefill_rows |
//
// Semaphores: none.
#include "api/compute/compute_kernel_hw_startup.h"
#include "api/compute/matmul.h"
#include "api/compute/pack.h"
#include "epilogue.h"
#include "product_arguments.h"
#include "ternary_format.h"

constexpr uint32_t inner = get_named_compile_time_arg_val("inner");  // tiles of K
constexpr uint32_t group = get_named_compile_time_arg_val("group");  // tile columns that are multiplied together
constexpr uint32_t passes = get_named_compile_time_arg_val("passes");
constexpr uint32_t tiles_of_pass = get_named_compile_time_arg_val("tiles_of_pass");  // token tiles
constexpr uint32_t tiles_at_once = get_named_compile_time_arg_val("tiles_at_once");  // token tiles multiplied together

constexpr uint32_t which = get_named_compile_time_arg_val("epilogue");
constexpr uint32_t results = epilogue::results_of(which, group);
constexpr uint32_t SCRATCH = tiles_at_once * group;  // the destination tile behind the sums

ALWI uint32_t min(uint32_t a, uint32_t b) { return a < b ? a : b; }

ALWI void multiply(uint32_t token_tile, uint32_t count) {
    reconfig_data_format(buffers::WEIGHTS, buffers::ALL_CODES);
    matmul_block_init(buffers::ALL_CODES, buffers::WEIGHTS, 0, group, count, inner);
    begin_ternary();
    for (uint32_t k = 0; k < inner; k++) {
        const uint32_t code = token_tile * inner + k;
        matmul_block(buffers::ALL_CODES, buffers::WEIGHTS, code, k * group, 0, 0, group, count, inner);
    }
    end_ternary();
}

// Multiplies `count` token tiles of the pass, from `token_tile` on, by the group of columns at the front of WEIGHTS.
ALWI void block(uint32_t token_tile, uint32_t count) {
    tile_regs_acquire();
    multiply(token_tile, count);
    for (uint32_t r = 0; r < count; r++) {
        const uint32_t first = r * group;
        epilogue::rescale(group, first, token_tile + r, SCRATCH);
        if constexpr (which == epilogue::RESIDUAL) {
            cb_wait_front(buffers::RESIDUAL, group);
            epilogue::add_residual(group, first, buffers::RESIDUAL, 0, SCRATCH);
            cb_pop_front(buffers::RESIDUAL, group);
        }
        if constexpr (epilogue::is_gated(which)) {
            epilogue::gate<which == epilogue::SILU_GATED>(group, first);
        }
    }
    tile_regs_commit();
    tile_regs_wait();
    for (uint32_t r = 0; r < count; r++) {
        cb_reserve_back(buffers::RESULT, results);
        for (uint32_t c = 0; c < results; c++) {
            pack_tile(r * group + c, buffers::RESULT);
        }
        cb_push_back(buffers::RESULT, results);
    }
    tile_regs_release();
}

void kernel_main() {
    const uint32_t token_tiles = get_arg_val<uint32_t>(TOKEN_TILES), groups = get_arg_val<uint32_t>(GROUPS);
    compute_kernel_hw_startup<SrcOrder::Reverse>(buffers::ALL_CODES, buffers::WEIGHTS, buffers::RESULT);
    for (uint32_t pass = 0; pass < passes; pass++) {
        // A core that has no token tile left still takes the weights, because it reads some of them for other cores.
        const uint32_t done = min(pass * tiles_of_pass, token_tiles), count = min(tiles_of_pass, token_tiles - done);
        if (count) {
            cb_wait_front(buffers::SCALES, tiles_of_pass);
            cb_wait_front(buffers::ALL_CODES, tiles_of_pass * inner);
        }
        for (uint32_t g = 0; g < groups; g++) {
            cb_wait_front(buffers::WEIGHTS, inner * group);
            for (uint32_t i = 0; i < count; i += tiles_at_once) {
                block(i, min(tiles_at_once, count - i));
            }
            cb_pop_front(buffers::WEIGHTS, inner * group);
        }
        if (count) {
            cb_pop_front(buffers::SCALES, tiles_of_pass);
            cb_pop_front(buffers::ALL_CODES, tiles_of_pass * inner);
        }
    }
}
