// SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
// SPDX-License-Identifier: Apache-2.0
// Reader: this core's groups of ternary columns, once for every pass over its token tiles. The cores of a band that lie
// below each other multiply other token tiles by the same columns. They read together: see exchange.h.
//
// | buffer  | what it holds                                | pushed by   | waited for by   | popped by       |
// |---------|----------------------------------------------|-------------|-----------------|-----------------|
// | WEIGHTS | a group's ternary tiles over all of K, twice | this kernel | prefill_product | prefill_product |
//
// All cores of the exchange write into WEIGHTS before this kernel pushes it.
// Semaphores: WEIGHTS_READY and WEIGHTS_ARRIVED. Every core of the exchange counts them up and waits for them.
#include "buffers.h"
#include "exchange.h"
#include "product_arguments.h"

constexpr uint32_t page_tiles = get_named_compile_time_arg_val("page_tiles");
constexpr uint32_t page_bytes = get_named_compile_time_arg_val("page_bytes");
constexpr uint32_t pages = get_named_compile_time_arg_val("pages");  // of a group
constexpr uint32_t passes = get_named_compile_time_arg_val("passes");
constexpr uint32_t wide = get_named_compile_time_arg_val("wide");            // columns of cores
constexpr uint32_t band_rows = get_named_compile_time_arg_val("band_rows");  // rows of cores in a band
constexpr auto weights_layout = TensorAccessorArgs<0>();

enum WeightsAddresses : uint32_t { WEIGHTS_AT };

void kernel_main() {
    const auto weights = TensorAccessor(weights_layout, get_common_arg_val<uint32_t>(WEIGHTS_AT));
    const uint32_t first = get_arg_val<uint32_t>(FIRST_GROUP), end = first + get_arg_val<uint32_t>(GROUPS);
    const uint32_t x = get_arg_val<uint32_t>(CORE_X), y = get_arg_val<uint32_t>(CORE_Y);
    const uint32_t number = y % band_rows;
    // this core's column of cores, within its band
    Exchange exchange{
        .first_x = NOC_COORDINATES + x,
        .wide = 1,
        .first_y = NOC_COORDINATES + wide + y - number,
        .high = band_rows,
        .apart = 1,
        .number = number,
        .ready = WEIGHTS_READY,
        .arrived = WEIGHTS_ARRIVED};
    for (uint32_t pass = 0; pass < passes; pass++) {
        for (uint32_t group = first; group < end; group++) {
            cb_reserve_back(buffers::WEIGHTS, pages * page_tiles);
            exchange.fill(weights, group * pages, pages, page_bytes, get_write_ptr(buffers::WEIGHTS));
            cb_push_back(buffers::WEIGHTS, pages * page_tiles);
        }
    }
}
