// SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
// SPDX-License-Identifier: Apache-2.0
// Data movement: what the cores of a team bring in and exchange when they quantise rows together; see quantise.h.
//
// A measurement is the peak, or the sum of squares, of one row over one core's part. There are two `kinds` of them
// before a norm, and the first kind alone where there is no norm. PARTIALS holds a tile of peaks and a tile of sums,
// and uses the first row of each: one value for each row of activations. GATHERED holds `gathered` tiles of peaks, then
// as many tiles of sums. Row p of these tiles has the measurements of part p.
//
// | buffer   | what it holds                  | pushed by                  | waited for by | popped by          |
// |----------|--------------------------------|----------------------------|---------------|--------------------|
// | GAMMA    | the norm's weights of the part | the caller of `read_gamma` | `measure`     | nobody             |
// | PARTIALS | this core's measurements       | `measure`                  | `send`        | `send`             |
// | GATHERED | the leader's: all measurements | the leader's writer        | `factors`     | the compute kernel |
//
// `send` writes into the leader's GATHERED. So that buffer must be exactly 2 * `gathered` tiles long: it then begins at
// the same address on all cores, in every round.
// Semaphores: none. The callers say when measurements have been sent.
#pragma once

#include "buffers.h"
#include "faces.h"
#include "team.h"

namespace measurements {

constexpr uint32_t TILE_BYTES = faces::tile_bytes(faces::FLOAT32);
constexpr uint32_t HALF_ROW_BYTES = faces::half_row_bytes(faces::FLOAT32);

constexpr uint32_t half_row(uint32_t row, uint32_t half) { return faces::half_row(row, half, faces::FLOAT32); }

// Reads the norm's weights of `count` tile columns to `to`. A page of the tensor has the 32 weights of a tile column.
template <typename Tensor>
void read_gamma(const Tensor& gamma, uint32_t first, uint32_t count, uint32_t to) {
    for (uint32_t k = first; k < first + count; k++, to += TILE_BYTES) {
        for (uint32_t half = 0; half < 2; half++) {
            noc_async_read(get_noc_addr(k, gamma, half * HALF_ROW_BYTES), to + half_row(0, half), HALF_ROW_BYTES);
        }
    }
}

// The kinds of measurements before a product with a norm, or without one.
constexpr uint32_t kinds_of(bool normed) { return normed ? 2 : 1; }

// Sends this core's measurements to the leader, as row `part` of GATHERED.
inline void send(const Team& team, uint32_t part, uint32_t gathered, uint32_t kinds) {
    cb_wait_front(buffers::PARTIALS, 2);
    uint32_t from = get_read_ptr(buffers::PARTIALS);
    uint32_t to = get_write_ptr(buffers::GATHERED) + part / faces::TILE * TILE_BYTES;
    for (uint32_t kind = 0; kind < kinds; kind++, from += TILE_BYTES, to += gathered * TILE_BYTES) {
        for (uint32_t half = 0; half < 2; half++) {
            const uint64_t row = team.at_leader(to + half_row(part % faces::TILE, half));
            noc_async_write(from + half_row(0, half), row, HALF_ROW_BYTES);
        }
    }
    noc_async_writes_flushed();
    cb_pop_front(buffers::PARTIALS, 2);
}

// Clears the rows of GATHERED that belong to no part: zeros change no sum and no peak. The caller has reserved them.
inline void clear_unused_rows(uint32_t parts, uint32_t gathered, uint32_t kinds) {
    for (uint32_t row = parts; row < gathered * faces::TILE; row++) {
        for (uint32_t kind = 0; kind < kinds; kind++) {
            const uint32_t tile = get_write_ptr(buffers::GATHERED) + (kind * gathered + row / faces::TILE) * TILE_BYTES;
            for (uint32_t half = 0; half < 2; half++) {
                const auto values = words(tile + half_row(row % faces::TILE, half));
                for (uint32_t i = 0; i < faces::SIDE; i++) {
                    values[i] = 0;
                }
            }
        }
    }
}

}  // namespace measurements
