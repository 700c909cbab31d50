// SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
// SPDX-License-Identifier: Apache-2.0
// Writer: brings all rows in, and writes this core's columns of the results out.
#include "api/dataflow/dataflow_api.h"
#include "buffers.h"

constexpr uint32_t inner = get_named_compile_time_arg_val("inner");  // tiles of K
constexpr uint32_t group = get_named_compile_time_arg_val("group");  // columns that come together
constexpr auto rows_layout = TensorAccessorArgs<0>();
constexpr auto result_layout = TensorAccessorArgs<rows_layout.next_compile_time_args_offset()>();
constexpr uint32_t tile_bytes = get_tile_size(buffers::ROWS);  // of results too

void kernel_main() {
    const auto rows = TensorAccessor(rows_layout, get_common_arg_val<uint32_t>(0));
    const auto result = TensorAccessor(result_layout, get_common_arg_val<uint32_t>(1));
    const uint32_t first = get_arg_val<uint32_t>(0), columns = get_arg_val<uint32_t>(1);
    cb_reserve_back(buffers::ROWS, inner);
    uint32_t to = get_write_ptr(buffers::ROWS);
    for (uint32_t k = 0; k < inner; k++, to += tile_bytes) {
        noc_async_read_page(k, rows, to);
    }
    noc_async_read_barrier();
    cb_push_back(buffers::ROWS, inner);
    for (uint32_t n = first; n < first + columns; n += group) {
        const uint32_t left = first + columns - n, count = left < group ? left : group;
        cb_wait_front(buffers::RESULT, group);
        uint32_t from = get_read_ptr(buffers::RESULT);
        for (uint32_t c = 0; c < count; c++, from += tile_bytes) {
            noc_async_write_page(n + c, result, from);
        }
        noc_async_write_barrier();
        cb_pop_front(buffers::RESULT, group);
    }
}
