// SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
// SPDX-License-Identifier: Apache-2.0

// Tiles in memory and as 32 rows of 32 numbers.
//
// A tile is faces of 16 by 16: top left, top right, bottom left, bottom right. A tile of fewer than 16 rows has two faces
// of that many rows. Block floats begin with an exponent for each row of a face.
#pragma once

#include "machine.h"

namespace runner {

// Codes of the unpacker and packer, as in a buffer's description.
enum Format : uint32_t {
    FLOAT32 = 0, FLOAT16_B = 5, BLOCK_FLOAT_8 = 6, BLOCK_FLOAT_4 = 7, INT32 = 8, UINT16 = 9, BLOCK_FLOAT_2 = 15, UINT32 = 24, UINT8 = 30,
};

uint32_t tile_bytes(uint32_t format, uint32_t rows);

// Reads a tile into `values`; integers become their bits. `exponent`, if not negative, stands for all exponents of
// block floats, which then are not in memory. Bytes that nobody has written become NaN (`shadow` null: all were).
void unpack_tile(
    const uint8_t* data, const uint8_t* shadow, uint32_t format, uint32_t rows, int exponent, float* values);

// Values that lie side by side in memory, not of block floats.
void load_values(const uint8_t* data, uint32_t format, uint32_t count, float* values);
void store_values(const float* values, uint32_t format, uint32_t count, uint8_t* data);
bool is_block_float(uint32_t format);

// Writes a tile. Returns false for a format that the packer does not have here.
bool pack_tile(const float* values, uint32_t format, uint32_t rows, uint8_t* data);

}  // namespace runner
