// SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
// SPDX-License-Identifier: Apache-2.0
// Writer: reads this core's part of the rows, exchanges measurements and codes with the other cores, and writes the
// results.
//
// | buffer    | what it holds                            | pushed by           | waited for by  | popped by      |
// |-----------|------------------------------------------|---------------------|----------------|----------------|
// | ROWS      | the part's tiles of the rows             | this kernel         | decode_product | nobody         |
// | GAMMA     | the norm's weights of the part           | this kernel         | decode_product | nobody         |
// | PARTIALS  | this core's measurements                 | decode_product      | this kernel    | this kernel    |
// | GATHERED  | the leader's: all measurements           | the leader's kernel | decode_product | nobody         |
// | FACTORS   | the leader's: what becomes SCALES        | decode_product      | this kernel    | nobody         |
// | SCALES    | the two factors of every row             | this kernel         | decode_product | nobody         |
// | CODES     | the part's codes                         | decode_product      | this kernel    | nobody         |
// | ALL_CODES | the codes of whole rows                  | this kernel         | decode_product | nobody         |
// | RESIDUAL  | a group's columns of the residual stream | this kernel         | decode_product | decode_product |
// | RESULT    | a group's columns of the results, twice  | decode_product      | this kernel    | this kernel    |
//
// | semaphore   | meaning                           | set by                                | waited for by |
// |-------------|-----------------------------------|---------------------------------------|---------------|
// | MEASURED    | cores that have sent measurements | every core, on the leader             | the leader    |
// | SCALES_SENT | 1: SCALES are complete            | the leader, on every core             | every core    |
// | QUANTISED   | cores that have sent codes        | every core with a part, on the leader | the leader    |
// | CODES_SENT  | 1: ALL_CODES are complete         | the leader, on every core             | every core    |
//
// Other cores write into three buffers before this kernel pushes them: all cores with a part into the leader's GATHERED
// and into everybody's ALL_CODES, the leader into everybody's SCALES. The semaphores say when.
#include "core_arguments.h"
#include "measurements.h"

constexpr uint32_t inner = get_named_compile_time_arg_val("inner");          // tiles of K
constexpr uint32_t parts = get_named_compile_time_arg_val("parts");          // cores that have a part of them
constexpr uint32_t cores = get_named_compile_time_arg_val("cores");          // cores of the team, all of which run this
constexpr uint32_t gathered = get_named_compile_time_arg_val("gathered");    // tiles of sums in GATHERED
constexpr uint32_t code_rows = get_named_compile_time_arg_val("code_rows");  // rows of a tile of ALL_CODES
constexpr uint32_t left = get_named_compile_time_arg_val("left"), top = get_named_compile_time_arg_val("top");
constexpr uint32_t right = get_named_compile_time_arg_val("right"), bottom = get_named_compile_time_arg_val("bottom");
constexpr uint32_t users = get_named_compile_time_arg_val("users");

constexpr auto rows_layout = TensorAccessorArgs<0>();
constexpr auto gamma_layout = TensorAccessorArgs<rows_layout.next_compile_time_args_offset()>();
constexpr auto residual_layout = TensorAccessorArgs<gamma_layout.next_compile_time_args_offset()>();
constexpr auto result_layout = TensorAccessorArgs<residual_layout.next_compile_time_args_offset()>();

enum RowsAddresses : uint32_t { ROWS_AT, GAMMA_AT, RESIDUAL_AT, RESULT_AT };
enum Semaphores : uint32_t { MEASURED, QUANTISED, SCALES_SENT, CODES_SENT };

constexpr uint32_t FLOAT_TILE = faces::tile_bytes(faces::FLOAT32);
constexpr Team team{.left = left, .top = top, .right = right, .bottom = bottom, .cores = cores};

// Waits until a semaphore has this value, then sets it back to 0.
void wait_for(uint32_t semaphore, uint32_t count) {
    noc_semaphore_wait(words(semaphore), count);
    noc_semaphore_set(words(semaphore), 0);
}

