// SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
// SPDX-License-Identifier: Apache-2.0
// Reader: brings the rows that are multiplied. Row by row, it gives the values of the hidden row, and then the weights
// of each candidate that this core has. Both lie in their order, filled up with zeros to whole tiles. So compute takes
// them for tiles: it does not matter where a value lies in a tile, as long as its weight lies there too.
//
// | buffer      | what it holds                       | pushed by   | waited for by | popped by   |
// |-------------|-------------------------------------|-------------|---------------|-------------|
// | ROWS        | a hidden row, twice                 | this kernel | second_pass   | second_pass |
// | WEIGHTS     | the weights of two candidates       | this kernel | second_pass   | second_pass |
// | ROWS_TOKENS | a row's shortlist, as memory        | nobody      | nobody        | nobody      |
//
// Semaphores: none.
#include "shortlist.h"

constexpr uint32_t inner = get_named_compile_time_arg_val("inner");            // tiles of K
constexpr uint32_t pieces = get_named_compile_time_arg_val("pieces");          // tiles that K values fill
constexpr uint32_t table_rows = get_named_compile_time_arg_val("table_rows");  // tokens
constexpr uint32_t ROWS = get_named_compile_time_arg_val("ROWS");
constexpr uint32_t WEIGHTS = get_named_compile_time_arg_val("WEIGHTS");
constexpr uint32_t TOKENS = get_named_compile_time_arg_val("ROWS_TOKENS");

constexpr auto rows_layout = TensorAccessorArgs<0>();
constexpr auto tokens_layout = TensorAccessorArgs<rows_layout.next_compile_time_args_offset()>();
constexpr auto table_layout = TensorAccessorArgs<tokens_layout.next_compile_time_args_offset()>();

enum SecondRowsAddresses : uint32_t { ROWS_AT, TOKENS_AT, TABLE_AT };

// Clears what `pieces` tiles at `to` hold behind K values.
void clear_rest(uint32_t to, uint32_t value_bytes) {
    const uint32_t end = to + pieces * faces::tile_bytes(value_bytes);
    for (uint32_t at = to + inner * faces::TILE * value_bytes; at < end; at += 4) {
        *words(at) = 0;
    }
}

template <typename Tensor>
void push_row(const Tensor& rows, uint32_t row) {
    constexpr uint32_t bytes = faces::half_row_bytes(faces::FLOAT32);
    cb_reserve_back(ROWS, pieces);
    uint32_t to = get_write_ptr(ROWS);
    clear_rest(to, faces::FLOAT32);
    for (uint32_t half = 0; half < 2 * inner; half++, to += bytes) {
        const uint32_t at = faces::half_row(row, half % 2, faces::FLOAT32);
        noc_async_read(rows.get_noc_addr(half / 2, at), to, bytes);
    }
    noc_async_read_barrier();
    cb_push_back(ROWS, pieces);
}

// Pushes the weights of a token. One that is past the table has those of token 0.
template <typename Tensor>
void push_weights(const Tensor& table, uint32_t token) {
    cb_reserve_back(WEIGHTS, pieces);
    const uint32_t to = get_write_ptr(WEIGHTS);
    clear_rest(to, faces::BFLOAT16);
    noc_async_read(table.get_noc_addr(token < table_rows ? token : 0), to, inner * faces::TILE * faces::BFLOAT16);
    noc_async_read_barrier();
    cb_push_back(WEIGHTS, pieces);
}

void kernel_main() {
    const auto rows = TensorAccessor(rows_layout, get_common_arg_val<uint32_t>(ROWS_AT));
    const auto all_tokens = TensorAccessor(tokens_layout, get_common_arg_val<uint32_t>(TOKENS_AT));
    const auto table = TensorAccessor(table_layout, get_common_arg_val<uint32_t>(TABLE_AT));
    const uint32_t first = get_arg_val<uint32_t>(FIRST_CANDIDATE), tokens = get_write_ptr(TOKENS);
    for (uint32_t candidate = first; candidate < first + get_arg_val<uint32_t>(CANDIDATES_HERE); candidate++) {
        if (candidate == first || candidate % shortlist::length == 0) {
            const uint32_t row = candidate / shortlist::length;
            shortlist::read(all_tokens, row, tokens);
            push_row(rows, row);
        }
        push_weights(table, shortlist::token_of(tokens, candidate));
    }
}
