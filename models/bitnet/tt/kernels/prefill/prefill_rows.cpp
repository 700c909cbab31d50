// SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
// SPDX-License-Identifier: Apache-2.0
// Writer: the codes of this core's rows and what they are worth, as many rows in a pass as L1 holds; then the results
// of each pass. Cores that multiply the same rows by other columns read together.
#include "buffers.h"
#include "exchange.h"
#include "core_assignment.h"

constexpr uint32_t inner = get_named_compile_time_arg_val("inner");  // tiles of K
constexpr uint32_t width = get_named_compile_time_arg_val("width");  // tiles of a row of results
constexpr uint32_t rows_of_pass = get_named_compile_time_arg_val("rows_of_pass");
constexpr uint32_t rows_at_once = get_named_compile_time_arg_val("rows_at_once");  // that compute multiplies together
constexpr uint32_t results = get_named_compile_time_arg_val("results");            // columns of a group
constexpr uint32_t row_shares = get_named_compile_time_arg_val("row_shares");
constexpr uint32_t wide = get_named_compile_time_arg_val("wide"), bands = get_named_compile_time_arg_val("bands");

constexpr auto codes_layout = TensorAccessorArgs<0>();
constexpr auto steps_layout = TensorAccessorArgs<codes_layout.next_compile_time_args_offset()>();
constexpr auto residual_layout = TensorAccessorArgs<steps_layout.next_compile_time_args_offset()>();
constexpr auto result_layout = TensorAccessorArgs<residual_layout.next_compile_time_args_offset()>();

enum Address : uint32_t { CODES_AT, STEPS_AT, RESIDUAL_AT, RESULT_AT };

constexpr uint32_t FLOAT_TILE = 4096;

uint32_t min(uint32_t a, uint32_t b) { return a < b ? a : b; }

void read_rows(Exchange& exchange, uint32_t first, uint32_t count) {
    const auto codes = TensorAccessor(codes_layout, get_common_arg_val<uint32_t>(CODES_AT));
    const auto steps = TensorAccessor(steps_layout, get_common_arg_val<uint32_t>(STEPS_AT));
    constexpr uint32_t code_bytes = get_tile_size(buffers::ALL_CODES);
    // always whole buffers, so that every pass begins at the same address
    cb_reserve_back(buffers::SCALES, rows_of_pass);
    cb_reserve_back(buffers::ALL_CODES, rows_of_pass * inner);
    exchange.fill(steps, first, count, FLOAT_TILE, get_write_ptr(buffers::SCALES));
    exchange.fill(codes, first * inner, count * inner, code_bytes, get_write_ptr(buffers::ALL_CODES));
    cb_push_back(buffers::SCALES, rows_of_pass);
    cb_push_back(buffers::ALL_CODES, rows_of_pass * inner);
}

#ifdef EPILOGUE_RESIDUAL
void read_residual(uint32_t page, uint32_t rows) {
    const auto residual = TensorAccessor(residual_layout, get_common_arg_val<uint32_t>(RESIDUAL_AT));
    for (uint32_t r = 0; r < rows; r++) {
        cb_reserve_back(buffers::RESIDUAL, results);
        const uint32_t to = get_write_ptr(buffers::RESIDUAL);
        for (uint32_t c = 0; c < results; c++) {
            noc_async_read_page(page + r * width + c, residual, to + c * FLOAT_TILE);
        }
        noc_async_read_barrier();
        cb_push_back(buffers::RESIDUAL, results);
    }
}
#endif

void write_results(uint32_t page, uint32_t rows) {
    const auto result = TensorAccessor(result_layout, get_common_arg_val<uint32_t>(RESULT_AT));
    for (uint32_t r = 0; r < rows; r++) {
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
    const uint32_t x = get_arg_val<uint32_t>(product_share::X), y = get_arg_val<uint32_t>(product_share::Y);
    const uint32_t first_row = get_arg_val<uint32_t>(product_share::FIRST_ROW);
    const uint32_t end_row = first_row + get_arg_val<uint32_t>(product_share::ROWS);
    const uint32_t first_group = get_arg_val<uint32_t>(product_share::FIRST_GROUP);
    const uint32_t end_group = first_group + get_arg_val<uint32_t>(product_share::GROUPS);
    Exchange exchange(
        product_share::PLACES, wide, 0, wide, y % row_shares, bands, row_shares, y / row_shares * wide + x, 2, 3);
    for (uint32_t row = first_row; row < end_row; row += rows_of_pass) {
        const uint32_t end_pass = min(row + rows_of_pass, end_row);
        read_rows(exchange, row, end_pass - row);
        for (uint32_t group = first_group; group < end_group; group++) {
            for (uint32_t r = row; r < end_pass; r += rows_at_once) {
                const uint32_t page = r * width + group * results, rows = min(rows_at_once, end_pass - r);
#ifdef EPILOGUE_RESIDUAL
                read_residual(page, rows);
#endif
                write_results(page, rows);
            }
        }
    }
    noc_async_write_barrier();
}
