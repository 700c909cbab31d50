// SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
// SPDX-License-Identifier: Apache-2.0
// Reader: streams the ternary pages of this core's columns from DRAM, stage after stage. If L1 has room, the buffer
// holds the pages of all stages, and the reader never waits. Otherwise it holds the pages that come next. Then all
// stages read as many tiles at once, and the buffer's size is a multiple of these, so that no read goes over its end.
// The reader reads a stage's pages while the cores still work on the stages before, and while they exchange
// measurements and codes.
//
// | buffer  | what it holds                                      | pushed by   | waited for by  | popped by      |
// |---------|----------------------------------------------------|-------------|----------------|----------------|
// | WEIGHTS | the ternary tiles of this core's columns, by stage | this kernel | decode_product | decode_product |
//
// Semaphores: none.
#include "api/dataflow/dataflow_api.h"
#include "buffers.h"
#include "stages.h"

constexpr auto page_tiles = of_stages("page_tiles"), page_bytes = of_stages("page_bytes");
constexpr auto pages_at_once = of_stages("pages_at_once");  // reads in flight
// The weights of all stages lie in DRAM in the same way, but for the size of a page.
constexpr auto weights_layout = TensorAccessorArgs<0>();

enum PageArguments : uint32_t { FIRST_PAGE, PAGES };  // of each stage
enum WeightsAddresses : uint32_t { WEIGHTS_AT };      // of each stage

void read_pages(uint32_t stage) {
    const uint32_t at = get_common_arg_val<uint32_t>(WEIGHTS_AT + stage);
    const auto weights = TensorAccessor(weights_layout, at, page_bytes[stage]);
    const uint32_t first = get_arg_val<uint32_t>(stage * (PAGES + 1) + FIRST_PAGE);
    const uint32_t end = first + get_arg_val<uint32_t>(stage * (PAGES + 1) + PAGES);
    for (uint32_t page = first; page < end; page += pages_at_once[stage]) {
        cb_reserve_back(buffers::WEIGHTS, page_tiles[stage] * pages_at_once[stage]);
        uint32_t to = get_write_ptr(buffers::WEIGHTS);
        for (uint32_t i = 0; i < pages_at_once[stage]; i++, to += page_bytes[stage]) {
            noc_async_read_page(page + i, weights, to);
        }
        noc_async_read_barrier();
        cb_push_back(buffers::WEIGHTS, page_tiles[stage] * pages_at_once[stage]);
    }
}

void kernel_main() {
    for (uint32_t stage = 0; stage < stages; stage++) {
        read_pages(stage);
    }
}
