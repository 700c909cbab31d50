// SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
// SPDX-License-Identifier: Apache-2.0
// Writer: reads what enters the program, exchanges measurements and codes with the other cores in every stage, and
// writes the results that leave the program: those of the last stage, and of one before it if there is such a stage.
//
// | buffer    | what it holds                                          | pushed by   | waited for by | popped by   |
// |-----------|--------------------------------------------------------|-------------|---------------|-------------|
// | ROWS      | the first part's tiles of the rows that enter          | this kernel | compute       | nobody      |
// | GAMMA     | the norms' weights of the parts of all stages          | this kernel | compute       | nobody      |
// | RESIDUAL  | this core's columns of the residual stream that enters | this kernel | compute       | nobody      |
// | PARTIALS  | this core's measurements                               | compute     | this kernel   | this kernel |
// | GATHERED  | the leader's: all measurements                         | this kernel | compute       | compute     |
// | FACTORS   | the leader's: what becomes SCALES                      | compute     | this kernel   | this kernel |
// | SCALES    | the two factors of every row                           | this kernel | compute       | compute     |
// | CODES     | the part's codes                                       | compute     | this kernel   | this kernel |
// | ALL_CODES | the codes of whole rows                                | this kernel | compute       | compute     |
// | LEAVING   | this core's results of the stage `leaving_stage`       | compute     | this kernel   | this kernel |
// | RESULT    | a group's columns of the last stage's results, twice   | compute     | this kernel   | this kernel |
//
// `compute` is decode_product. The leader alone pushes GATHERED.
//
// | semaphore   | meaning                           | set by                                | waited for by |
// |-------------|-----------------------------------|---------------------------------------|---------------|
// | MEASURED    | cores that have sent measurements | every core, on the leader             | the leader    |
// | SCALES_SENT | 1: SCALES are complete            | the leader, on every core             | every core    |
// | QUANTISED   | cores that have sent codes        | every core with a part, on the leader | the leader    |
// | CODES_SENT  | 1: ALL_CODES are complete         | the leader, on every core             | every core    |
//
// Who waits for a semaphore sets it back to 0, for the next stage.
//
// Other cores write into three buffers before this kernel pushes them: all cores with a part into the leader's GATHERED
// and into everybody's ALL_CODES, the leader into everybody's SCALES. The semaphores say when. No core overwrites what
// another core still needs for the stage before:
// - Every core reserves SCALES and ALL_CODES again before it counts MEASURED up, whether it has a part or not. Then its
//   product is finished. The leader sends scales, and cores send codes, after all cores have counted.
// - The leader reserves GATHERED again before it sends scales. The next measurements follow later.
#include "measurements.h"
#include "stages.h"

constexpr auto parts = of_stages("parts");                                   // cores that have a part
constexpr uint32_t cores = get_named_compile_time_arg_val("cores");          // cores of the team, all of which run this
constexpr uint32_t gathered = get_named_compile_time_arg_val("gathered");    // tiles of sums in GATHERED
constexpr uint32_t code_rows = get_named_compile_time_arg_val("code_rows");  // rows of a tile of ALL_CODES
constexpr auto first_gamma = of_stages("first_gamma");                       // the first tile of a stage in GAMMA
constexpr uint32_t gamma_tiles = get_named_compile_time_arg_val("gamma_tiles");
constexpr uint32_t code_tiles = get_named_compile_time_arg_val("code_tiles");     // of CODES
constexpr uint32_t all_codes = get_named_compile_time_arg_val("all_code_tiles");  // of ALL_CODES
constexpr uint32_t all_codes_tile_bytes = get_named_compile_time_arg_val("all_codes_tile_bytes");
// The stage to which the residual stream is added that enters the program. `stages` if it is added to none.
constexpr uint32_t residual_stage = get_named_compile_time_arg_val("residual_stage");
// A stage before the last whose results leave the program too. `stages` if there is none.
constexpr uint32_t leaving_stage = get_named_compile_time_arg_val("leaving_stage");
constexpr uint32_t left = get_named_compile_time_arg_val("left"), top = get_named_compile_time_arg_val("top");
constexpr uint32_t right = get_named_compile_time_arg_val("right"), bottom = get_named_compile_time_arg_val("bottom");
constexpr uint32_t users = get_named_compile_time_arg_val("users");

