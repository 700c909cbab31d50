// SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
// SPDX-License-Identifier: Apache-2.0
// Compute: rotates a query or key head of all users, x cos + neighbours(x) sin. The steps and their roundings are those
// of the library's rotary_embedding_llama: the matrix unit in HiFi4 with a destination register of 16 bits. A value
// head is not rotated. Keys and values are packed in the cache's format.
//
// | buffer       | what it holds                                          | pushed by   | waited for by | popped by |
// |--------------|--------------------------------------------------------|-------------|---------------|-----------|
// | HEAD_ROWS    | the head of all users                                  | read_head   | this kernel   | nobody    |
// | COS, SIN     | cosines and sines of all users                         | read_head   | this kernel   | nobody    |
// | PAIRS        | the matrix that swaps neighbours                       | read_head   | this kernel   | nobody    |
// | NEIGHBOURS   | HEAD_ROWS with swapped neighbours                      | this kernel | this kernel   | nobody    |
// | COS_PRODUCTS | HEAD_ROWS times COS                                    | this kernel | this kernel   | nobody    |
// | SIN_PRODUCTS | NEIGHBOURS times SIN                                   | this kernel | this kernel   | nobody    |
// | QUERIES      | a rotated query head                                   | this kernel | write_queries | nobody    |
// | CACHED       | a rotated key head, or a value head, as the cache's    | this kernel | write_cache   | nobody    |
//
// The program handles one tile of users. So what is never popped is used until the program ends.
// Semaphores: none.
#include "api/compute/compute_kernel_hw_startup.h"
#include "api/compute/eltwise_binary.h"
#include "api/compute/matmul.h"
#include "api/compute/pack.h"
#include "api/compute/tile_move_copy.h"
#include "head_buffers.h"

constexpr uint32_t tiles = get_named_compile_time_arg_val("tiles");  // tile columns of a head

// Packs the first `tiles` tiles of the destination register.
ALWI void pack(uint32_t buffer) {
    tile_regs_commit();
    cb_reserve_back(buffer, tiles);
    tile_regs_wait();
    for (uint32_t c = 0; c < tiles; c++) {
        pack_tile(c, buffer);
    }
    tile_regs_release();
    cb_push_back(buffer, tiles);
}

ALWI void swap_neighbours() {
    cb_wait_front(PAIRS, 1);
    matmul_init(HEAD_ROWS, PAIRS);
    tile_regs_acquire();
    for (uint32_t c = 0; c < tiles; c++) {
        matmul_tiles(HEAD_ROWS, PAIRS, c, 0, c);
    }
    pack(NEIGHBOURS);
}

ALWI void multiply(uint32_t rows, uint32_t factors, uint32_t products) {
    cb_wait_front(rows, tiles);
    cb_wait_front(factors, tiles);
    mul_init(rows, factors);
    tile_regs_acquire();
    for (uint32_t c = 0; c < tiles; c++) {
        mul_tiles(rows, factors, c, c, c);
    }
    pack(products);
}

ALWI void add_products() {
    cb_wait_front(COS_PRODUCTS, tiles);
    cb_wait_front(SIN_PRODUCTS, tiles);
    add_init(COS_PRODUCTS, SIN_PRODUCTS);
    tile_regs_acquire();
    for (uint32_t c = 0; c < tiles; c++) {
        add_tiles(COS_PRODUCTS, SIN_PRODUCTS, c, c, c);
    }
}

ALWI void copy() {
    copy_init(HEAD_ROWS);
    tile_regs_acquire();
    for (uint32_t c = 0; c < tiles; c++) {
        copy_tile(HEAD_ROWS, c, c);
    }
}

void kernel_main() {
    const uint32_t result = get_arg_val<uint32_t>(RESULT);
    compute_kernel_hw_startup<SrcOrder::Reverse>(HEAD_ROWS, PAIRS, NEIGHBOURS);
    cb_wait_front(HEAD_ROWS, tiles);
    if (get_arg_val<uint32_t>(ROTATES)) {
        swap_neighbours();
        multiply(HEAD_ROWS, COS, COS_PRODUCTS);
        multiply(NEIGHBOURS, SIN, SIN_PRODUCTS);
        add_products();
    } else {
        copy();
    }
    pack_reconfig_data_format(result);
    pack(result);
}
