// SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
// SPDX-License-Identifier: Apache-2.0
// Compute: turns the sums of a ternary product into results, in the destination register. All epilogues rescale the
// sums. RESIDUAL then adds tiles of the residual stream. RELU2_GATED makes relu(gate)^2 * up of the two halves of a
// group, SILU_GATED makes silu(gate) * up.
//
// | buffer                       | what it holds                        | pushed by      | waited for by | popped by  |
// |------------------------------|--------------------------------------|----------------|---------------|------------|
// | SCALES                       | what one code of each row is worth   | data movement  | the caller    | the caller |
// | the buffer of `add_residual` | columns of the residual stream       | the program    | the caller    | the caller |
//
// Semaphores: none.
#pragma once

#include "buffers.h"
#include "tiles.h"

namespace epilogue {

// `Epilogue` in epilogue.py has the same order.
enum Epilogue : uint32_t { SCALE, RESIDUAL, RELU2_GATED, SILU_GATED };

constexpr bool is_gated(uint32_t which) { return which == RELU2_GATED || which == SILU_GATED; }

// Rescales the sums of `group` tile columns, which lie in destination tiles from `first` on. `scale` is the tile of
// SCALES that belongs to the rows. `scratch` is a free destination tile.
ALWI void rescale(uint32_t group, uint32_t first, uint32_t scale, uint32_t scratch) {
    tiles::load(buffers::SCALES, scale, scratch);
    for (uint32_t c = 0; c < group; c++) {
        tiles::multiply_rows(first + c, scratch);
    }
}

// Adds tiles of a buffer, from `tile` on.
ALWI void add_residual(uint32_t group, uint32_t first, uint32_t buffer, uint32_t tile, uint32_t scratch) {
    for (uint32_t c = 0; c < group; c++) {
        tiles::load(buffer, tile + c, scratch);
        tiles::add(first + c, scratch);
    }
}

// The first half of the group is columns of gate, the second half the same columns of up. The results take the place of
// the first half. `by_silu` chooses the gate's function.
template <bool by_silu>
ALWI void gate(uint32_t group, uint32_t first) {
    for (uint32_t c = first; c < first + group / 2; c++) {
        if constexpr (by_silu) {
            tiles::silu(c);
        } else {
            tiles::squared_relu(c);
        }
        tiles::multiply(c, group / 2 + c);
    }
}

// The number of result tiles that a group becomes.
constexpr uint32_t results_of(uint32_t which, uint32_t group) { return is_gated(which) ? group / 2 : group; }

}  // namespace epilogue