constexpr auto rows_layout = TensorAccessorArgs<0>();
constexpr auto gamma_layout = TensorAccessorArgs<rows_layout.next_compile_time_args_offset()>();
constexpr auto residual_layout = TensorAccessorArgs<gamma_layout.next_compile_time_args_offset()>();
constexpr auto leaving_layout = TensorAccessorArgs<residual_layout.next_compile_time_args_offset()>();
constexpr auto result_layout = TensorAccessorArgs<leaving_layout.next_compile_time_args_offset()>();

enum RowsAddresses : uint32_t { ROWS_AT, RESIDUAL_AT, LEAVING_AT, RESULT_AT, GAMMA_AT };  // GAMMA_AT: of each stage
enum Semaphores : uint32_t { MEASURED, QUANTISED, SCALES_SENT, CODES_SENT };

constexpr uint32_t FLOAT_TILE = faces::tile_bytes(faces::FLOAT32);
constexpr Team team{.left = left, .top = top, .right = right, .bottom = bottom, .cores = cores};

uint32_t told(uint32_t stage, StageArguments which) { return get_arg_val<uint32_t>(argument(stage, which)); }

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

// A program without a norm has another tensor in the place of gamma. A template is not compiled for it.
template <bool any>
void read_norms() {
    if constexpr (any) {
        cb_reserve_back(buffers::GAMMA, gamma_tiles);
        for (uint32_t stage = 0; stage < stages; stage++) {
            if (is_normed(stage)) {
                const auto weights = TensorAccessor(gamma_layout, get_common_arg_val<uint32_t>(GAMMA_AT + stage));
                const uint32_t to = get_write_ptr(buffers::GAMMA) + first_gamma[stage] * FLOAT_TILE;
                measurements::read_gamma(weights, told(stage, PART_FIRST), told(stage, PART_TILES), to);
            }
        }
    }
}

void read_residual(uint32_t first, uint32_t count) {
    const auto residual = TensorAccessor(residual_layout, get_common_arg_val<uint32_t>(RESIDUAL_AT));
    uint32_t to = get_write_ptr(buffers::RESIDUAL);
    for (uint32_t n = first; n < first + count; n++, to += FLOAT_TILE) {
        noc_async_read_page(n, residual, to);
    }
}

// Reads all that enters the program, but for the weights of products.
void read_entering() {
    const uint32_t part_tiles = told(0, PART_TILES);
    cb_reserve_back(buffers::ROWS, part_tiles);
    read_rows(told(0, PART_FIRST), part_tiles);
    read_norms<normed.contains(1)>();
    if constexpr (residual_stage < stages) {
        const uint32_t columns = told(residual_stage, COLUMNS);
        cb_reserve_back(buffers::RESIDUAL, columns);
        read_residual(told(residual_stage, FIRST_COLUMN), columns);
    }
    noc_async_read_barrier();
    cb_push_back(buffers::ROWS, part_tiles);
    if constexpr (normed.contains(1)) {
        cb_push_back(buffers::GAMMA, gamma_tiles);
    }
    if constexpr (residual_stage < stages) {
        cb_push_back(buffers::RESIDUAL, told(residual_stage, COLUMNS));
    }
}

// The leader calls this: it joins the measurements of all cores and sends the factors. It has reserved GATHERED.
void send_scales(uint32_t stage, uint32_t measured) {
    measurements::clear_unused_rows(parts[stage], gathered, measurements::kinds_of(is_normed(stage)));
    wait_for(measured, cores);
    cb_push_back(buffers::GATHERED, 2 * gathered);
    cb_wait_front(buffers::FACTORS, 2);
    cb_reserve_back(buffers::GATHERED, 2 * gathered);  // for the next stage
    team.send_to_all(get_read_ptr(buffers::FACTORS), get_write_ptr(buffers::SCALES), 2 * FLOAT_TILE);
}

