// SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
// SPDX-License-Identifier: Apache-2.0
// Compute: a norm, its int8 codes, their product with ternary columns, and the epilogue (see epilogue.h). Every core
// measures and quantises its part of the rows. The leader joins the measurements. Then every core has the codes of
// whole rows and multiplies them by its own columns.
//
// | buffer    | what it holds                            | pushed by                | waited for by | popped by   |
// |-----------|------------------------------------------|--------------------------|---------------|-------------|
// | ROWS      | the part's tiles of the rows             | decode_rows              | this kernel   | nobody      |
// | GAMMA     | the norm's weights of the part           | decode_rows              | this kernel   | nobody      |
// | PARTIALS  | this core's measurements                 | this kernel              | decode_rows   | decode_rows |
// | GATHERED  | the leader's: all measurements           | the leader's decode_rows | this kernel   | nobody      |
// | FACTORS   | the leader's: what becomes SCALES        | this kernel              | decode_rows   | nobody      |
// | SCALES    | the two factors of every row             | decode_rows              | this kernel   | nobody      |
// | CODES     | the part's codes                         | this kernel              | decode_rows   | nobody      |
// | ALL_CODES | the codes of whole rows                  | decode_rows              | this kernel   | nobody      |
// | WEIGHTS   | all ternary tiles of this core's columns | decode_weights           | this kernel   | this kernel |
// | RESIDUAL  | a group's columns of the residual stream | decode_rows              | this kernel   | this kernel |
// | RESULT    | a group's columns of the results, twice  | this kernel              | decode_rows   | decode_rows |
//
// The program handles one tile of rows. So what is never popped is used until the program ends.
// Semaphores: none. decode_rows waits for them.
#include "api/compute/compute_kernel_hw_startup.h"
#include "api/compute/copy_dest_values.h"
#include "api/compute/matmul.h"
#include "api/compute/pack.h"
#include "core_arguments.h"
#include "epilogue.h"
#include "quantise.h"
#include "ternary_format.h"

constexpr uint32_t inner = get_named_compile_time_arg_val("inner");        // tiles of K
constexpr uint32_t block = get_named_compile_time_arg_val("block");        // tiles of K in a page of weights
constexpr uint32_t group = get_named_compile_time_arg_val("group");        // tile columns that are multiplied together
constexpr uint32_t gathered = get_named_compile_time_arg_val("gathered");  // tiles of sums in GATHERED

enum ComputeArguments : uint32_t { EPS_BITS };  // of a float32

constexpr uint32_t SCRATCH = group;  // the destination tile behind the sums

ALWI void multiply() {
    reconfig_data_format(buffers::WEIGHTS, buffers::ALL_CODES);
    matmul_block_init(buffers::ALL_CODES, buffers::WEIGHTS, 0, group, 1, inner);
    begin_ternary();
    for (uint32_t k = 0; k < inner; k += block) {
        cb_wait_front(buffers::WEIGHTS, block * group);
        for (uint32_t i = 0; i < block; i++) {
            matmul_block(buffers::ALL_CODES, buffers::WEIGHTS, k + i, i * group, 0, 0, group, 1, inner);
        }
        cb_pop_front(buffers::WEIGHTS, block * group);
    }
    end_ternary();
}

void kernel_main() {
    const uint32_t part_tiles = get_arg_val<uint32_t>(PART_TILES), columns = get_arg_val<uint32_t>(COLUMNS);
    compute_kernel_hw_startup<SrcOrder::Reverse>(buffers::ALL_CODES, buffers::WEIGHTS, buffers::PARTIALS);
    if (part_tiles) {
        quantise::measure(part_tiles);
    }
    if (get_arg_val<uint32_t>(LEADS)) {
        quantise::factors(gathered, get_common_arg_val<uint32_t>(EPS_BITS));
    }
    if (part_tiles) {
        quantise::codes(part_tiles);
    }
    if (!columns) {
        return;
    }

    constexpr uint32_t results = results_of(group);
    cb_wait_front(buffers::SCALES, 2);
    cb_wait_front(buffers::ALL_CODES, inner);
    pack_reconfig_data_format(buffers::RESULT);
    for (uint32_t n = 0; n < columns; n += results) {
        tile_regs_acquire();
        multiply();
        finish(group, 0, 1, SCRATCH);
        tile_regs_commit();
        cb_reserve_back(buffers::RESULT, results);
        tile_regs_wait();
        for (uint32_t c = 0; c < results; c++) {
            pack_tile(c, buffers::RESULT);
        }
        tile_regs_release();
        cb_push_back(buffers::RESULT, results);
    }
}
