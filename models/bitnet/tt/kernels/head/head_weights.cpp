// SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
// SPDX-License-Identifier: Apache-2.0
// Reader: streams this core's tile columns of the head's matrix from one DRAM bank. In a bank, the tiles of a row of
// tiles lie one behind the other. So the tiles of a group of columns are one read, a run.
//
// | buffer  | what it holds                                      | pushed by   | waited for by | popped by    |
// |---------|----------------------------------------------------|-------------|---------------|--------------|
// | WEIGHTS | `runs` tiles of K of each column of a group, twice | this kernel | head_product  | head_product |
//
// Semaphores: none.
#include "api/dataflow/dataflow_api.h"
#include "buffers.h"

constexpr uint32_t inner = get_named_compile_time_arg_val("inner");  // tiles of K
constexpr uint32_t group = get_named_compile_time_arg_val("group");  // tile columns that are read together
constexpr uint32_t runs = get_named_compile_time_arg_val("runs");    // reads in flight
constexpr uint32_t bank_columns = get_named_compile_time_arg_val("bank_columns");  // tile columns of the bank
constexpr uint32_t tile_bytes = get_named_compile_time_arg_val("tile_bytes");

enum WeightsArguments : uint32_t { BANK, FIRST_COLUMN, COLUMNS };  // tile columns of this core, counted within the bank
enum WeightsAddresses : uint32_t { MATRIX_AT };

void kernel_main() {
    const uint32_t matrix = get_common_arg_val<uint32_t>(MATRIX_AT), bank = get_arg_val<uint32_t>(BANK);
    const uint32_t first = get_arg_val<uint32_t>(FIRST_COLUMN), columns = get_arg_val<uint32_t>(COLUMNS);
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
