// SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
// SPDX-License-Identifier: Apache-2.0
// What cores bring in and pass on when they quantise rows whose columns are shared out over a team (see quantise.h).
#pragma once

#include "buffers.h"
#include "team.h"

namespace measurements {

constexpr uint32_t FACE_ROW = 64;  // bytes of 16 float32
constexpr uint32_t FACE = 1024, TILE = 4096;

// The norm's weights of `count` tiles. A page has the 32 factors of a tile; its first row lies in two faces.
template <typename Tensor>
void read_gamma(const Tensor& gamma, uint32_t first, uint32_t count) {
    uint32_t to = get_write_ptr(buffers::GAMMA);
    for (uint32_t k = first; k < first + count; k++, to += TILE) {
        noc_async_read(get_noc_addr(k, gamma), to, FACE_ROW);
        noc_async_read(get_noc_addr(k, gamma, FACE_ROW), to + FACE, FACE_ROW);
    }
}

// Where row `part` of gathered tiles begins in a tile.
inline uint32_t row_of(uint32_t part) { return part % 32 / 16 * 2 * FACE + part % 16 * FACE_ROW; }

// The measurements of part `number` become row `number` of what the leader gathers, in `gathered` tiles of sums and as
// many of peaks.
inline void send(const Team& team, uint32_t number, uint32_t gathered) {
    cb_wait_front(buffers::PARTIALS, 2);
    uint32_t from = get_read_ptr(buffers::PARTIALS);
    uint32_t to = get_write_ptr(buffers::GATHERED) + number / 32 * TILE + row_of(number);
    for (uint32_t i = 0; i < 2; i++, from += TILE, to += gathered * TILE) {
        noc_async_write(from, team.at_leader(to), FACE_ROW);
        noc_async_write(from + FACE, team.at_leader(to + FACE), FACE_ROW);
    }
    noc_async_writes_flushed();
    cb_pop_front(buffers::PARTIALS, 2);
}

// Rows of the gathered tiles that belong to no part add nothing, and are no peak.
inline void clear_unused_rows(uint32_t parts, uint32_t gathered) {
    for (uint32_t row = parts; row < gathered * 32; row++) {
        for (uint32_t i = 0; i < 2; i++) {
            const uint32_t at = get_write_ptr(buffers::GATHERED) + (i * gathered + row / 32) * TILE + row_of(row);
            for (uint32_t word = 0; word < 16; word++) {
                words(at)[word] = words(at + FACE)[word] = 0;
            }
        }
    }
}

}  // namespace measurements
