// SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
// SPDX-License-Identifier: Apache-2.0
// Compute: norm and int8 codes of rows of tiles, one after the other, of which this core has a part. See quantise.h.
#include "api/compute/compute_kernel_hw_startup.h"
#include "api/compute/copy_dest_values.h"
#include "api/compute/pack.h"
#include "core_assignment.h"
#include "quantise.h"

constexpr uint32_t gathered = get_named_compile_time_arg_val("gathered");
constexpr uint32_t inverse_width = get_named_compile_time_arg_val("inverse_width");

void kernel_main() {
    const uint32_t parts = get_arg_val<uint32_t>(codes_share::PARTS);
    if (!parts) {
        return;
    }
    const uint32_t rows = get_arg_val<uint32_t>(codes_share::ROWS);
    const bool leads = get_arg_val<uint32_t>(codes_share::NUMBER) == 0;
    const uint32_t eps = get_common_arg_val<uint32_t>(0);
    compute_kernel_hw_startup(buffers::ROWS, buffers::GAMMA, buffers::PARTIALS);
    for (uint32_t row = 0; row < rows; row++) {
        quantise::measure(parts);
        if (leads) {
            quantise::factors(gathered, inverse_width, eps);
            cb_pop_front(buffers::GATHERED, 2 * gathered);
        }
        quantise::codes(parts);
        cb_pop_front(buffers::ROWS, parts);
        cb_pop_front(buffers::SCALES, 2);
    }
}
