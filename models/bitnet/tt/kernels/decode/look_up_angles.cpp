// SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
// SPDX-License-Identifier: Apache-2.0
// Writer: copies the rotation angles of one user's position into the first row of this core's shards of the results. A
// rotation reads no other row.
//
// | buffer         | what it holds                         |
// |----------------|---------------------------------------|
// | numbers_buffer | the positions of all users            |
// | rows_buffer    | a row of cosines, then a row of sines |
//
// Both serve this kernel alone, as memory: nothing is pushed, waited for or popped.
// Semaphores: none.
#include "faces.h"
#include "words.h"

constexpr uint32_t users = get_named_compile_time_arg_val("users");
constexpr uint32_t halves = get_named_compile_time_arg_val("halves");  // half rows of tiles in a row of angles
constexpr uint32_t POSITIONS = get_named_compile_time_arg_val("numbers_buffer");
constexpr uint32_t ROWS = get_named_compile_time_arg_val("rows_buffer");

constexpr auto positions_layout = TensorAccessorArgs<0>();
constexpr auto cos_layout = TensorAccessorArgs<positions_layout.next_compile_time_args_offset()>();
constexpr auto sin_layout = TensorAccessorArgs<cos_layout.next_compile_time_args_offset()>();

enum AnglesArguments : uint32_t { USER };
enum AnglesAddresses : uint32_t { POSITIONS_AT, COS_AT, SIN_AT, COS_RESULT_AT, SIN_RESULT_AT };

constexpr uint32_t tile_bytes = faces::tile_bytes(faces::BFLOAT16), half_bytes = faces::half_row_bytes(faces::BFLOAT16);

// Copies a row of angles from `from` into the first row of tiles that begin at `tiles`.
void spread(uint32_t from, uint32_t tiles) {
    for (uint32_t i = 0; i < halves; i++, from += half_bytes) {
        const uint32_t to = tiles + i / 2 * tile_bytes + faces::half_row(0, i % 2, faces::BFLOAT16);
        for (uint32_t word = 0; word < half_bytes / 4; word++) {
            words(to)[word] = words(from)[word];
        }
    }
}

void kernel_main() {
    const auto positions = TensorAccessor(positions_layout, get_common_arg_val<uint32_t>(POSITIONS_AT));
    const auto cos = TensorAccessor(cos_layout, get_common_arg_val<uint32_t>(COS_AT));
    const auto sin = TensorAccessor(sin_layout, get_common_arg_val<uint32_t>(SIN_AT));
    const uint32_t numbers = get_write_ptr(POSITIONS), rows = get_write_ptr(ROWS);
    noc_async_read(positions.get_noc_addr(0), numbers, users * 4);
    noc_async_read_barrier();
    const int32_t position = words(numbers)[get_arg_val<uint32_t>(USER)];
    const uint32_t page = position < 0 ? 0 : position;  // an idle user may have any angle
    noc_async_read(cos.get_noc_addr(page), rows, halves * half_bytes);
    noc_async_read(sin.get_noc_addr(page), rows + halves * half_bytes, halves * half_bytes);
    noc_async_read_barrier();
    spread(rows, get_common_arg_val<uint32_t>(COS_RESULT_AT));
    spread(rows + halves * half_bytes, get_common_arg_val<uint32_t>(SIN_RESULT_AT));
}
