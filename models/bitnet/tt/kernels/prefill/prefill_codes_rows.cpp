// SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
// SPDX-License-Identifier: Apache-2.0
// Reader: this core's part of its token tiles. It reads a token tile while compute quantises the one before.
//
// | buffer | what it holds                           | pushed by   | waited for by | popped by     |
// |--------|-----------------------------------------|-------------|---------------|---------------|
// | ROWS   | the part's tiles of a token tile, twice | this kernel | prefill_codes | prefill_codes |
// | GAMMA  | the norm's weights of the part          | this kernel | prefill_codes | nobody        |
//
// Semaphores: none.
#include "codes_arguments.h"
#include "measurements.h"

constexpr uint32_t inner = get_named_compile_time_arg_val("inner");  // tiles of K
constexpr uint32_t part = get_named_compile_time_arg_val("part");    // tiles of the largest part
constexpr bool normed = get_named_compile_time_arg_val("normed");
constexpr auto rows_layout = TensorAccessorArgs<0>();
constexpr auto gamma_layout = TensorAccessorArgs<rows_layout.next_compile_time_args_offset()>();

enum RowsAddresses : uint32_t { ROWS_AT, GAMMA_AT };

void kernel_main() {
    const uint32_t first = get_arg_val<uint32_t>(PART_FIRST), part_tiles = get_arg_val<uint32_t>(PART_TILES);
    const uint32_t first_token_tile = get_arg_val<uint32_t>(FIRST_TOKEN_TILE);
    const uint32_t end_token_tile = first_token_tile + get_arg_val<uint32_t>(TOKEN_TILES);
    if (!part_tiles) {
        return;
    }
    const auto rows = TensorAccessor(rows_layout, get_common_arg_val<uint32_t>(ROWS_AT));
    constexpr uint32_t tile_bytes = get_tile_size(buffers::ROWS);

    if constexpr (normed) {
        const auto gamma = TensorAccessor(gamma_layout, get_common_arg_val<uint32_t>(GAMMA_AT));
        cb_reserve_back(buffers::GAMMA, part_tiles);
        measurements::read_gamma(gamma, first, part_tiles, get_write_ptr(buffers::GAMMA));
    }
    for (uint32_t token_tile = first_token_tile; token_tile < end_token_tile; token_tile++) {
        cb_reserve_back(buffers::ROWS, part);
        uint32_t to = get_write_ptr(buffers::ROWS);
        const uint32_t page = token_tile * inner + first;
        for (uint32_t k = 0; k < part_tiles; k++, to += tile_bytes) {
            noc_async_read_page(page + k, rows, to);
        }
        noc_async_read_barrier();
        cb_push_back(buffers::ROWS, part);
        if (normed && token_tile == first_token_tile) {
            cb_push_back(buffers::GAMMA, part_tiles);
        }
    }
}
