// SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
// SPDX-License-Identifier: Apache-2.0
// Compute: one or several stages. A stage is a norm or none, int8 codes, their product with ternary columns, and the
// epilogue (see epilogue.h). Every core measures and quantises its part of the rows. The leader joins the measurements.
// Then every core has the codes of whole rows and multiplies them by its own columns. The results of a stage are the
// rows of the next, and a core's columns are its part there. So they stay in the L1 of the core.
//
// | buffer      | what it holds                                           | pushed by   | waited for by | popped by   |
// |-------------|---------------------------------------------------------|-------------|---------------|-------------|
// | rows[0]     | ROWS: the part's tiles of the rows that enter           | decode_rows | this kernel   | nobody      |
// | rows[s > 0] | the part's tiles of the results of stage s - 1          | this kernel | this kernel   | nobody      |
// | GAMMA       | the norms' weights of the parts of all stages           | decode_rows | this kernel   | nobody      |
// | RESIDUAL    | this core's columns of the residual stream that enters  | decode_rows | this kernel   | nobody      |
// | WEIGHTS     | ternary tiles of this core's columns, stage by stage    | the reader  | this kernel   | this kernel |
// | PARTIALS    | this core's measurements                                | this kernel | decode_rows   | decode_rows |
// | GATHERED    | the leader's: all measurements                          | decode_rows | this kernel   | this kernel |
// | FACTORS     | the leader's: what becomes SCALES                       | this kernel | decode_rows   | decode_rows |
// | SCALES      | the two factors of every row                            | decode_rows | this kernel   | this kernel |
// | CODES       | the part's codes                                        | this kernel | decode_rows   | decode_rows |
// | ALL_CODES   | the codes of whole rows                                 | decode_rows | this kernel   | this kernel |
// | LEAVING     | this core's results of the stage `leaving_stage`        | this kernel | decode_rows   | decode_rows |
// | RESULT      | a group's columns of the last stage's results, twice    | this kernel | decode_rows   | decode_rows |
//
// The reader is decode_weights. The leader's decode_rows alone pushes GATHERED.
//
// The program handles one tile of rows. So what is never popped is used until the program ends. From PARTIALS to
// ALL_CODES, a stage takes and gives back whole buffers, so that they begin at the same address on all cores in every
// stage. Other cores may write into SCALES and ALL_CODES after this kernel has popped them: then it has finished its
// product. Semaphores: none. decode_rows waits for them.
#include "api/compute/compute_kernel_hw_startup.h"
#include "api/compute/copy_dest_values.h"
#include "api/compute/matmul.h"
#include "api/compute/pack.h"
#include "epilogue.h"
#include "quantise.h"
#include "stages.h"
#include "ternary_format.h"

constexpr auto inner = of_stages("inner");                  // tiles of K
constexpr auto inverse_width = of_stages("inverse_width");  // 1 / K, float32 bits
constexpr auto block = of_stages("block");                  // tiles of K in a page of weights
constexpr auto group = of_stages("group");                  // tile columns that are multiplied together
constexpr auto which = of_stages("epilogue");
constexpr bool by_silu = which.contains(epilogue::SILU_GATED);             // all gates of a program have one function
constexpr auto rows = of_stages("rows");                                   // the buffer of a stage's rows
constexpr auto first_gamma = of_stages("first_gamma");                     // the first tile of a stage in GAMMA
constexpr auto residual = of_stages("residual");                           // the buffer that the epilogue adds
constexpr auto results_in = of_stages("results_in");                       // the buffer of a stage's results
constexpr uint32_t gathered = get_named_compile_time_arg_val("gathered");  // tiles of sums in GATHERED
constexpr uint32_t code_tiles = get_named_compile_time_arg_val("code_tiles");     // of CODES
constexpr uint32_t all_codes = get_named_compile_time_arg_val("all_code_tiles");  // of ALL_CODES

