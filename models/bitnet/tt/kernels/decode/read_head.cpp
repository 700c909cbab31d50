// SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
// SPDX-License-Identifier: Apache-2.0
// Reader: reads this core's head of all users. For a query or key head it also reads what the rotation needs. Rows that
// belong to no user are not read. They hold anything, and no result depends on them.
//
// | buffer    | what it holds                    | pushed by   | waited for by | popped by |
// |-----------|----------------------------------|-------------|---------------|-----------|
// | HEAD_ROWS | the head of all users            | this kernel | rotate_head   | nobody    |
// | COS, SIN  | cosines and sines of all users   | this kernel | rotate_head   | nobody    |
// | PAIRS     | the matrix that swaps neighbours | this kernel | rotate_head   | nobody    |
//
// Semaphores: none.
#include "head_buffers.h"
#include "rows_in_use.h"

constexpr uint32_t users = get_named_compile_time_arg_val("users");
constexpr uint32_t tiles = get_named_compile_time_arg_val("tiles");  // tile columns of a head

constexpr auto qkv_layout = TensorAccessorArgs<0>();
constexpr auto cos_layout = TensorAccessorArgs<qkv_layout.next_compile_time_args_offset()>();
constexpr auto sin_layout = TensorAccessorArgs<cos_layout.next_compile_time_args_offset()>();
constexpr auto pairs_layout = TensorAccessorArgs<sin_layout.next_compile_time_args_offset()>();

enum HeadAddresses : uint32_t { QKV_AT, COS_AT, SIN_AT, PAIRS_AT };

template <typename Tensor>
void read(const Tensor& tensor, uint32_t first, uint32_t buffer) {
    cb_reserve_back(buffer, tiles);
    read_rows_in_use<users, faces::BFLOAT16>(tensor, first, tiles, get_write_ptr(buffer));
}

void kernel_main() {
    const uint32_t head = get_arg_val<uint32_t>(HEAD);
    read(TensorAccessor(qkv_layout, get_common_arg_val<uint32_t>(QKV_AT)), head * tiles, HEAD_ROWS);
    if (!get_arg_val<uint32_t>(ROTATES)) {
        noc_async_read_barrier();
        cb_push_back(HEAD_ROWS, tiles);
        return;
    }
    // Each core has a copy of the matrix.
    const auto pairs = TensorAccessor(pairs_layout, get_common_arg_val<uint32_t>(PAIRS_AT));
    cb_reserve_back(PAIRS, 1);
    noc_async_read_page(head, pairs, get_write_ptr(PAIRS));
    noc_async_read_barrier();
    cb_push_back(HEAD_ROWS, tiles);
    cb_push_back(PAIRS, 1);
    read(TensorAccessor(cos_layout, get_common_arg_val<uint32_t>(COS_AT)), 0, COS);
    read(TensorAccessor(sin_layout, get_common_arg_val<uint32_t>(SIN_AT)), 0, SIN);
    noc_async_read_barrier();
    cb_push_back(COS, tiles);
    cb_push_back(SIN, tiles);
}
