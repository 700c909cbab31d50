// SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
// SPDX-License-Identifier: Apache-2.0
// How the values of a tile lie in memory. A tile is four faces of 16 by 16 values: top left, top right, bottom left,
// bottom right. A face lies row by row. So a row of a tile is two half rows, which lie in neighbouring faces.
#pragma once

#include <cstdint>

namespace faces {

constexpr uint32_t SIDE = 16;  // rows of a face, and values of a half row
constexpr uint32_t TILE = 2 * SIDE;
constexpr uint32_t FLOAT32 = 4, BFLOAT16 = 2;  // bytes of a value

constexpr uint32_t half_row_bytes(uint32_t value_bytes) { return SIDE * value_bytes; }
constexpr uint32_t face_bytes(uint32_t value_bytes) { return SIDE * SIDE * value_bytes; }
constexpr uint32_t tile_bytes(uint32_t value_bytes) { return TILE * TILE * value_bytes; }

// The offset of the left (`half` 0) or right (`half` 1) half of a row from the beginning of its tile.
constexpr uint32_t half_row(uint32_t row, uint32_t half, uint32_t value_bytes) {
    return (row / SIDE * 2 + half) * face_bytes(value_bytes) + row % SIDE * half_row_bytes(value_bytes);
}

// The upper `rows` rows of a tile, 8, 16 or 32, are one or two pieces of memory. Fewer rows than a face has are the
// upper rows of two faces. More rows are whole faces, which lie side by side. A tile of fewer rows has the same pieces,
// one behind the other.
constexpr uint32_t pieces(uint32_t rows) { return rows < SIDE ? 2 : 1; }
constexpr uint32_t piece_bytes(uint32_t rows, uint32_t value_bytes) { return rows * TILE * value_bytes / pieces(rows); }

}  // namespace faces
