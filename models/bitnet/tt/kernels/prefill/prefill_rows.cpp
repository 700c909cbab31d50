// SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
// SPDX-License-Identifier: Apache-2.0
// Writer: brings in the codes and steps of this core's token tiles, as many in a pass as L1 holds, then writes the
// results of the pass. A step is what one code of a row is worth. Cores that multiply the same token tiles by other
// columns read together: see exchange.h.
//
// | buffer    | what it holds                                   | pushed by       | waited for by   | popped by       |
// |-----------|-------------------------------------------------|-----------------|-----------------|-----------------|
// | SCALES    | a pass's steps, one tile a token tile           | this kernel     | prefill_product | prefill_product |
// | ALL_CODES | a pass's codes of whole token tiles             | this kernel     | prefill_product | prefill_product |
// | RESIDUAL  | a group's columns of the residual stream, twice | this kernel     | prefill_product | prefill_product |
// | RESULT    | a group's columns of some token tiles, twice    | prefill_product | this kernel     | this kernel     |
//
// All cores of the exchange write into SCALES and ALL_CODES before this kernel pushes them.
// Semaphores: ROWS_READY and ROWS_ARRIVED. Every core of the exchange counts them up and waits for them.
#include "buffers.h"
#include "exchange.h"
#include "faces.h"
#include "product_arguments.h"

constexpr uint32_t inner = get_named_compile_time_arg_val("inner");                  // tiles of K
constexpr uint32_t width = get_named_compile_time_arg_val("width");                  // tile columns of the results
constexpr uint32_t tiles_of_pass = get_named_compile_time_arg_val("tiles_of_pass");  // token tiles
constexpr uint32_t tiles_at_once = get_named_compile_time_arg_val("tiles_at_once");  // token tiles multiplied together
constexpr uint32_t results = get_named_compile_time_arg_val("results");              // result tiles of a group
constexpr uint32_t wide = get_named_compile_time_arg_val("wide");                    // columns of cores
constexpr uint32_t bands = get_named_compile_time_arg_val("bands");
constexpr uint32_t band_rows = get_named_compile_time_arg_val("band_rows");  // rows of cores in a band
constexpr bool adds_residual = get_named_compile_time_arg_val("adds_residual");

constexpr auto codes_layout = TensorAccessorArgs<0>();
constexpr auto steps_layout = TensorAccessorArgs<codes_layout.next_compile_time_args_offset()>();
constexpr auto residual_layout = TensorAccessorArgs<steps_layout.next_compile_time_args_offset()>();
constexpr auto result_layout = TensorAccessorArgs<residual_layout.next_compile_time_args_offset()>();

enum ProductAddresses : uint32_t { CODES_AT, STEPS_AT, RESIDUAL_AT, RESULT_AT };

constexpr uint32_t FLOAT_TILE = faces::tile_bytes(faces::FLOAT32);

uint32_t min(uint32_t a, uint32_t b) { return a < b ? a : b; }

void read_rows(Exchange& exchange, uint32_t first, uint32_t count) {
    const auto codes = TensorAccessor(codes_layout, get_common_arg_val<uint32_t>(CODES_AT));
    const auto steps = TensorAccessor(steps_layout, get_common_arg_val<uint32_t>(STEPS_AT));
    constexpr uint32_t code_bytes = get_tile_size(buffers::ALL_CODES);
    // Every pass takes whole buffers, so that it begins at the same address.
    cb_reserve_back(buffers::SCALES, tiles_of_pass);
    cb_reserve_back(buffers::ALL_CODES, tiles_of_pass * inner);
    exchange.fill(steps, first, count, FLOAT_TILE, get_write_ptr(buffers::SCALES));
    exchange.fill(codes, first * inner, count * inner, code_bytes, get_write_ptr(buffers::ALL_CODES));
    cb_push_back(buffers::SCALES, tiles_of_pass);
    cb_push_back(buffers::ALL_CODES, tiles_of_pass * inner);
}

void read_residual(uint32_t page, uint32_t token_tiles) {
    const auto residual = TensorAccessor(residual_layout, get_common_arg_val<uint32_t>(RESIDUAL_AT));
    for (uint32_t r = 0; r < token_tiles; r++) {
        cb_reserve_back(buffers::RESIDUAL, results);
        const uint32_t to = get_write_ptr(buffers::RESIDUAL);
        for (uint32_t c = 0; c < results; c++) {
            noc_async_read_page(page + r * width + c, residual, to + c * FLOAT_TILE);
        }
        noc_async_read_barrier();
        cb_push_back(buffers::RESIDUAL, results);
    }
}

void write_results(uint32_t page, uint32_t token_tiles) {
    const auto result = TensorAccessor(result_layout, get_common_arg_val<uint32_t>(RESULT_AT));
    for (uint32_t r = 0; r < token_tiles; r++) {
        cb_wait_front(buffers::RESULT, results);
        const uint32_t from = get_read_ptr(buffers::RESULT);
        for (uint32_t c = 0; c < results; c++) {
            noc_async_write_page(page + r * width + c, result, from + c * get_tile_size(buffers::RESULT));
        }
        noc_async_writes_flushed();
        cb_pop_front(buffers::RESULT, results);
    }
}

void kernel_main() {
    const uint32_t x = get_arg_val<uint32_t>(CORE_X), y = get_arg_val<uint32_t>(CORE_Y);
    const uint32_t first = get_arg_val<uint32_t>(FIRST_TOKEN_TILE), end = first + get_arg_val<uint32_t>(TOKEN_TILES);
    const uint32_t first_group = get_arg_val<uint32_t>(FIRST_GROUP);
    const uint32_t end_group = first_group + get_arg_val<uint32_t>(GROUPS);
    // this core's row of cores, and the same row of every other band
    Exchange exchange{
        .first_x = NOC_COORDINATES,
        .wide = wide,
        .first_y = NOC_COORDINATES + wide + y % band_rows,
        .high = bands,
        .apart = band_rows,
        .number = y / band_rows * wide + x,
        .ready = ROWS_READY,
        .arrived = ROWS_ARRIVED};
    for (uint32_t of_pass = first; of_pass < end; of_pass += tiles_of_pass) {
        const uint32_t end_pass = min(of_pass + tiles_of_pass, end);
        read_rows(exchange, of_pass, end_pass - of_pass);
        for (uint32_t group = first_group; group < end_group; group++) {
            for (uint32_t token_tile = of_pass; token_tile < end_pass; token_tile += tiles_at_once) {
                const uint32_t page = token_tile * width + group * results;
                const uint32_t count = min(tiles_at_once, end_pass - token_tile);
                if constexpr (adds_residual) {
                    read_residual(page, count);
                }
                write_results(page, count);
            }
        }
    }
    noc_async_write_barrier();
}
