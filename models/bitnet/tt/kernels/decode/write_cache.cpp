// SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
// SPDX-License-Identifier: Apache-2.0
// Writer: writes a key head or a value head of all users into the paged cache, each user's row to the user's position.
// A row's values (and its exponents in a block float) are bytes of their own in the cache's tiles. So the kernel reads
// no tile of the cache, and rows of several users may belong to one tile. It writes the users in their order: of users
// who have the same position in the same block, the last one stays. A user with a negative position is idle and is
// skipped.
//
// | buffer | what it holds                                   | pushed by   | waited for by | popped by |
// |--------|-------------------------------------------------|-------------|---------------|-----------|
// | CACHED | the head in the cache's format, users in rows   | rotate_head | this kernel   | nobody    |
// | PLACES | positions, pieces of page tables, and exponents | nobody      | nobody        | nobody    |
//
// Of every user's page table there is one piece. The exponents are those that the kernel sends to the cache.
// PLACES serves this kernel alone, as memory.
// Semaphores: none.
#include "faces.h"
#include "head_buffers.h"
#include "words.h"

constexpr uint32_t users = get_named_compile_time_arg_val("users");
constexpr uint32_t tiles = get_named_compile_time_arg_val("tiles");                      // tile columns of a head
constexpr uint32_t kv_heads = get_named_compile_time_arg_val("kv_heads");                // heads of the cache
constexpr uint32_t is_block_float = get_named_compile_time_arg_val("is_block_float");    // bfloat8_b, else bfloat16
constexpr uint32_t positions_bytes = get_named_compile_time_arg_val("positions_bytes");  // of PLACES
constexpr uint32_t piece_bytes = get_named_compile_time_arg_val("piece_bytes");          // of a page table

constexpr auto positions_layout = TensorAccessorArgs<0>();
constexpr auto table_layout = TensorAccessorArgs<positions_layout.next_compile_time_args_offset()>();
constexpr auto cache_layout = TensorAccessorArgs<table_layout.next_compile_time_args_offset()>();

enum CacheArguments : uint32_t {
    CACHE_HEAD,    // the number of this core's head in the cache
    HOLDS_VALUES,  // 0 for a key head, 1 for a value head
};
enum CacheAddresses : uint32_t {
    POSITIONS_AT,
    PAGE_TABLE_AT,
    KEYS_AT,
    VALUES_AT,
    TABLE_ROW_BYTES,  // from one user's page table to the next
    BLOCK_SIZE,       // positions of a block
};

constexpr uint32_t tile_bytes = get_tile_size(CACHED), EXPONENTS = 64;  // bytes of exponents at a tile's beginning
constexpr uint32_t STEP = 16;  // from the exponent of a half row to the next one in PLACES

uint32_t piece_of(uint32_t user) { return get_write_ptr(PLACES) + positions_bytes + user * piece_bytes; }

uint32_t exponents_of(uint32_t user) { return piece_of(users) + user * 2 * tiles * STEP; }

int32_t position_of(uint32_t user) { return words(get_write_ptr(PLACES))[user]; }

volatile tt_l1_ptr uint8_t* byte_at(uint32_t address) { return reinterpret_cast<volatile tt_l1_ptr uint8_t*>(address); }

// The offset in a page table of the number of a position's block.
uint32_t in_table(uint32_t position, uint32_t block_size) { return position / block_size * 4; }

// Reads the positions, and of each user's page table the piece with the number of the block.
void find_places(uint32_t block_size) {
    const auto positions = TensorAccessor(positions_layout, get_common_arg_val<uint32_t>(POSITIONS_AT));
    const uint32_t row_bytes = get_common_arg_val<uint32_t>(TABLE_ROW_BYTES);
    const auto table = TensorAccessor(table_layout, get_common_arg_val<uint32_t>(PAGE_TABLE_AT), row_bytes);
    noc_async_read(positions.get_noc_addr(0), get_write_ptr(PLACES), users * 4);
    noc_async_read_barrier();
    for (uint32_t user = 0; user < users; user++) {
        const int32_t position = position_of(user);
        if (position < 0) {
            continue;
        }
        const uint32_t first = in_table(position, block_size) / piece_bytes * piece_bytes, left = row_bytes - first;
        noc_async_read(table.get_noc_addr(user, first), piece_of(user), left < piece_bytes ? left : piece_bytes);
    }
    noc_async_read_barrier();
}

// Writes row `user` of a tile at `from` to row `row` of the cache's tile.
void write_row(uint32_t from, uint64_t tile, uint32_t user, uint32_t row, uint32_t exponents) {
    for (uint32_t half = 0; half < 2; half++) {
        if constexpr (is_block_float) {
            // A value has a byte, and a half row one byte more, its exponent.
            const uint32_t source = faces::half_row(user, half, 1), target = faces::half_row(row, half, 1);
            const uint32_t in_exponents = target / faces::SIDE;
            noc_async_write(from + EXPONENTS + source, tile + EXPONENTS + target, faces::SIDE);
            // A write must begin as far past a multiple of 16 bytes in L1 as in DRAM.
            const uint32_t exponent = exponents + half * STEP + in_exponents % STEP;
            *byte_at(exponent) = *byte_at(from + source / faces::SIDE);
            noc_async_write(exponent, tile + in_exponents, 1);
        } else {
            const uint32_t bytes = faces::half_row_bytes(faces::BFLOAT16);
            const uint32_t source = faces::half_row(user, half, faces::BFLOAT16);
            noc_async_write(from + source, tile + faces::half_row(row, half, faces::BFLOAT16), bytes);
        }
    }
}

void kernel_main() {
    const uint32_t head = get_arg_val<uint32_t>(CACHE_HEAD), holds_values = get_arg_val<uint32_t>(HOLDS_VALUES);
    const uint32_t cache_at = get_common_arg_val<uint32_t>(holds_values ? VALUES_AT : KEYS_AT);
    const uint32_t block_size = get_common_arg_val<uint32_t>(BLOCK_SIZE), block_tiles = block_size / faces::TILE;
    const auto cache = TensorAccessor(cache_layout, cache_at);
    find_places(block_size);
    cb_wait_front(CACHED, tiles);
    for (uint32_t user = 0; user < users; user++) {
        const int32_t position = position_of(user);
        if (position < 0) {
            continue;
        }
        const uint32_t block = *words(piece_of(user) + in_table(position, block_size) % piece_bytes);
        const uint32_t row = position % block_size;
        const uint32_t tile_row = (block * kv_heads + head) * block_tiles + row / faces::TILE;
        for (uint32_t c = 0; c < tiles; c++) {
            const uint32_t from = get_read_ptr(CACHED) + c * tile_bytes;
            const uint64_t tile = cache.get_noc_addr(tile_row * tiles + c);
            write_row(from, tile, user, row % faces::TILE, exponents_of(user) + 2 * c * STEP);
        }
    }
    noc_async_write_barrier();
}
