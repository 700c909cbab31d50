// SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
// SPDX-License-Identifier: Apache-2.0
// Compute: the logit of each candidate, a hidden row times the weights of a token. The vector unit multiplies and adds
// in float32. Values lie anywhere in their tiles, each where its weight lies; see second_pass_rows.cpp.
//
// | buffer  | what it holds                            | pushed by        | waited for by    | popped by        |
// |---------|------------------------------------------|------------------|------------------|------------------|
// | ROWS    | a hidden row, twice                      | second_pass_rows | this kernel      | this kernel      |
// | WEIGHTS | the weights of two candidates            | second_pass_rows | this kernel      | this kernel      |
// | LOGITS  | a logit as the first value of a tile     | this kernel      | second_pass_best | second_pass_best |
//
// Semaphores: none.
#include "api/compute/compute_kernel_hw_startup.h"
#include "api/compute/pack.h"
#include "candidate_arguments.h"
#include "tiles.h"

constexpr uint32_t length = get_named_compile_time_arg_val("length");  // candidates of a row
constexpr uint32_t pieces = get_named_compile_time_arg_val("pieces");  // tiles that K values fill
constexpr uint32_t ROWS = get_named_compile_time_arg_val("ROWS");
constexpr uint32_t WEIGHTS = get_named_compile_time_arg_val("WEIGHTS");
constexpr uint32_t LOGITS = get_named_compile_time_arg_val("LOGITS");

ALWI void push_logit() {
    constexpr uint32_t SUM = 0, PRODUCT = 1, WEIGHT = 2;
    cb_wait_front(WEIGHTS, pieces);
    tile_regs_acquire();
    for (uint32_t i = 0; i < pieces; i++) {
        const uint32_t product = i ? PRODUCT : SUM;
        tiles::load(ROWS, i, product);
        tiles::load(WEIGHTS, i, WEIGHT);
        tiles::multiply(product, WEIGHT);
        if (i) {
            tiles::add(SUM, product);
        }
    }
    tiles::join_rows<PoolType::SUM>(SUM);
    tiles::transpose(SUM);
    tiles::join_rows<PoolType::SUM>(SUM);
    tile_regs_commit();
    cb_pop_front(WEIGHTS, pieces);
    cb_reserve_back(LOGITS, 1);
    tile_regs_wait();
    pack_tile(SUM, LOGITS);
    tile_regs_release();
    cb_push_back(LOGITS, 1);
}

void kernel_main() {
    const uint32_t first = get_arg_val<uint32_t>(FIRST_CANDIDATE), here = get_arg_val<uint32_t>(CANDIDATES_HERE);
    if (!here) {
        return;
    }
    compute_kernel_hw_startup(ROWS, WEIGHTS, LOGITS);
    cb_wait_front(ROWS, pieces);
    for (uint32_t candidate = first; candidate < first + here; candidate++) {
        if (candidate != first && candidate % length == 0) {
            cb_pop_front(ROWS, pieces);
            cb_wait_front(ROWS, pieces);
        }
        push_logit();
    }
    cb_pop_front(ROWS, pieces);
}
