// SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
// SPDX-License-Identifier: Apache-2.0
// Compute: turns the sums of a ternary product into results. EPILOGUE_SCALE rescales them. EPILOGUE_RESIDUAL then adds
// the residual stream. EPILOGUE_GATED rescales them, then makes relu(gate)^2 * up of the two halves of a group.
//
// | buffer   | what it holds                            | pushed by            | waited for by | popped by        |
// |----------|------------------------------------------|----------------------|---------------|------------------|
// | SCALES   | what one code of each row is worth       | the program's writer | the caller    | prefill's caller |
// | RESIDUAL | a group's columns of the residual stream | the program's writer | `finish`      | `finish`         |
#pragma once

#include "buffers.h"
#include "tiles.h"

// Turns the sums of `group` tile columns into results. The sums lie in destination tiles from `first` on, and so do the
// results. `scale` is the tile of SCALES that belongs to the rows. `scratch` is a free destination tile.
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
    // The first half of the group is columns of gate, the second half the same columns of up.
    for (uint32_t c = first; c < first + group / 2; c++) {
        relu_tile_init();
        relu_tile(c);
        tiles::square(c);
        tiles::multiply(c, group / 2 + c);
    }
#endif
}

// The number of result tiles that `finish` makes of a group.
constexpr uint32_t results_of(uint32_t group) {
#if defined(EPILOGUE_GATED)
    return group / 2;
#else
    return group;
#endif
}
