// SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
// SPDX-License-Identifier: Apache-2.0
// Writer: the leader reads all rows and multicasts them to all cores. Each core writes its own tile columns of the
// results.
//
// | buffer | what it holds                                         | pushed by    | waited for by | popped by   |
// |--------|-------------------------------------------------------|--------------|---------------|-------------|
// | ROWS   | all rows, over all of K, in tiles of `tile_rows` rows | this kernel  | head_product  | nobody      |
// | RESULT | a group's columns of the results, twice               | head_product | this kernel   | this kernel |
//
// | semaphore | meaning              | set by                    | waited for by |
// |-----------|----------------------|---------------------------|---------------|
// | ROWS_SENT | 1: ROWS are complete | the leader, on every core | every core    |
//
// The leader writes into everybody's ROWS before this kernel pushes them. The semaphore says when.
#include "buffers.h"
#include "faces.h"
#include "team.h"

constexpr uint32_t inner = get_named_compile_time_arg_val("inner");              // tiles of K
constexpr uint32_t group = get_named_compile_time_arg_val("group");              // tile columns of a group
constexpr uint32_t tile_rows = get_named_compile_time_arg_val("tile_rows");      // rows of a tile of ROWS
constexpr uint32_t value_bytes = get_named_compile_time_arg_val("value_bytes");  // of rows and results
constexpr uint32_t left = get_named_compile_time_arg_val("left"), top = get_named_compile_time_arg_val("top");
constexpr uint32_t right = get_named_compile_time_arg_val("right"), bottom = get_named_compile_time_arg_val("bottom");
constexpr uint32_t cores = get_named_compile_time_arg_val("cores");
constexpr auto rows_layout = TensorAccessorArgs<0>();
constexpr auto result_layout = TensorAccessorArgs<rows_layout.next_compile_time_args_offset()>();

enum RowsArguments : uint32_t {
    FIRST_COLUMN,  // the first tile column of the results that this core computes
    COLUMNS,       // how many of them, 0 for a core that has none
    LEADS,         // 1 for the leader
};
enum RowsAddresses : uint32_t { ROWS_AT, RESULT_AT };
enum HeadSemaphores : uint32_t { ROWS_SENT };

constexpr uint32_t tile_bytes = faces::tile_bytes(value_bytes);  // of a tile of results
constexpr Team team{.left = left, .top = top, .right = right, .bottom = bottom, .cores = cores};

// The leader calls this.
void send_rows(uint32_t sent) {
    constexpr uint32_t pieces = faces::pieces(tile_rows), bytes = faces::piece_bytes(tile_rows, value_bytes);
    const auto rows = TensorAccessor(rows_layout, get_common_arg_val<uint32_t>(ROWS_AT));
    const uint32_t first = get_write_ptr(buffers::ROWS);
    uint32_t to = first;
    for (uint32_t k = 0; k < inner; k++) {
        for (uint32_t i = 0; i < pieces; i++, to += bytes) {
            noc_async_read(rows.get_noc_addr(k, i * faces::face_bytes(value_bytes)), to, bytes);
        }
    }
    noc_async_read_barrier();
    if constexpr (cores > 1) {
        noc_async_write_multicast(first, team.everywhere(first), to - first, cores - 1);
    }
    team.signal_all(sent, 1);
}

void kernel_main() {
    const auto result = TensorAccessor(result_layout, get_common_arg_val<uint32_t>(RESULT_AT));
    const uint32_t first = get_arg_val<uint32_t>(FIRST_COLUMN), columns = get_arg_val<uint32_t>(COLUMNS);
    const uint32_t sent = get_semaphore(ROWS_SENT);
    cb_reserve_back(buffers::ROWS, inner);
    if (get_arg_val<uint32_t>(LEADS)) {
        send_rows(sent);
    }
    noc_semaphore_wait(words(sent), 1);
    cb_push_back(buffers::ROWS, inner);
    for (uint32_t n = first; n < first + columns; n += group) {
        const uint32_t open = first + columns - n, count = open < group ? open : group;
        cb_wait_front(buffers::RESULT, group);
        uint32_t from = get_read_ptr(buffers::RESULT);
        for (uint32_t c = 0; c < count; c++, from += tile_bytes) {
            noc_async_write_page(n + c, result, from);
        }
        noc_async_write_barrier();
        cb_pop_front(buffers::RESULT, group);
    }
}
