// SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
// SPDX-License-Identifier: Apache-2.0
// Reader: this core's part of its rows of tiles, each while the one before is being quantised.
#include "measurements.h"
#include "core_assignment.h"

constexpr uint32_t inner = get_named_compile_time_arg_val("inner");  // tiles of K
constexpr auto rows_layout = TensorAccessorArgs<0>();
constexpr auto gamma_layout = TensorAccessorArgs<rows_layout.next_compile_time_args_offset()>();

void kernel_main() {
    const uint32_t first = get_arg_val<uint32_t>(codes_share::FIRST_PART);
    const uint32_t parts = get_arg_val<uint32_t>(codes_share::PARTS);
    const uint32_t first_row = get_arg_val<uint32_t>(codes_share::FIRST_ROW);
    const uint32_t end_row = first_row + get_arg_val<uint32_t>(codes_share::ROWS);
    if (!parts) {
        return;
    }
    const auto x = TensorAccessor(rows_layout, get_common_arg_val<uint32_t>(0));
    const auto gamma = TensorAccessor(gamma_layout, get_common_arg_val<uint32_t>(1));
    constexpr uint32_t tile_bytes = get_tile_size(buffers::ROWS);

    cb_reserve_back(buffers::GAMMA, parts);
    measurements::read_gamma(gamma, first, parts);
    for (uint32_t row = first_row; row < end_row; row++) {
        cb_reserve_back(buffers::ROWS, parts);
        const uint32_t to = get_write_ptr(buffers::ROWS);
        for (uint32_t k = 0; k < parts; k++) {
            noc_async_read_page(row * inner + first + k, x, to + k * tile_bytes);
        }
        noc_async_read_barrier();
        cb_push_back(buffers::ROWS, parts);
        if (row == first_row) {
            cb_push_back(buffers::GAMMA, parts);
        }
    }
}
