// SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
// SPDX-License-Identifier: Apache-2.0
// Writer: writes a rotated query head to the users' queries. These have a tile of heads for every user: row `HEAD` of
// the tiles of user u is row u of this core's tiles.
//
// | buffer  | what it holds                     | pushed by   | waited for by | popped by |
// |---------|-----------------------------------|-------------|---------------|-----------|
// | QUERIES | the rotated head, users in rows   | rotate_head | this kernel   | nobody    |
//
// Semaphores: none.
#include "api/dataflow/dataflow_api.h"
#include "faces.h"
#include "head_buffers.h"

constexpr uint32_t users = get_named_compile_time_arg_val("users");
constexpr uint32_t tiles = get_named_compile_time_arg_val("tiles");  // tile columns of a head
constexpr auto queries_layout = TensorAccessorArgs<0>();

enum QueriesAddresses : uint32_t { QUERIES_AT };

constexpr uint32_t tile_bytes = faces::tile_bytes(faces::BFLOAT16), face_bytes = faces::face_bytes(faces::BFLOAT16);
constexpr uint32_t half_row_bytes = faces::half_row_bytes(faces::BFLOAT16);

void kernel_main() {
    const auto queries = TensorAccessor(queries_layout, get_common_arg_val<uint32_t>(QUERIES_AT));
    const uint32_t in_page = faces::half_row(get_arg_val<uint32_t>(HEAD), 0, faces::BFLOAT16);
    cb_wait_front(QUERIES, tiles);
    for (uint32_t user = 0; user < users; user++) {
        uint32_t from = get_read_ptr(QUERIES) + faces::half_row(user, 0, faces::BFLOAT16);
        for (uint32_t c = 0; c < tiles; c++, from += tile_bytes) {
            const uint64_t to = queries.get_noc_addr(user * tiles + c, in_page);
            noc_async_write(from, to, half_row_bytes);
            noc_async_write(from + face_bytes, to + face_bytes, half_row_bytes);
        }
    }
    noc_async_write_barrier();
}
