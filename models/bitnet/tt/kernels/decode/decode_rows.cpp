// SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
// SPDX-License-Identifier: Apache-2.0
// Writer: brings this core's part of the rows in, lets the cores exchange what they measured and their codes, and
// writes the results out. The exchange, with one leader among the cores:
//     every core          leaves the measurements of its part with the leader, and tells it so
//     the leader          joins them, multicasts the scales
//     a core with a part  makes its codes, multicasts them, and tells the leader
//     the leader          tells all that the codes are complete
#include "measurements.h"

constexpr uint32_t inner = get_named_compile_time_arg_val("inner");         // tiles of K
constexpr uint32_t parts_in_all = get_named_compile_time_arg_val("parts");  // cores that have a part of them
constexpr uint32_t cores = get_named_compile_time_arg_val("cores");         // of the rectangle, all of which run this
constexpr uint32_t gathered = get_named_compile_time_arg_val("gathered");   // tiles that hold a row of each part
constexpr uint32_t code_bytes = get_named_compile_time_arg_val("code_bytes");  // of a tile of codes: rows in use only
constexpr uint32_t left = get_named_compile_time_arg_val("left"), top = get_named_compile_time_arg_val("top");
constexpr uint32_t right = get_named_compile_time_arg_val("right"), bottom = get_named_compile_time_arg_val("bottom");
constexpr uint32_t users = get_named_compile_time_arg_val("users");

constexpr auto rows_layout = TensorAccessorArgs<0>();
constexpr auto gamma_layout = TensorAccessorArgs<rows_layout.next_compile_time_args_offset()>();
constexpr auto residual_layout = TensorAccessorArgs<gamma_layout.next_compile_time_args_offset()>();
constexpr auto result_layout = TensorAccessorArgs<residual_layout.next_compile_time_args_offset()>();

enum Address : uint32_t { ROWS_AT, GAMMA_AT, RESIDUAL_AT, RESULT_AT };

constexpr uint32_t FLOAT_TILE = 4096, CODE_TILE = 2048, CODE_FACE = 512;
constexpr Team team{left, top, right, bottom, cores};

void wait_for(uint32_t semaphore, uint32_t count) {
    noc_semaphore_wait(words(semaphore), count);
    noc_semaphore_set(words(semaphore), 0);
}

#ifdef JOIN_HEADS
// Row u of tile k lies in the tiles of user u, in the row of its head.
void read_rows(uint32_t first, uint32_t count) {
    constexpr uint32_t head_tiles = get_named_compile_time_arg_val("head_tiles");
    constexpr uint32_t FACE = 512, HALF_ROW = 32;  // of bfloat16
    const auto heads = TensorAccessor(rows_layout, get_common_arg_val<uint32_t>(ROWS_AT));
    uint32_t to = get_write_ptr(buffers::ROWS);
    for (uint32_t k = first; k < first + count; k++, to += 4 * FACE) {
        const uint32_t head = k / head_tiles, page = k % head_tiles;
        const uint32_t in_page = (head / 16) * 2 * FACE + (head % 16) * HALF_ROW;
        for (uint32_t user = 0; user < users; user++) {
            const uint64_t from = get_noc_addr(user * head_tiles + page, heads, in_page);
            const uint32_t row = to + (user / 16) * 2 * FACE + (user % 16) * HALF_ROW;
            noc_async_read(from, row, HALF_ROW);
            noc_async_read(from + FACE, row + FACE, HALF_ROW);
        }
    }
}
#else
void read_rows(uint32_t first, uint32_t count) {
    const auto rows = TensorAccessor(rows_layout, get_common_arg_val<uint32_t>(ROWS_AT));
    uint32_t to = get_write_ptr(buffers::ROWS);
    for (uint32_t k = first; k < first + count; k++, to += FLOAT_TILE) {
        noc_async_read_page(k, rows, to);
    }
}
#endif

void read_part(uint32_t first, uint32_t count) {
    cb_reserve_back(buffers::ROWS, count);
    cb_reserve_back(buffers::GAMMA, count);
    read_rows(first, count);
    measurements::read_gamma(TensorAccessor(gamma_layout, get_common_arg_val<uint32_t>(GAMMA_AT)), first, count);
    noc_async_read_barrier();
    cb_push_back(buffers::ROWS, count);
    cb_push_back(buffers::GAMMA, count);
}

