// SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
// SPDX-License-Identifier: Apache-2.0
// The circular buffers, and the runtime arguments of every core, of the program that rotates heads and updates the
// cache. rotate_and_cache.py numbers the buffers, and its `HeadArguments` have the same order. Each kernel says at its
// top which buffers it touches, who fills them and who empties them.
#pragma once

#include "api/compile_time_args.h"

// this core's head of all users, as the projection leaves it: users in rows
constexpr uint32_t HEAD_ROWS = get_named_compile_time_arg_val("HEAD_ROWS");
// the cosines and the sines of all users
constexpr uint32_t COS = get_named_compile_time_arg_val("COS"), SIN = get_named_compile_time_arg_val("SIN");
// the matrix that swaps neighbours
constexpr uint32_t PAIRS = get_named_compile_time_arg_val("PAIRS");
// HEAD_ROWS with swapped neighbours
constexpr uint32_t NEIGHBOURS = get_named_compile_time_arg_val("NEIGHBOURS");
// HEAD_ROWS times COS
constexpr uint32_t COS_PRODUCTS = get_named_compile_time_arg_val("COS_PRODUCTS");
// NEIGHBOURS times SIN
constexpr uint32_t SIN_PRODUCTS = get_named_compile_time_arg_val("SIN_PRODUCTS");
// a rotated query head
constexpr uint32_t QUERIES = get_named_compile_time_arg_val("QUERIES");
// a rotated key head or a value head, in the cache's format
constexpr uint32_t CACHED = get_named_compile_time_arg_val("CACHED");
// memory of the cache's writer: where the rows of the users belong
constexpr uint32_t PLACES = get_named_compile_time_arg_val("PLACES");

enum HeadArguments : uint32_t {
    HEAD,     // the number of this core's head: query heads, then key heads, then value heads
    ROTATES,  // 1 for a query or key head, 0 for a value head
    RESULT,   // the buffer that compute packs to: QUERIES or CACHED
};
