// SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
// SPDX-License-Identifier: Apache-2.0
// Writer: exchanges the measurements of a token tile between the cores of a team, and writes codes and steps. A step is
// what one code of a row is worth.
//
// | buffer   | what it holds                     | pushed by           | waited for by | popped by     |
// |----------|-----------------------------------|---------------------|---------------|---------------|
// | PARTIALS | this core's measurements          | prefill_codes       | this kernel   | this kernel   |
// | GATHERED | the leader's: all measurements    | the leader's kernel | prefill_codes | prefill_codes |
// | FACTORS  | the leader's: what becomes SCALES | prefill_codes       | this kernel   | this kernel   |
// | SCALES   | the two factors of every row      | this kernel         | prefill_codes | prefill_codes |
// | CODES    | the part's codes of a token tile  | prefill_codes       | this kernel   | this kernel   |
//
// | semaphore   | meaning                            | set by                                | waited for by     |
// |-------------|------------------------------------|---------------------------------------|-------------------|
// | MEASURED    | measurements that have been sent   | every core with a part, on the leader | the leader        |
// | SCALES_SENT | token tiles whose SCALES were sent | the leader, on every core             | cores with a part |
//
// Other cores write into two buffers before this kernel pushes them: all cores with a part into the leader's GATHERED,
// the leader into everybody's SCALES. The semaphores say when.
//
// Both semaphores only rise. No core overwrites what another core still needs: a core sends the measurements of a token
// tile after it has made the codes of the one before. It can do so only after the leader has sent scales, and the
// leader sends scales after it has reserved GATHERED again. GATHERED is exactly one round long. The leader clears its
// unused rows in every round, while the other cores make codes.
#include "codes_arguments.h"
#include "measurements.h"

constexpr uint32_t inner = get_named_compile_time_arg_val("inner");        // tiles of K
constexpr uint32_t cores = get_named_compile_time_arg_val("cores");        // cores of a team
constexpr uint32_t parts = get_named_compile_time_arg_val("parts");        // cores of a team that have a part
constexpr uint32_t part = get_named_compile_time_arg_val("part");          // tiles of the largest part
constexpr uint32_t gathered = get_named_compile_time_arg_val("gathered");  // tiles of sums in GATHERED
constexpr uint32_t kinds = measurements::kinds_of(get_named_compile_time_arg_val("normed"));  // of measurements
constexpr auto codes_layout = TensorAccessorArgs<0>();
constexpr auto steps_layout = TensorAccessorArgs<codes_layout.next_compile_time_args_offset()>();

enum ExchangeAddresses : uint32_t { CODES_AT, STEPS_AT };
enum CodesSemaphores : uint32_t { MEASURED, SCALES_SENT };

constexpr uint32_t FLOAT_TILE = faces::tile_bytes(faces::FLOAT32);

void write_codes(uint32_t page, uint32_t count) {
    const auto codes = TensorAccessor(codes_layout, get_common_arg_val<uint32_t>(CODES_AT));
    constexpr uint32_t tile_bytes = get_tile_size(buffers::CODES);
    cb_wait_front(buffers::CODES, part);
    uint32_t from = get_read_ptr(buffers::CODES);
    for (uint32_t k = 0; k < count; k++, from += tile_bytes) {
        noc_async_write_page(page + k, codes, from);
    }
    noc_async_writes_flushed();
    cb_pop_front(buffers::CODES, part);
}

// The leader calls this for each token tile, which is the `count`th of its team. GATHERED is reserved for it, and
// afterwards for the next one.
void send_scales(
    const Team& team, uint32_t token_tile, uint32_t count, bool is_last, uint32_t measured, uint32_t scales_sent) {
    const auto steps = TensorAccessor(steps_layout, get_common_arg_val<uint32_t>(STEPS_AT));
    measurements::clear_unused_rows(parts, gathered, kinds);
    noc_semaphore_wait_min(words(measured), count * parts);
    cb_push_back(buffers::GATHERED, 2 * gathered);
    cb_wait_front(buffers::FACTORS, 2);
    if (!is_last) {
        cb_reserve_back(buffers::GATHERED, 2 * gathered);
    }
    const uint32_t from = get_read_ptr(buffers::FACTORS);
    team.send_to_all(from, get_write_ptr(buffers::SCALES), 2 * FLOAT_TILE);
    noc_async_write_page(token_tile, steps, from + FLOAT_TILE);
    team.signal_all(scales_sent, count);
    cb_pop_front(buffers::FACTORS, 2);
}

void kernel_main() {
    const uint32_t core = get_arg_val<uint32_t>(CORE);
    const uint32_t first = get_arg_val<uint32_t>(PART_FIRST), part_tiles = get_arg_val<uint32_t>(PART_TILES);
    const uint32_t first_token_tile = get_arg_val<uint32_t>(FIRST_TOKEN_TILE);
    const uint32_t token_tiles = get_arg_val<uint32_t>(TOKEN_TILES);
    const Team team{
        .left = get_arg_val<uint32_t>(LEFT),
        .top = get_arg_val<uint32_t>(TOP),
        .right = get_arg_val<uint32_t>(RIGHT),
        .bottom = get_arg_val<uint32_t>(BOTTOM),
        .cores = cores};
    const uint32_t measured = get_semaphore(MEASURED), scales_sent = get_semaphore(SCALES_SENT);
    if (!part_tiles) {
        return;
    }
    if (core == 0) {
        cb_reserve_back(buffers::GATHERED, 2 * gathered);
    }
    for (uint32_t count = 1; count <= token_tiles; count++) {
        const uint32_t token_tile = first_token_tile + count - 1;
        cb_reserve_back(buffers::SCALES, 2);
        measurements::send(team, core, gathered, kinds);
        team.tell_leader(measured);
        if (core == 0) {
            send_scales(team, token_tile, count, count == token_tiles, measured, scales_sent);
        }
        noc_semaphore_wait_min(words(scales_sent), count);
        cb_push_back(buffers::SCALES, 2);
        write_codes(token_tile * inner + first, part_tiles);
    }
    noc_async_write_barrier();
}