void send_scales(uint32_t arrived) {
    cb_reserve_back(buffers::GATHERED, 2 * gathered);
    measurements::clear_unused_rows(parts_in_all, gathered);
    wait_for(arrived, cores);
    cb_push_back(buffers::GATHERED, 2 * gathered);
    cb_wait_front(buffers::FACTORS, 2);
    team.send_to_all(get_read_ptr(buffers::FACTORS), get_write_ptr(buffers::SCALES), 2 * FLOAT_TILE);
}

void send_codes(uint32_t first, uint32_t count) {
    cb_wait_front(buffers::CODES, count);
    uint32_t from = get_read_ptr(buffers::CODES), to = get_write_ptr(buffers::ALL_CODES) + first * code_bytes;
    // a tile of at most 8 rows has half of each of two faces, any other has whole faces
    constexpr uint32_t pieces = code_bytes < 2 * CODE_FACE ? 2 : 1, bytes = code_bytes / pieces;
    for (uint32_t k = 0; k < count; k++, from += CODE_TILE) {
        for (uint32_t i = 0; i < pieces; i++, to += bytes) {
            team.send_to_all(from + i * CODE_FACE, to, bytes);
        }
    }
}

void write_results(uint32_t first, uint32_t count) {
    constexpr uint32_t at_once = get_named_compile_time_arg_val("results_at_once");
    const auto result = TensorAccessor(result_layout, get_common_arg_val<uint32_t>(RESULT_AT));
    constexpr uint32_t result_bytes = get_tile_size(buffers::RESULT);
#ifdef EPILOGUE_RESIDUAL
    const auto residual = TensorAccessor(residual_layout, get_common_arg_val<uint32_t>(RESIDUAL_AT));
#endif
    for (uint32_t n = first; n < first + count; n += at_once) {
#ifdef EPILOGUE_RESIDUAL
        cb_reserve_back(buffers::RESIDUAL, at_once);
        for (uint32_t c = 0; c < at_once; c++) {
            noc_async_read_page(n + c, residual, get_write_ptr(buffers::RESIDUAL) + c * FLOAT_TILE);
        }
        noc_async_read_barrier();
        cb_push_back(buffers::RESIDUAL, at_once);
#endif
        cb_wait_front(buffers::RESULT, at_once);
        for (uint32_t c = 0; c < at_once; c++) {
            noc_async_write_page(n + c, result, get_read_ptr(buffers::RESULT) + c * result_bytes);
        }
        noc_async_write_barrier();
        cb_pop_front(buffers::RESULT, at_once);
    }
}

void kernel_main() {
    const uint32_t first_part = get_arg_val<uint32_t>(FIRST_PART), parts = get_arg_val<uint32_t>(PARTS);
    const bool leads = get_arg_val<uint32_t>(LEADS);
    // counted by the leader: cores that have measured, cores that have sent their codes; then flags for all
    const uint32_t measured = get_semaphore(0), quantised = get_semaphore(1);
    const uint32_t scales_sent = get_semaphore(2), codes_sent = get_semaphore(3);
    cb_reserve_back(buffers::SCALES, 2);
    cb_reserve_back(buffers::ALL_CODES, inner);
    if (parts) {
        read_part(first_part, parts);
        measurements::send(team, get_arg_val<uint32_t>(NUMBER), gathered);
    }
    team.tell_leader(measured);
    if (leads) {
        send_scales(measured);
        team.signal_all(scales_sent, 1);
    }
    wait_for(scales_sent, 1);
    cb_push_back(buffers::SCALES, 2);
    if (parts) {
        send_codes(first_part, parts);
        team.tell_leader(quantised);
    }
    if (leads) {
        wait_for(quantised, parts_in_all);
        team.signal_all(codes_sent, 1);
    }
    wait_for(codes_sent, 1);
    cb_push_back(buffers::ALL_CODES, inner);
    write_results(get_arg_val<uint32_t>(FIRST_COLUMN), get_arg_val<uint32_t>(COLUMNS));
}
