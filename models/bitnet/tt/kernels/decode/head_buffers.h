// SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
// SPDX-License-Identifier: Apache-2.0
// The circular buffers, and the runtime arguments of every core, of the program that rotates heads and updates the
// cache. `HeadBuffers` and `HeadArguments` in rotate_and_cache.py have the same order. Each kernel says at its top which
// buffers it touches, who fills them and who empties them.
#pragma once

#include <cstdint>

enum HeadBuffers : uint32_t {
    HEAD_ROWS,     // this core's head of all users, as the projection leaves it: users in rows
    COS,           // the cosines of all users
    SIN,           // the sines of all users
    PAIRS,         // the matrix that swaps neighbours
    NEIGHBOURS,    // HEAD_ROWS with swapped neighbours
    COS_PRODUCTS,  // HEAD_ROWS times COS
    SIN_PRODUCTS,  // NEIGHBOURS times SIN
    QUERIES,       // a rotated query head
    CACHED,        // a rotated key head or a value head, in the cache's format
    PLACES,        // memory of the cache's writer: where the rows of the users belong
};

enum HeadArguments : uint32_t {
    HEAD,     // the number of this core's head: query heads, then key heads, then value heads
    ROTATES,  // 1 for a query or key head, 0 for a value head
    RESULT,   // the buffer that compute packs to: QUERIES or CACHED
};
