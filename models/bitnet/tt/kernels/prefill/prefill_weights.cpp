// SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
// SPDX-License-Identifier: Apache-2.0
// Reader: this core's groups of ternary columns, whole, once for every pass over its rows. Cores that multiply other
// rows by the same columns lie below each other, and read together.
#include "buffers.h"
#include "exchange.h"
#include "core_assignment.h"

constexpr uint32_t page_tiles = get_named_compile_time_arg_val("page_tiles");
constexpr uint32_t pages = get_named_compile_time_arg_val("pages");  // of a group
constexpr uint32_t passes = get_named_compile_time_arg_val("passes");
constexpr uint32_t row_shares = get_named_compile_time_arg_val("row_shares");
constexpr uint32_t wide = get_named_compile_time_arg_val("wide");
constexpr auto weights_layout = TensorAccessorArgs<0>();

void kernel_main() {
    const auto weights = TensorAccessor(weights_layout, get_common_arg_val<uint32_t>(0));
    const uint32_t x = get_arg_val<uint32_t>(product_share::X), y = get_arg_val<uint32_t>(product_share::Y);
    const uint32_t first = get_arg_val<uint32_t>(product_share::FIRST_GROUP);
    const uint32_t end = first + get_arg_val<uint32_t>(product_share::GROUPS);
    const uint32_t number = y % row_shares;
    Exchange exchange(product_share::PLACES, wide, x, 1, y - number, row_shares, 1, number, 0, 1);
    for (uint32_t pass = 0; pass < passes; pass++) {
        for (uint32_t group = first; group < end; group++) {
            cb_reserve_back(buffers::WEIGHTS, pages * page_tiles);
            exchange.fill(weights, group * pages, pages, page_tiles * 256, get_write_ptr(buffers::WEIGHTS));
            cb_push_back(buffers::WEIGHTS, pages * page_tiles);
        }
    }
}
