// SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
// SPDX-License-Identifier: Apache-2.0
// The angles of one user's position, into the first row of this core's own shards: the others are not read by
// rotations.
#include "words.h"

constexpr uint32_t users = get_named_compile_time_arg_val("users");
constexpr uint32_t halves = get_named_compile_time_arg_val("halves");  // of a row of tiles, in an angle's row
constexpr uint32_t POSITIONS = get_named_compile_time_arg_val("numbers_buffer");
constexpr uint32_t ROWS = get_named_compile_time_arg_val("rows_buffer");

constexpr auto positions_layout = TensorAccessorArgs<0>();
constexpr auto cos_layout = TensorAccessorArgs<positions_layout.next_compile_time_args_offset()>();
constexpr auto sin_layout = TensorAccessorArgs<cos_layout.next_compile_time_args_offset()>();

enum Common : uint32_t { POSITIONS_AT, COS_AT, SIN_AT, COS_RESULT_AT, SIN_RESULT_AT };

constexpr uint32_t tile_bytes = 2048, half_bytes = 32;

void spread(uint32_t from, uint32_t tiles) {
    for (uint32_t i = 0; i < halves; i++, from += half_bytes) {
        const uint32_t to = tiles + i / 2 * tile_bytes + half_row(0, i % 2, 2);
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
    const int32_t position = words(numbers)[get_arg_val<uint32_t>(0)];
    const uint32_t page = position < 0 ? 0 : position;  // an idle user has any
    noc_async_read(cos.get_noc_addr(page), rows, halves * half_bytes);
    noc_async_read(sin.get_noc_addr(page), rows + halves * half_bytes, halves * half_bytes);
    noc_async_read_barrier();
    spread(rows, get_common_arg_val<uint32_t>(COS_RESULT_AT));
    spread(rows + halves * half_bytes, get_common_arg_val<uint32_t>(SIN_RESULT_AT));
}
