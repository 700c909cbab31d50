// SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
// SPDX-License-Identifier: Apache-2.0
// Data movement: looks up a row of a table for each user, by the user's number. The kernel copies this core's columns
// of these rows into its shard of the result. Rows of the shard's tiles that belong to no user stay as they are. A
// number past the table reads its first row: NO_TOKEN, of a user whose last step had no best token, and the negative
// position of an idle user.
//
// | buffer         | what it holds                          |
// |----------------|----------------------------------------|
// | numbers_buffer | the numbers of all users               |
// | rows_buffer    | this core's columns of each user's row |
//
// Both serve this kernel alone, as memory: nothing is pushed, waited for or popped.
// Semaphores: none.
#include "faces.h"
#include "words.h"

constexpr uint32_t users = get_named_compile_time_arg_val("users");
constexpr uint32_t table_rows = get_named_compile_time_arg_val("table_rows");
constexpr uint32_t tiles = get_named_compile_time_arg_val("tiles");              // tile columns of the shard
constexpr uint32_t value_bytes = get_named_compile_time_arg_val("value_bytes");  // of the result; the table is bfloat16
constexpr uint32_t NUMBERS = get_named_compile_time_arg_val("numbers_buffer");
constexpr uint32_t ROWS = get_named_compile_time_arg_val("rows_buffer");

constexpr auto numbers_layout = TensorAccessorArgs<0>();
constexpr auto table_layout = TensorAccessorArgs<numbers_layout.next_compile_time_args_offset()>();

enum LookUpArguments : uint32_t { SHARD };
enum LookUpAddresses : uint32_t { NUMBERS_AT, TABLE_AT, RESULT_AT };

constexpr uint32_t half_bytes = faces::half_row_bytes(faces::BFLOAT16), row_bytes = tiles * 2 * half_bytes;

// Copies half a row of bfloat16 into a tile of the result.
void copy_half(uint32_t from, uint32_t to) {
    for (uint32_t i = 0; i < half_bytes / 4; i++) {
        const uint32_t two = words(from)[i];
        if constexpr (value_bytes == faces::FLOAT32) {
            words(to)[2 * i] = two << 16;
            words(to)[2 * i + 1] = two & 0xffff0000;
        } else {
            words(to)[i] = two;
        }
    }
}

void kernel_main() {
    const auto all_numbers = TensorAccessor(numbers_layout, get_common_arg_val<uint32_t>(NUMBERS_AT));
    const auto table = TensorAccessor(table_layout, get_common_arg_val<uint32_t>(TABLE_AT));
    const uint32_t first = get_arg_val<uint32_t>(SHARD) * row_bytes;
    const uint32_t numbers = get_write_ptr(NUMBERS), rows = get_write_ptr(ROWS);
    noc_async_read(all_numbers.get_noc_addr(0), numbers, users * 4);
    noc_async_read_barrier();
    for (uint32_t user = 0; user < users; user++) {
        const uint32_t number = words(numbers)[user];
        const uint64_t row = table.get_noc_addr(number < table_rows ? number : 0, first);
        noc_async_read(row, rows + user * row_bytes, row_bytes);
    }
    noc_async_read_barrier();
    for (uint32_t user = 0; user < users; user++) {
        for (uint32_t i = 0; i < 2 * tiles; i++) {
            const uint32_t tile = get_common_arg_val<uint32_t>(RESULT_AT) + i / 2 * faces::tile_bytes(value_bytes);
            copy_half(rows + user * row_bytes + i * half_bytes, tile + faces::half_row(user, i % 2, value_bytes));
        }
    }
}