// Sends the part's codes to all cores. CODES has whole tiles, ALL_CODES tiles of `code_rows` rows. A tile of block
// floats has all rows, and is one piece. The pieces of other tiles are those of bfloat16.
void send_codes(uint32_t first, uint32_t count) {
    constexpr uint32_t tile_bytes = get_tile_size(buffers::CODES), face_bytes = faces::face_bytes(faces::BFLOAT16);
    constexpr uint32_t pieces = faces::pieces(code_rows), bytes = all_codes_tile_bytes / pieces;
    cb_wait_front(buffers::CODES, code_tiles);
    uint32_t from = get_read_ptr(buffers::CODES), to = get_write_ptr(buffers::ALL_CODES) + first * pieces * bytes;
    for (uint32_t k = 0; k < count; k++, from += tile_bytes) {
        for (uint32_t i = 0; i < pieces; i++, to += bytes) {
            team.send_to_all(from + i * face_bytes, to, bytes);
        }
    }
}

// Writes this core's results of a stage, which arrive in `buffer`, `at_once` of them at a time.
template <uint32_t buffer, typename Tensor>
void write_results(uint32_t stage, const Tensor& tensor, uint32_t at_once) {
    constexpr uint32_t tile_bytes = get_tile_size(buffer);
    const uint32_t first = told(stage, FIRST_COLUMN), end = first + told(stage, COLUMNS);
    for (uint32_t n = first; n < end; n += at_once) {
        cb_wait_front(buffer, at_once);
        for (uint32_t c = 0; c < at_once; c++) {
            noc_async_write_page(n + c, tensor, get_read_ptr(buffer) + c * tile_bytes);
        }
        noc_async_write_barrier();
        cb_pop_front(buffer, at_once);
    }
}

// Brings the codes of a stage's whole rows, and the factors of the rows, to every core.
void exchange(uint32_t stage) {
    const uint32_t part_tiles = told(stage, PART_TILES);
    const bool leads = get_arg_val<uint32_t>(LEADS);
    const uint32_t measured = get_semaphore(MEASURED), quantised = get_semaphore(QUANTISED);
    const uint32_t scales_sent = get_semaphore(SCALES_SENT), codes_sent = get_semaphore(CODES_SENT);
    cb_reserve_back(buffers::SCALES, 2);
    cb_reserve_back(buffers::ALL_CODES, all_codes);
    if (part_tiles) {
        measurements::send(team, get_arg_val<uint32_t>(CORE), gathered, measurements::kinds_of(is_normed(stage)));
    }
    team.tell_leader(measured);
    if (leads) {
        send_scales(stage, measured);
        team.signal_all(scales_sent, 1);
        cb_pop_front(buffers::FACTORS, 2);
    }
    wait_for(scales_sent, 1);
    cb_push_back(buffers::SCALES, 2);
    if (part_tiles) {
        send_codes(told(stage, PART_FIRST), part_tiles);
        team.tell_leader(quantised);
        cb_pop_front(buffers::CODES, code_tiles);
    }
    if (leads) {
        wait_for(quantised, parts[stage]);
        team.signal_all(codes_sent, 1);
    }
    wait_for(codes_sent, 1);
    cb_push_back(buffers::ALL_CODES, all_codes);
}

void kernel_main() {
    if (get_arg_val<uint32_t>(LEADS)) {
        cb_reserve_back(buffers::GATHERED, 2 * gathered);
    }
    read_entering();
    for (uint32_t stage = 0; stage < stages; stage++) {
        exchange(stage);
        if constexpr (leaving_stage < stages) {
            if (stage == leaving_stage) {
                const auto leaving = TensorAccessor(leaving_layout, get_common_arg_val<uint32_t>(LEAVING_AT));
                write_results<buffers::LEAVING>(stage, leaving, told(stage, COLUMNS));
            }
        }
    }
    const auto result = TensorAccessor(result_layout, get_common_arg_val<uint32_t>(RESULT_AT));
    constexpr uint32_t at_once = get_named_compile_time_arg_val("results_at_once");
    write_results<buffers::RESULT>(stages - 1, result, at_once);
}
