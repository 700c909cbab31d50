// SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
// SPDX-License-Identifier: Apache-2.0
// Reader: streams the ternary pages of this core's columns from DRAM. The buffer holds all of them, so that the reader
// never waits: it fills the buffer while other kernels still quantise the rows.
//
// | buffer  | what it holds                            | pushed by   | waited for by  | popped by      |
// |---------|------------------------------------------|-------------|----------------|----------------|
// | WEIGHTS | all ternary tiles of this core's columns | this kernel | decode_product | decode_product |
//
// Semaphores: none.
#include "api/dataflow/dataflow_api.h"
#include "buffers.h"

constexpr uint32_t page_tiles = get_named_compile_time_arg_val("page_tiles");
constexpr uint32_t page_bytes = get_named_compile_time_arg_val("page_bytes");
constexpr uint32_t pages_at_once = get_named_compile_time_arg_val("pages_at_once");  // reads in flight
constexpr auto weights_layout = TensorAccessorArgs<0>();

enum PageArguments : uint32_t { FIRST_PAGE, PAGES };
enum WeightsAddresses : uint32_t { WEIGHTS_AT };

void kernel_main() {
    const auto weights = TensorAccessor(weights_layout, get_common_arg_val<uint32_t>(WEIGHTS_AT));
    const uint32_t first = get_arg_val<uint32_t>(FIRST_PAGE), pages = get_arg_val<uint32_t>(PAGES);
    for (uint32_t page = first; page < first + pages; page += pages_at_once) {
        cb_reserve_back(buffers::WEIGHTS, page_tiles * pages_at_once);
        const uint32_t to = get_write_ptr(buffers::WEIGHTS);
        for (uint32_t i = 0; i < pages_at_once; i++) {
            noc_async_read_page(page + i, weights, to + i * page_bytes);
        }
        noc_async_read_barrier();
        cb_push_back(buffers::WEIGHTS, page_tiles * pages_at_once);
    }
}
