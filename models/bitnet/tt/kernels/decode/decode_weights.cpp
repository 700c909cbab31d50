// SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
// SPDX-License-Identifier: Apache-2.0
// Reader: the ternary columns of this core, from DRAM. It waits for nobody: the buffer holds all of them, and is filled
// while rows are still being quantised.
#include "api/dataflow/dataflow_api.h"
#include "buffers.h"

constexpr uint32_t page_tiles = get_named_compile_time_arg_val("page_tiles");
constexpr uint32_t page_bytes = page_tiles * 256;
constexpr uint32_t pages_at_once =
    get_named_compile_time_arg_val("pages_at_once");  // in flight before any is waited for
constexpr auto weights_layout = TensorAccessorArgs<0>();

void kernel_main() {
    const auto weights = TensorAccessor(weights_layout, get_common_arg_val<uint32_t>(0));
    const uint32_t first = get_arg_val<uint32_t>(0), pages = get_arg_val<uint32_t>(1);
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
