// SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
// SPDX-License-Identifier: Apache-2.0
// Writer: lets the cores of a team exchange what they measured in a row of tiles, and writes codes and steps out.
// Nobody overwrites what another still needs: who sends measurements of a row has made the codes of the one before, and
// the leader sends a row's scales when it has those measurements of all.
#include "measurements.h"
#include "core_assignment.h"

constexpr uint32_t inner = get_named_compile_time_arg_val("inner");         // tiles of K
constexpr uint32_t cores = get_named_compile_time_arg_val("cores");         // of a team's rectangle
constexpr uint32_t parts_in_all = get_named_compile_time_arg_val("parts");  // of these, cores that have a part
constexpr uint32_t gathered = get_named_compile_time_arg_val("gathered");   // tiles that hold a row of each part
constexpr auto codes_layout = TensorAccessorArgs<0>();
constexpr auto steps_layout = TensorAccessorArgs<codes_layout.next_compile_time_args_offset()>();

constexpr uint32_t FLOAT_TILE = 4096;

void write_codes(uint32_t page, uint32_t count) {
    const auto codes = TensorAccessor(codes_layout, get_common_arg_val<uint32_t>(0));
    constexpr uint32_t tile_bytes = get_tile_size(buffers::CODES);
    cb_wait_front(buffers::CODES, count);
    uint32_t from = get_read_ptr(buffers::CODES);
    for (uint32_t k = 0; k < count; k++, from += tile_bytes) {
        noc_async_write_page(page + k, codes, from);
    }
    noc_async_writes_flushed();
    cb_pop_front(buffers::CODES, count);
}

// The leader's, for row of tiles `row`, its `count`th.
void lead(const Team& team, uint32_t row, uint32_t count, uint32_t measured, uint32_t scales_sent) {
    const auto steps = TensorAccessor(steps_layout, get_common_arg_val<uint32_t>(1));
    cb_reserve_back(buffers::GATHERED, 2 * gathered);
    noc_semaphore_wait_min(words(measured), count * parts_in_all);
    cb_push_back(buffers::GATHERED, 2 * gathered);
    cb_wait_front(buffers::FACTORS, 2);
    const uint32_t from = get_read_ptr(buffers::FACTORS);
    team.send_to_all(from, get_write_ptr(buffers::SCALES), 2 * FLOAT_TILE);
    noc_async_write_page(row, steps, from + FLOAT_TILE);
    team.signal_all(scales_sent, count);
    cb_pop_front(buffers::FACTORS, 2);
}

void kernel_main() {
    const uint32_t number = get_arg_val<uint32_t>(codes_share::NUMBER);
    const uint32_t first = get_arg_val<uint32_t>(codes_share::FIRST_PART);
    const uint32_t parts = get_arg_val<uint32_t>(codes_share::PARTS);
    const uint32_t first_row = get_arg_val<uint32_t>(codes_share::FIRST_ROW);
    const uint32_t rows = get_arg_val<uint32_t>(codes_share::ROWS);
    const Team team{
        get_arg_val<uint32_t>(codes_share::LEFT),
        get_arg_val<uint32_t>(codes_share::TOP),
        get_arg_val<uint32_t>(codes_share::RIGHT),
        get_arg_val<uint32_t>(codes_share::BOTTOM),
        cores};
    // the leader counts measurements that arrived; the other has the number of rows whose scales were sent
    const uint32_t measured = get_semaphore(0), scales_sent = get_semaphore(1);
    if (!parts) {
        return;
    }
    measurements::clear_unused_rows(parts_in_all, gathered);
    for (uint32_t count = 1; count <= rows; count++) {
        const uint32_t row = first_row + count - 1;
        cb_reserve_back(buffers::SCALES, 2);
        measurements::send(team, number, gathered);
        team.tell_leader(measured);
        if (number == 0) {
            lead(team, row, count, measured, scales_sent);
        }
        noc_semaphore_wait_min(words(scales_sent), count);
        cb_push_back(buffers::SCALES, 2);
        write_codes(row * inner + first, parts);
    }
    noc_async_write_barrier();
}
