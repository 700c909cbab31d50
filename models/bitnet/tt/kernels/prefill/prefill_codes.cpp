// SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
// SPDX-License-Identifier: Apache-2.0
// Compute: norm (or none) and int8 codes of this core's part, one token tile after the other. See quantise.h. The
// reader is prefill_codes_rows, the writer is prefill_codes_exchange.
//
// | buffer   | what it holds                           | pushed by   | waited for by | popped by   |
// |----------|-----------------------------------------|-------------|---------------|-------------|
// | ROWS     | the part's tiles of a token tile, twice | the reader  | this kernel   | this kernel |
// | GAMMA    | the norm's weights of the part          | the reader  | this kernel   | nobody      |
// | PARTIALS | this core's measurements                | this kernel | the writer    | the writer  |
// | GATHERED | the leader's: all measurements          | the writer  | this kernel   | this kernel |
// | FACTORS  | the leader's: what becomes SCALES       | this kernel | the writer    | the writer  |
// | SCALES   | the two factors of every row            | the writer  | this kernel   | this kernel |
// | CODES    | the part's codes of a token tile        | this kernel | the writer    | the writer  |
//
// Semaphores: none. The writer waits for them.
#include "api/compute/compute_kernel_hw_startup.h"
#include "api/compute/copy_dest_values.h"
#include "api/compute/pack.h"
#include "codes_arguments.h"
#include "quantise.h"

constexpr uint32_t gathered = get_named_compile_time_arg_val("gathered");            // tiles of sums in GATHERED
constexpr uint32_t part = get_named_compile_time_arg_val("part");                    // tiles of the largest part
constexpr uint32_t inverse_width = get_named_compile_time_arg_val("inverse_width");  // 1 / K, float32 bits

constexpr bool normed = get_named_compile_time_arg_val("normed");

enum CodesComputeArguments : uint32_t { CONSTANT_BITS };  // of a float32; see `quantise::factors`

void kernel_main() {
    const uint32_t part_tiles = get_arg_val<uint32_t>(PART_TILES);
    if (!part_tiles) {
        return;
    }
    const uint32_t token_tiles = get_arg_val<uint32_t>(TOKEN_TILES);
    const bool leads = get_arg_val<uint32_t>(CORE) == 0;
    compute_kernel_hw_startup(buffers::ROWS, buffers::ROWS, buffers::PARTIALS);
    for (uint32_t i = 0; i < token_tiles; i++) {
        cb_wait_front(buffers::ROWS, part);
        quantise::measure(normed, buffers::ROWS, 0, part_tiles);
        if (leads) {
            quantise::factors(normed, gathered, inverse_width, get_common_arg_val<uint32_t>(CONSTANT_BITS));
            cb_pop_front(buffers::GATHERED, 2 * gathered);
        }
        quantise::codes(normed, buffers::ROWS, 0, part_tiles, part);
        cb_pop_front(buffers::ROWS, part);
        cb_pop_front(buffers::SCALES, 2);
    }
}
