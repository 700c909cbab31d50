// SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
// SPDX-License-Identifier: Apache-2.0
// What every core of prefill's product is told, and the semaphores of its two exchanges (see exchange.h).
// `ProductArguments` and `ProductSemaphores` in prefill_product.py have the same orders. A token tile is a row of
// tiles: 32 tokens. A group is the tile columns of the results that are multiplied together.
#pragma once

#include <cstdint>

enum ProductArguments : uint32_t {
    CORE_X,
    CORE_Y,            // where the core is in the grid
    FIRST_TOKEN_TILE,  // of this core
    TOKEN_TILES,       // how many of them
    FIRST_GROUP,       // of this core
    GROUPS,            // how many of them
    NOC_COORDINATES,   // x of all the grid's columns of cores, then y of all its rows of cores
};

enum ProductSemaphores : uint32_t { WEIGHTS_READY, WEIGHTS_ARRIVED, ROWS_READY, ROWS_ARRIVED };
