// SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
// SPDX-License-Identifier: Apache-2.0
// This core's columns of the table's rows, one a token, into its own shard of the result. The rows of the shard's tiles
// that belong to nobody stay as they are. A token that is none of the vocabulary's (a row without a best token was given
// one) reads the first row of the table.
#include "words.h"

constexpr uint32_t users = get_named_compile_time_arg_val("users");
constexpr uint32_t vocabulary = get_named_compile_time_arg_val("vocabulary");
constexpr uint32_t tiles = get_named_compile_time_arg_val("tiles");              // of the shard
constexpr uint32_t value_bytes = get_named_compile_time_arg_val("value_bytes");  // 4: float32, 2: bfloat16 as the table
constexpr uint32_t TOKENS = get_named_compile_time_arg_val("numbers_buffer");
constexpr uint32_t ROWS = get_named_compile_time_arg_val("rows_buffer");

constexpr auto tokens_layout = TensorAccessorArgs<0>();
constexpr auto table_layout = TensorAccessorArgs<tokens_layout.next_compile_time_args_offset()>();

enum Common : uint32_t { TOKENS_AT, TABLE_AT, RESULT_AT };

constexpr uint32_t half_bytes = 32, row_bytes = tiles * 2 * half_bytes;

void copy_half(uint32_t from, uint32_t to) {
    for (uint32_t i = 0; i < half_bytes / 4; i++) {
        const uint32_t two = words(from)[i];
        if constexpr (value_bytes == 4) {
            words(to)[2 * i] = two << 16;
            words(to)[2 * i + 1] = two & 0xffff0000;
        } else {
            words(to)[i] = two;
        }
    }
}

void kernel_main() {
    const auto tokens = TensorAccessor(tokens_layout, get_common_arg_val<uint32_t>(TOKENS_AT));
    const auto table = TensorAccessor(table_layout, get_common_arg_val<uint32_t>(TABLE_AT));
    const uint32_t first = get_arg_val<uint32_t>(0) * row_bytes;
    const uint32_t numbers = get_write_ptr(TOKENS), rows = get_write_ptr(ROWS);
    noc_async_read(tokens.get_noc_addr(0), numbers, users * 4);
    noc_async_read_barrier();
    for (uint32_t user = 0; user < users; user++) {
        const uint32_t token = words(numbers)[user];
        const uint64_t row = table.get_noc_addr(token < vocabulary ? token : 0, first);
        noc_async_read(row, rows + user * row_bytes, row_bytes);
    }
    noc_async_read_barrier();
    for (uint32_t user = 0; user < users; user++) {
        for (uint32_t i = 0; i < 2 * tiles; i++) {
            const uint32_t tile = get_common_arg_val<uint32_t>(RESULT_AT) + i / 2 * 1024 * value_bytes;
            copy_half(rows + user * row_bytes + i * half_bytes, tile + half_row(user, i % 2, value_bytes));
        }
    }
}
