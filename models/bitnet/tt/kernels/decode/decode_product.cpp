// SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
// SPDX-License-Identifier: Apache-2.0
// Compute: a norm, its int8 codes, their product with ternary columns, and what becomes of the sums.
// Every core measures and quantises its part of the rows; the leader joins the measurements; then every core has all
// codes and multiplies them with its own columns. EPILOGUE says what follows: SCALE, RESIDUAL or GATED.
#include "api/compute/compute_kernel_hw_startup.h"
#include "api/compute/copy_dest_values.h"
#include "api/compute/matmul.h"
#include "api/compute/pack.h"
#include "epilogue.h"
#include "quantise.h"
#include "ternary_format.h"

constexpr uint32_t inner = get_named_compile_time_arg_val("inner");  // tiles of K
constexpr uint32_t block = get_named_compile_time_arg_val("block");  // of these, in a page of weights
constexpr uint32_t group = get_named_compile_time_arg_val("group");  // columns that are multiplied together
constexpr uint32_t gathered = get_named_compile_time_arg_val("gathered");
constexpr uint32_t inverse_width = get_named_compile_time_arg_val("inverse_width");

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
    const uint32_t parts = get_arg_val<uint32_t>(PARTS), columns = get_arg_val<uint32_t>(COLUMNS);
    const uint32_t eps = get_common_arg_val<uint32_t>(0);
    compute_kernel_hw_startup<SrcOrder::Reverse>(buffers::ALL_CODES, buffers::WEIGHTS, buffers::PARTIALS);
    if (parts) {
        quantise::measure(parts);
    }
    if (get_arg_val<uint32_t>(LEADS)) {
        quantise::factors(gathered, inverse_width, eps);
    }
    if (parts) {
        quantise::codes(parts);
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
