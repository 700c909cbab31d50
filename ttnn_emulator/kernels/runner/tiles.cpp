// SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
// SPDX-License-Identifier: Apache-2.0

#include "tiles.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "formats.h"

namespace runner {

namespace {

struct Faces {
    uint32_t count, high;

    explicit Faces(uint32_t rows) : count((rows + SIDE - 1) / SIDE * 2), high(std::min(rows, SIDE)) {}
    uint32_t exponents() const { return (count * high + 15) / 16 * 16; }

    // Calls f(half row number, place of its first value in a 32 by 32 tile).
    template <typename Function>
    void for_each(Function f) const {
        for (uint32_t face = 0; face < count; face++)
            for (uint32_t row = 0; row < high; row++)
                f(face * high + row, (face / 2 * SIDE + row) * TILE + face % 2 * SIDE);
    }
};

uint32_t bits_of(uint32_t format) {
    switch (format) {
        case FLOAT16_B:
        case UINT16: return 16;
        case BLOCK_FLOAT_8:
        case UINT8: return 8;
        case BLOCK_FLOAT_4: return 4;
        case BLOCK_FLOAT_2: return 2;
        default: return 32;
    }
}

float poison() { return tensix::from_bfloat16(POISON); }

// 16 values of a block float, by a table of what the values of a byte are in units of the last bit.
void unpack_half_row(const uint8_t* data, uint32_t bits, int exponent, float* row) {
    struct Table {
        float values[256][4];
        explicit Table(int bits) {
            for (int byte = 0; byte < 256; byte++)
                for (int i = 0; i < 8 / bits; i++) {
                    const int code = byte >> bits * i & ((1 << bits) - 1), magnitude = code & ((1 << (bits - 1)) - 1);
                    values[byte][i] = code >> (bits - 1) ? -float(magnitude) : float(magnitude);
                }
        }
    };
    static const Table two(2), four(4), eight(8);
    const Table& table = bits == 2 ? two : bits == 4 ? four : eight;
    const float unit = std::ldexp(1.0f, exponent - 127 - (int(bits) - 2));
    const uint32_t in_byte = 8 / bits;
    for (uint32_t i = 0; i < SIDE; i++) row[i] = table.values[data[i / in_byte]][i % in_byte] * unit;
}

void poison_unwritten(const uint8_t* shadow, uint32_t bits, float* row) {
    for (uint32_t i = 0; i < SIDE; i++)
        for (uint32_t byte = i * bits / 8; byte <= (i * bits + bits - 1) / 8; byte++)
            if (!(shadow[byte] & WRITTEN)) row[i] = poison();
}

void pack_block_float(const float* row, uint32_t bits, uint8_t* exponent, uint8_t* data) {
    const int magnitude_bits = int(bits) - 1;
    uint16_t rounded[SIDE];
    tensix::block_float::pack_row(row, rounded, SIDE, magnitude_bits);
    int largest = 0;
    for (uint16_t value : rounded) largest = std::max(largest, value >> 7 & 255);
    *exponent = uint8_t(largest);
    const float unit = std::ldexp(1.0f, largest - 127 - (magnitude_bits - 1));
    memset(data, 0, SIDE * bits / 8);
    for (uint32_t i = 0; i < SIDE; i++) {
        const int magnitude = int(std::abs(tensix::from_bfloat16(rounded[i])) / unit);
        const int code = magnitude | (rounded[i] >> 15 << magnitude_bits);
        data[i * bits / 8] |= uint8_t(code << i * bits % 8);
    }
}

}  // namespace

bool is_block_float(uint32_t format) {
    return format == BLOCK_FLOAT_8 || format == BLOCK_FLOAT_4 || format == BLOCK_FLOAT_2;
}

void load_values(const uint8_t* data, uint32_t format, uint32_t count, float* values) {
    const uint32_t bits = bits_of(format);
    if (bits == 32) {
        memcpy(values, data, count * sizeof(float));
        return;
    }
    for (uint32_t i = 0; i < count; i++) {
        const uint32_t code = bits == 8 ? data[i] : uint32_t(data[2 * i] | data[2 * i + 1] << 8);
        values[i] = format == FLOAT16_B ? tensix::from_bfloat16(uint16_t(code)) : std::bit_cast<float>(code);
    }
}

void store_values(const float* values, uint32_t format, uint32_t count, uint8_t* data) {
    const uint32_t bits = bits_of(format);
    for (uint32_t i = 0; i < count; i++) {
        const uint32_t code = format == FLOAT16_B ? tensix::pack_bfloat16<tensix::Rounding::TIES_AWAY>(values[i])
                                                  : std::bit_cast<uint32_t>(values[i]);
        memcpy(data + i * bits / 8, &code, bits / 8);
    }
}

uint32_t tile_bytes(uint32_t format, uint32_t rows) {
    const Faces faces(rows);
    const uint32_t values = faces.count * faces.high * SIDE;
    return values * bits_of(format) / 8 + (is_block_float(format) ? faces.exponents() : 0);
}

void unpack_tile(
    const uint8_t* data, const uint8_t* shadow, uint32_t format, uint32_t rows, int exponent, float* values) {
    const Faces faces(rows);
    const uint32_t bits = bits_of(format), half_row = SIDE * bits / 8;
    const uint32_t first = is_block_float(format) && exponent < 0 ? faces.exponents() : 0;
    memset(values, 0, TILE_VALUES * sizeof(float));
    faces.for_each([&](uint32_t number, uint32_t place) {
        const uint8_t* from = data + first + number * half_row;
        float* row = values + place;
        if (is_block_float(format)) {
            unpack_half_row(from, bits, exponent < 0 ? data[number] : exponent, row);
        } else {
            load_values(from, format, SIDE, row);
        }
        if (shadow) poison_unwritten(shadow + (from - data), bits, row);
    });
}

bool pack_tile(const float* values, uint32_t format, uint32_t rows, uint8_t* data) {
    const Faces faces(rows);
    const uint32_t bits = bits_of(format), half_row = SIDE * bits / 8;
    if (format == BLOCK_FLOAT_2) return false;
    faces.for_each([&](uint32_t number, uint32_t place) {
        uint8_t* to = data + number * half_row;
        const float* row = values + place;
        if (is_block_float(format)) {
            pack_block_float(row, bits, data + number, to + faces.exponents());
        } else {
            store_values(row, format, SIDE, to);
        }
    });
    return true;
}

}  // namespace runner
