// SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
// SPDX-License-Identifier: Apache-2.0
// Reader: this core's columns of the head's matrix, all from one DRAM bank. Tiles of a row lie one behind the other
// there, so that those of a group of columns are one read.
#include "api/dataflow/dataflow_api.h"
#include "buffers.h"

constexpr uint32_t inner = get_named_compile_time_arg_val("inner");  // rows of tiles
constexpr uint32_t group = get_named_compile_time_arg_val("group");  // columns of tiles that are read together
constexpr uint32_t runs = get_named_compile_time_arg_val("runs");    // of a group, in flight before any is waited for
constexpr uint32_t bank_columns = get_named_compile_time_arg_val("bank_columns");  // in all, in the bank
constexpr uint32_t tile_bytes = get_named_compile_time_arg_val("tile_bytes");

void kernel_main() {
    const uint32_t matrix = get_common_arg_val<uint32_t>(0);
    const uint32_t bank = get_arg_val<uint32_t>(0), first = get_arg_val<uint32_t>(1),
                   columns = get_arg_val<uint32_t>(2);
    for (uint32_t n = first; n < first + columns; n += group) {
        const uint32_t left = first + columns - n, bytes = (left < group ? left : group) * tile_bytes;
        for (uint32_t k = 0; k < inner; k += runs) {
            cb_reserve_back(buffers::WEIGHTS, runs * group);
            uint32_t to = get_write_ptr(buffers::WEIGHTS);
            for (uint32_t i = 0; i < runs; i++, to += group * tile_bytes) {
                const uint32_t at = matrix + ((k + i) * bank_columns + n) * tile_bytes;
                noc_async_read(get_noc_addr_from_bank_id<true>(bank, at), to, bytes);
            }
            noc_async_read_barrier();
            cb_push_back(buffers::WEIGHTS, runs * group);
        }
    }
}