// A stage before the last whose results leave the program too. `stages` if there is none.
constexpr uint32_t leaving_stage = get_named_compile_time_arg_val("leaving_stage");

enum ComputeArguments : uint32_t { CONSTANT_BITS };  // of each stage, of a float32; see `quantise::factors`

ALWI void multiply(uint32_t stage) {
    const uint32_t wide = group[stage], k_tiles = inner[stage], page_tiles = block[stage] * wide;
    reconfig_data_format(buffers::WEIGHTS, buffers::ALL_CODES);
    matmul_block_init(buffers::ALL_CODES, buffers::WEIGHTS, 0, wide, 1, k_tiles);
    begin_ternary();
    for (uint32_t k = 0; k < k_tiles; k += block[stage]) {
        cb_wait_front(buffers::WEIGHTS, page_tiles);
        for (uint32_t i = 0; i < block[stage]; i++) {
            matmul_block(buffers::ALL_CODES, buffers::WEIGHTS, k + i, i * wide, 0, 0, wide, 1, k_tiles);
        }
        cb_pop_front(buffers::WEIGHTS, page_tiles);
    }
    end_ternary();
}

// Turns the sums of a group into results. `column` counts the core's columns.
ALWI void finish(uint32_t stage, uint32_t column) {
    const uint32_t scratch = group[stage];  // the destination tile behind the sums
    epilogue::rescale(group[stage], 0, 1, scratch);
    if (which[stage] == epilogue::RESIDUAL) {
        cb_wait_front(residual[stage], column + group[stage]);
        epilogue::add_residual(group[stage], 0, residual[stage], column, scratch);
    }
    if (epilogue::is_gated(which[stage])) {
        epilogue::gate<by_silu>(group[stage], 0);
    }
}

// Packs the first destination tiles.
ALWI void pack(uint32_t results, uint32_t to) {
    cb_reserve_back(to, results);
    for (uint32_t c = 0; c < results; c++) {
        pack_tile(c, to);
    }
    cb_push_back(to, results);
}

ALWI void product(uint32_t stage, uint32_t columns) {
    const uint32_t results = epilogue::results_of(which[stage], group[stage]);
    pack_reconfig_data_format(results_in[stage]);
    for (uint32_t column = 0; column < columns; column += results) {
        tile_regs_acquire();
        multiply(stage);
        finish(stage, column);
        tile_regs_commit();
        tile_regs_wait();
        pack(results, results_in[stage]);
        if (stage == leaving_stage) {
            pack(results, buffers::LEAVING);  // float32, as rows are
        }
        tile_regs_release();
    }
}

void kernel_main() {
    const bool leads = get_arg_val<uint32_t>(LEADS);
    compute_kernel_hw_startup<SrcOrder::Reverse>(buffers::ALL_CODES, buffers::WEIGHTS, buffers::PARTIALS);
    for (uint32_t stage = 0; stage < stages; stage++) {
        const uint32_t part_tiles = get_arg_val<uint32_t>(argument(stage, PART_TILES));
        if (part_tiles) {
            quantise::measure(is_normed(stage), rows[stage], first_gamma[stage], part_tiles);
        }
        if (leads) {
            const uint32_t constant = get_common_arg_val<uint32_t>(CONSTANT_BITS + stage);
            quantise::factors(is_normed(stage), gathered, inverse_width[stage], constant);
            cb_pop_front(buffers::GATHERED, 2 * gathered);
        }
        if (part_tiles) {
            quantise::codes(is_normed(stage), rows[stage], first_gamma[stage], part_tiles, code_tiles);
        }
        cb_wait_front(buffers::SCALES, 2);
        cb_wait_front(buffers::ALL_CODES, all_codes);
        product(stage, get_arg_val<uint32_t>(argument(stage, COLUMNS)));
        cb_pop_front(buffers::SCALES, 2);
        cb_pop_front(buffers::ALL_CODES, all_codes);
    }
}