#ifdef JOIN_HEADS
// The tensor has a tile of heads for every user. Tile column k of the joined rows is a tile column of one head: row u
// of it comes from the head's row in the tiles of user u.
void read_rows(uint32_t first, uint32_t count) {
    constexpr uint32_t head_tiles = get_named_compile_time_arg_val("head_tiles");
    constexpr uint32_t half_row_bytes = faces::half_row_bytes(faces::BFLOAT16);
    constexpr uint32_t face_bytes = faces::face_bytes(faces::BFLOAT16);
    const auto heads = TensorAccessor(rows_layout, get_common_arg_val<uint32_t>(ROWS_AT));
    uint32_t to = get_write_ptr(buffers::ROWS);
    for (uint32_t k = first; k < first + count; k++, to += faces::tile_bytes(faces::BFLOAT16)) {
        const uint32_t column = k % head_tiles, in_page = faces::half_row(k / head_tiles, 0, faces::BFLOAT16);
        for (uint32_t user = 0; user < users; user++) {
            const uint64_t from = get_noc_addr(user * head_tiles + column, heads, in_page);
            const uint32_t row = to + faces::half_row(user, 0, faces::BFLOAT16);
            noc_async_read(from, row, half_row_bytes);
            noc_async_read(from + face_bytes, row + face_bytes, half_row_bytes);
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

// The leader calls this: it joins the measurements of all cores and sends the factors.
void send_scales(uint32_t measured) {
    cb_reserve_back(buffers::GATHERED, 2 * gathered);
    measurements::clear_unused_rows(parts, gathered);
    wait_for(measured, cores);
    cb_push_back(buffers::GATHERED, 2 * gathered);
    cb_wait_front(buffers::FACTORS, 2);
    team.send_to_all(get_read_ptr(buffers::FACTORS), get_write_ptr(buffers::SCALES), 2 * FLOAT_TILE);
}

// Sends the part's codes to all cores. CODES has whole tiles, ALL_CODES tiles of `code_rows` rows.
void send_codes(uint32_t first, uint32_t count) {
    constexpr uint32_t tile_bytes = faces::tile_bytes(faces::BFLOAT16), face_bytes = faces::face_bytes(faces::BFLOAT16);
    constexpr uint32_t pieces = faces::pieces(code_rows), bytes = faces::piece_bytes(code_rows, faces::BFLOAT16);
    cb_wait_front(buffers::CODES, count);
    uint32_t from = get_read_ptr(buffers::CODES), to = get_write_ptr(buffers::ALL_CODES) + first * pieces * bytes;
    for (uint32_t k = 0; k < count; k++, from += tile_bytes) {
        for (uint32_t i = 0; i < pieces; i++, to += bytes) {
            team.send_to_all(from + i * face_bytes, to, bytes);
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
    const uint32_t first = get_arg_val<uint32_t>(PART_FIRST), part_tiles = get_arg_val<uint32_t>(PART_TILES);
    const bool leads = get_arg_val<uint32_t>(LEADS);
    const uint32_t measured = get_semaphore(MEASURED), quantised = get_semaphore(QUANTISED);
    const uint32_t scales_sent = get_semaphore(SCALES_SENT), codes_sent = get_semaphore(CODES_SENT);
    cb_reserve_back(buffers::SCALES, 2);
    cb_reserve_back(buffers::ALL_CODES, inner);
    if (part_tiles) {
        read_part(first, part_tiles);
        measurements::send(team, get_arg_val<uint32_t>(CORE), gathered);
    }
    team.tell_leader(measured);
    if (leads) {
        send_scales(measured);
        team.signal_all(scales_sent, 1);
    }
    wait_for(scales_sent, 1);
    cb_push_back(buffers::SCALES, 2);
    if (part_tiles) {
        send_codes(first, part_tiles);
        team.tell_leader(quantised);
    }
    if (leads) {
        wait_for(quantised, parts);
        team.signal_all(codes_sent, 1);
    }
    wait_for(codes_sent, 1);
    cb_push_back(buffers::ALL_CODES, inner);
    write_results(get_arg_val<uint32_t>(FIRST_COLUMN), get_arg_val<uint32_t>(COLUMNS));
}
