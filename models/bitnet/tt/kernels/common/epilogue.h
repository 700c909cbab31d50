// SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
// SPDX-License-Identifier: Apache-2.0
// What becomes of a product's sums, by EPILOGUE: SCALE, RESIDUAL or GATED.
#pragma once

#include "buffers.h"
#include "tiles.h"

// The sums of `group` columns, in destination tiles from `first` on, become results in the first of them: scaled by
// tile `scale` of SCALES, then as many tiles of RESIDUAL added, or half of them gated. `scratch`: a free destination
// tile.
ALWI void finish(uint32_t group, uint32_t first, uint32_t scale, uint32_t scratch) {
    tiles::load(buffers::SCALES, scale, scratch);
    for (uint32_t c = 0; c < group; c++) {
        tiles::multiply_rows(first + c, scratch);
    }
#if defined(EPILOGUE_RESIDUAL)
    cb_wait_front(buffers::RESIDUAL, group);
    for (uint32_t c = 0; c < group; c++) {
        tiles::load(buffers::RESIDUAL, c, scratch);
        tiles::add(first + c, scratch);
    }
    cb_pop_front(buffers::RESIDUAL, group);
#elif defined(EPILOGUE_GATED)
    // gate's columns come first, then as many of up: relu(gate)^2 * up
    for (uint32_t c = first; c < first + group / 2; c++) {
        relu_tile_init();
        relu_tile(c);
        tiles::square(c);
        tiles::multiply(c, group / 2 + c);
    }
#endif
}

// How many of a group's tiles are results.
constexpr uint32_t results_of(uint32_t group) {
#if defined(EPILOGUE_GATED)
    return group / 2;
#else
    return group;
#endif
}
