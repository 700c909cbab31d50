// SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
// SPDX-License-Identifier: Apache-2.0

// The compute engines of a core: the unpacker, the math units and the packer. Kernels run them from one fiber, or
// sanitized from three, as on the chip. The unpacker may be two operands ahead. The halves of the destination register
// (or the whole of it) go from math to the packer and back.

#include <algorithm>
#include <cmath>
#include <cstring>

#include "bits.h"
#include "circular_buffers.h"
#include "eltwise.h"
#include "fibers.h"
#include "memory.h"
#include "report.h"
#include "tiles.h"
#include "units.h"

using namespace runner;

namespace {

// Numbers of the unpacker's registers, as in include/internal/compute.h.
enum { FORMAT_A, OUTPUT_FORMAT_A, FORCES_EXPONENT, FORCED_EXPONENT };

Tensix& this_tensix() { return *machine.running->core->tensix; }

bool is_alone() { return machine.running->processor == Processor::COMPUTE; }

// A source has 19 bits of a float32.
float in_source(float value) { return std::bit_cast<float>(std::bit_cast<uint32_t>(value) & ~0x1fffu); }

void check_format(const char* unit, uint32_t number, const CircularBuffer& buffer, uint32_t format) {
    if (format != buffer.format)
        report("format", "buffer %u holds format %u, %s is configured for %u", number, buffer.format, unit, format);
}

// The rows of a tile of a row-major tensor that is `across` tiles wide.
struct Rows {
    uint32_t first, step, bytes;

    Rows(const CircularBuffer& buffer, uint32_t place, uint32_t tiles_before, uint32_t tile, uint32_t across) {
        if (is_block_float(buffer.format)) {
            report("format", "rows of format %u, a block float", buffer.format);
            give_up();
        }
        const uint32_t of_tile = tile_bytes(buffer.format, TILE);
        bytes = of_tile / TILE;
        step = across * bytes;
        first = buffer.page_address(place) + tiles_before * of_tile + tile * bytes;
    }
    uint32_t at(uint32_t row) const { return first + row * step; }
};

// The unpacker reads a tile of a buffer, for SrcA or SrcB.
void unpack(bool second, uint32_t number, uint32_t tile, float* values) {
    Core* core = machine.running->core;
    Tensix& engines = this_tensix();
    const CircularBuffer& buffer = buffer_of(number);
    const char* unit = second ? "SrcB" : "SrcA";
    const bool forces = !second && engines.unpacker[FORCES_EXPONENT];
    const uint32_t format = second ? engines.format_b : engines.unpacker[FORMAT_A];
    if (!forces) check_format(unit, number, buffer, format);
    const uint32_t address = buffer.page_address(buffer.read + tile);
    if (machine.sanitized) {
        const uint32_t waited = buffer.consumer == machine.running ? buffer.waited : 0;
        if (tile >= waited)
            report("read before wait", "tile %u of buffer %u is unpacked, %u were waited for", tile, number, waited);
        if (marks_of(core, address, buffer.page) & ARRIVING)
            report(
                "read still in flight", "tile %u of buffer %u is unpacked before a NoC read to it has arrived: no barrier",
                tile, number);
    }
    unpack_tile(
        core->l1 + address, machine.sanitized ? core->shadow + address : nullptr, forces ? format : buffer.format,
        buffer.rows, forces ? int(engines.unpacker[FORCED_EXPONENT]) : -1, values);
    if (buffer.format == FLOAT32 && (second || !buffer.straight_to_dest))
        for (uint32_t i = 0; i < TILE_VALUES; i++) values[i] = in_source(values[i]);
}

void send(Unpacked&& operands) {
    wait(Wait::SOURCES_FREE);
    this_tensix().sources.push_back(std::move(operands));
}

Unpacked take() {
    if (this_tensix().sources.empty() && is_alone()) {
        report("no operand", "the math unit takes an operand that was never unpacked");
        give_up();
    }
    wait(Wait::SOURCES);
    Unpacked operands = std::move(this_tensix().sources.front());
    this_tensix().sources.pop_front();
    return operands;
}

float* dest_of(uint64_t half, uint32_t tile) {
    Tensix& engines = this_tensix();
    const ComputeSettings& settings = engines.settings;
    if (tile >= settings.dest_tiles) {
        report("destination", "tile %u of a destination register of %u", tile, settings.dest_tiles);
        give_up();
    }
    return engines.dest.data() + (engines.half(half) * settings.dest_tiles + tile) * TILE_VALUES;
}

uint8_t& value_flag(uint64_t half, uint32_t tile) {
    Tensix& engines = this_tensix();
    return engines.has_value[engines.half(half) * engines.settings.dest_tiles + tile];
}

// A tile of the half that math works on, to be written.
float* dest(uint32_t tile) {
    Tensix& engines = this_tensix();
    if (!engines.acquired)
        report("destination", "tile %u is used between no tile_regs_acquire and tile_regs_commit", tile);
    float* values = dest_of(engines.committed, tile);
    value_flag(engines.committed, tile) = 1;
    return values;
}

// The same, to be read.
float* dest_with_value(uint32_t tile) {
    Tensix& engines = this_tensix();
    if (tile < engines.settings.dest_tiles && !value_flag(engines.committed, tile))
        report("destination", "tile %u is read, which holds no value", tile);
    return dest(tile);
}

// A tile of the half that the packer works on.
const float* to_be_packed(uint32_t tile) {
    Tensix& engines = this_tensix();
    if (!engines.waited) report("destination", "pack_tile without a tile_regs_wait");
    const float* values = dest_of(engines.released, tile);
    if (!value_flag(engines.released, tile)) report("destination", "tile %u is packed, which holds no value", tile);
    return values;
}

// What a value meets: itself, or that of its row's first column, of its column's first row, or the first of all.
uint32_t broadcast_from(int broadcast, uint32_t place) {
    switch (broadcast) {
        case EMU_COLUMN: return place / TILE * TILE;
        case EMU_ROW: return place % TILE;
        case EMU_SCALAR: return 0;
        default: return place;
    }
}

void spread(int broadcast, const float* from, float* to) {
    for (uint32_t i = 0; i < TILE_VALUES; i++) to[i] = from[broadcast_from(broadcast, i)];
}

void transpose(float* tile) {
    for (uint32_t i = 0; i < TILE; i++)
        for (uint32_t j = 0; j < i; j++) std::swap(tile[i * TILE + j], tile[j * TILE + i]);
}

}  // namespace

extern "C" {

void emu_not_emulated(const char* what, EMU_AT) {
    enter("a call", file, line);
    report("not emulated", "%s", what);
    give_up();
}

void emu_configure(int unit, uint32_t number, EMU_AT) {
    enter("a configuration of formats", file, line);
    const uint32_t format = buffer_of(number).format;
    if (unit == EMU_SOURCE_A) this_tensix().unpacker[FORMAT_A] = format;
    if (unit == EMU_SOURCE_B) this_tensix().format_b = format;
    if (unit == EMU_PACKER) this_tensix().format_out = format;
}

volatile uint32_t* emu_unpacker_registers() { return this_tensix().unpacker; }

void emu_unpack(uint32_t buffer, uint32_t tile, EMU_AT) {
    enter("an unpack", file, line);
    Unpacked operands;
    operands.a.resize(TILE_VALUES);
    unpack(false, buffer, tile, operands.a.data());
    send(std::move(operands));
}

void emu_unpack_two(uint32_t a, uint32_t b, uint32_t tile_a, uint32_t tile_b, EMU_AT) {
    enter("an unpack", file, line);
    Unpacked operands;
    operands.a.resize(TILE_VALUES);
    operands.b.resize(TILE_VALUES);
    unpack(false, a, tile_a, operands.a.data());
    unpack(true, b, tile_b, operands.b.data());
    send(std::move(operands));
}

// The first operand of a matrix product goes to SrcB.
void emu_unpack_block(
    uint32_t a, uint32_t b, uint32_t tile_a, uint32_t tile_b, uint32_t columns, uint32_t rows, uint32_t inner, EMU_AT) {
    enter("an unpack", file, line);
    Unpacked operands;
    operands.rows_a = buffer_of(a).rows;
    operands.a.resize(rows * TILE_VALUES);
    operands.b.resize(columns * TILE_VALUES);
    for (uint32_t r = 0; r < rows; r++) unpack(true, a, tile_a + r * inner, &operands.a[r * TILE_VALUES]);
    for (uint32_t c = 0; c < columns; c++) unpack(false, b, tile_b + c, &operands.b[c * TILE_VALUES]);
    send(std::move(operands));
}

void emu_unpack_rows(uint32_t number, uint32_t first, uint32_t tile, uint32_t across, EMU_AT) {
    enter("tilize_block", file, line);
    const CircularBuffer& buffer = buffer_of(number);
    check_format("SrcA", number, buffer, this_tensix().unpacker[FORMAT_A]);
    const Rows rows(buffer, buffer.read, first, tile, across);
    Unpacked operands;
    operands.a.resize(TILE_VALUES);
    for (uint32_t row = 0; row < TILE; row++) {
        check_access(rows.at(row), rows.bytes, Access::LOAD);
        load_values(machine.running->core->l1 + rows.at(row), buffer.format, TILE, &operands.a[row * TILE]);
    }
    send(std::move(operands));
}

void emu_pack_rows(uint32_t from, uint32_t number, uint32_t first, uint32_t tile, uint32_t across, EMU_AT) {
    enter("pack_untilize", file, line);
    Tensix& engines = this_tensix();
    CircularBuffer& buffer = buffer_of(number);
    const float* values = to_be_packed(from);
    check_format("the packer", number, buffer, engines.format_out);
    const Rows rows(buffer, buffer.write, first, tile, across);
    for (uint32_t row = 0; row < TILE; row++) {
        check_access(rows.at(row), rows.bytes, Access::STORE);
        store_values(values + row * TILE, buffer.format, TILE, machine.running->core->l1 + rows.at(row));
    }
}

uint32_t emu_tile_address(uint32_t number, uint32_t tile, EMU_AT) {
    enter("get_tile_address", file, line);
    const CircularBuffer& buffer = buffer_of(number);
    return buffer.page_address(buffer.read + tile);
}

void emu_tell(uint32_t number, EMU_AT) {
    enter("a message of the unpacker's thread", file, line);
    for (auto& numbers : this_tensix().told) numbers.push_back(number);
}

uint32_t emu_hear(EMU_AT) {
    enter("a message of the unpacker's thread", file, line);
    wait(Wait::TOLD);
    auto& numbers = this_tensix().told[machine.running->processor == Processor::PACK];
    const uint32_t number = numbers.front();
    numbers.pop_front();
    return number;
}

void emu_copy(uint32_t to, EMU_AT) {
    enter("copy_tile", file, line);
    const Unpacked operands = take();
    memcpy(dest(to), operands.a.data(), TILE_VALUES * sizeof(float));
}

void emu_reduce_scaled(int is_maximum, int over_rows, int over_columns, uint32_t to, EMU_AT) {
    enter("reduce_tile", file, line);
    const ComputeSettings& settings = this_tensix().settings;
    Unpacked operands = take();
    const bool has_sums = to < settings.dest_tiles && value_flag(this_tensix().committed, to);
    float *held = dest(to), *values = operands.a.data();
    if (!has_sums) memset(held, 0, TILE_VALUES * sizeof(float));
    const float scale = operands.b[0];
    const uint32_t rows = over_rows ? 1 : TILE, columns = over_columns ? 1 : TILE;  // of the result
    if (is_maximum) {
        for (uint32_t row = 0; row < rows; row++)
            for (uint32_t column = 0; column < columns; column++) {
                float largest = -INFINITY;
                for (uint32_t i = row; i < (over_rows ? TILE : row + 1); i++)
                    for (uint32_t j = column; j < (over_columns ? TILE : column + 1); j++)
                        largest = tensix::eltwise::maximum(largest, values[i * TILE + j]);
                float& result = held[row * TILE + column];
                result = has_sums ? tensix::eltwise::maximum(result, largest * scale) : largest * scale;
            }
        return;
    }
    // products with a row, or a column, of the number; over both, first with the column of ones
    float row_of[TILE_VALUES] = {}, column_of[TILE_VALUES] = {}, between[TILE_VALUES] = {};
    for (uint32_t i = 0; i < TILE; i++) row_of[i] = scale, column_of[i * TILE] = over_rows ? 1 : scale;
    if (over_columns && over_rows) {
        units::add_products(settings, values, column_of, between, TILE);
        values = between;
    }
    if (over_rows)
        units::add_products(settings, row_of, values, held, TILE);
    else
        units::add_products(settings, values, column_of, held, TILE);
}

void emu_accumulate(int adds, EMU_AT) {
    enter("an init of two tiles", file, line);
    this_tensix().accumulates = adds;
}

void emu_two(int operation, int broadcast, uint32_t to, EMU_AT) {
    enter("an operation on two tiles", file, line);
    const ComputeSettings& settings = this_tensix().settings;
    Unpacked operands = take();
    float second[TILE_VALUES], *result = operands.a.data();
    spread(broadcast, operands.b.data(), second);
    units::apply_matrix_unit(settings, operation, result, second);
    const bool adds = operation == EMU_MULTIPLY || this_tensix().accumulates;
    const bool has_sums = adds && to < settings.dest_tiles && value_flag(this_tensix().committed, to);
    float* held = dest(to);
    if (has_sums)
        units::accumulate(settings, held, result);
    else
        memcpy(held, result, sizeof second);
}

void emu_two_with_dest(int operation, int dest_is_first, uint32_t to, EMU_AT) {
    enter("an operation on two tiles", file, line);
    Unpacked operands = take();
    float held[TILE_VALUES];
    const float* values = dest_with_value(to);
    for (uint32_t i = 0; i < TILE_VALUES; i++) held[i] = in_source(values[i]);
    float *first = dest_is_first ? held : operands.a.data(), *second = dest_is_first ? operands.a.data() : held;
    units::apply_matrix_unit(this_tensix().settings, operation, first, second);
    memcpy(dest(to), first, sizeof held);
}

void emu_spread_in_dest(int broadcast, uint32_t tile, EMU_AT) {
    enter("unary_bcast", file, line);
    float result[TILE_VALUES], *values = dest_with_value(tile);
    spread(broadcast, values, result);
    memcpy(values, result, sizeof result);
}

void emu_where(uint32_t condition, uint32_t a, uint32_t b, uint32_t to, EMU_AT) {
    enter("where_tile", file, line);
    float result[TILE_VALUES];
    const float *conditions = dest_with_value(condition), *first = dest_with_value(a), *second = dest_with_value(b);
    for (uint32_t i = 0; i < TILE_VALUES; i++) result[i] = conditions[i] != 0 ? first[i] : second[i];
    memcpy(dest(to), result, sizeof result);
}

void emu_mask(uint32_t tile, uint32_t mask, EMU_AT) {
    enter("mask_tile", file, line);
    float* values = dest_with_value(tile);
    const float* masks = dest_with_value(mask);
    for (uint32_t i = 0; i < TILE_VALUES; i++)
        if (masks[i] == 0) values[i] = 0;
}

void emu_multiply_block(uint32_t to, int transposed, uint32_t columns, uint32_t rows, EMU_AT) {
    enter("matmul_block", file, line);
    Unpacked operands = take();
    for (uint32_t c = 0; c < columns; c++) {
        float* b = &operands.b[c * TILE_VALUES];
        if (transposed) transpose(b);
        for (uint32_t r = 0; r < rows; r++)
            units::add_products(
                this_tensix().settings, &operands.a[r * TILE_VALUES], b, dest(to + r * columns + c),
                std::min(operands.rows_a, TILE));
    }
}

void emu_acquire(EMU_AT) {
    enter("tile_regs_acquire", file, line);
    Tensix& engines = this_tensix();
    if (engines.acquired) report("destination", "tile_regs_acquire after a tile_regs_acquire without a tile_regs_commit");
    wait(Wait::DEST_FREE);
    engines.acquired = true;
}

void emu_commit(EMU_AT) {
    enter("tile_regs_commit", file, line);
    Tensix& engines = this_tensix();
    if (!engines.acquired) report("destination", "tile_regs_commit without a tile_regs_acquire");
    engines.acquired = false;
    engines.committed++;
}

void emu_wait_for_math(EMU_AT) {
    enter("tile_regs_wait", file, line);
    Tensix& engines = this_tensix();
    wait(Wait::DEST);
    engines.waited = true;
}

void emu_release(EMU_AT) {
    enter("tile_regs_release", file, line);
    Tensix& engines = this_tensix();
    if (!engines.waited) report("destination", "tile_regs_release without a tile_regs_wait");
    if (engines.released == engines.committed) {
        report("destination", "tile_regs_release of a register that math has not committed");
        give_up();
    }
    for (uint32_t tile = 0; tile < engines.settings.dest_tiles; tile++) {
        memset(dest_of(engines.released, tile), 0, TILE_VALUES * sizeof(float));
        value_flag(engines.released, tile) = 0;
    }
    engines.waited = false;
    engines.released++;
}

void emu_pack(uint32_t from, uint32_t number, int out_of_order, uint32_t page, EMU_AT) {
    enter("pack_tile", file, line);
    Core* core = machine.running->core;
    Tensix& engines = this_tensix();
    CircularBuffer& buffer = buffer_of(number);
    const float* values = to_be_packed(from);
    check_format("the packer", number, buffer, engines.format_out);
    const uint32_t place = out_of_order ? page : buffer.packed++, bytes = tile_bytes(buffer.format, buffer.rows);
    if (bytes > buffer.page) {
        report(
            "past the end of a buffer", "a tile of %u bytes is packed to buffer %u, whose pages have %u", bytes, number,
            buffer.page);
        give_up();
    }
    const uint32_t address = buffer.page_address(buffer.write + place);
    if (machine.sanitized) {
        const uint32_t reserved = buffer.producer == machine.running ? buffer.reserved : 0;
        if (place >= reserved)
            report("write before reserve", "page %u of buffer %u is packed, %u are reserved", place, number, reserved);
        mark(core, address, bytes, WRITTEN, 0);
    }
    float sums[TILE_VALUES];
    if (engines.pack_adds) {
        unpack_tile(core->l1 + address, nullptr, buffer.format, buffer.rows, -1, sums);
        for (uint32_t i = 0; i < TILE_VALUES; i++) sums[i] += values[i];
        values = sums;
    }
    if (!pack_tile(values, buffer.format, buffer.rows, core->l1 + address)) {
        report("format", "the packer does not have format %u", buffer.format);
        give_up();
    }
}

void emu_pack_adds(int adds, EMU_AT) {
    enter("pack_reconfig_l1_acc", file, line);
    this_tensix().pack_adds = adds;
}

void emu_unary(int function, uint32_t tile, uint32_t parameter, EMU_AT) {
    enter("a function of a tile", file, line);
    float* values = function == EMU_FILL ? dest(tile) : dest_with_value(tile);
    units::apply_function(this_tensix().settings, function, values, std::bit_cast<float>(parameter));
}

void emu_binary(int operation, uint32_t a, uint32_t b, uint32_t to, EMU_AT) {
    enter("a function of two tiles", file, line);
    float result[TILE_VALUES], second[TILE_VALUES];
    memcpy(result, dest_with_value(a), sizeof result);
    memcpy(second, dest_with_value(b), sizeof second);
    units::apply_vector_unit(this_tensix().settings, operation, result, second);
    memcpy(dest(to), result, sizeof result);
}

void emu_broadcast(int operation, int broadcast, uint32_t tile, uint32_t other, EMU_AT) {
    enter("a function of a tile and a row or column", file, line);
    float* values = dest_with_value(tile);
    float second[TILE_VALUES];
    spread(broadcast, dest_with_value(other), second);
    units::apply_vector_unit(this_tensix().settings, operation, values, second);
}

void emu_copy_in_dest(uint32_t from, uint32_t to, EMU_AT) {
    enter("copy_dest_values", file, line);
    const float* values = dest_with_value(from);
    memmove(dest(to), values, TILE_VALUES * sizeof(float));
}

void emu_transpose(uint32_t tile, EMU_AT) {
    enter("transpose_dest", file, line);
    transpose(dest_with_value(tile));
}

// Joins the rows (or columns) of a tile into the first one; what the others hold afterwards is not specified, so it is no
// number.
void emu_reduce(int pool, int over_columns, uint32_t tile, uint32_t tiles, EMU_AT) {
    enter("sfpu_reduce", file, line);
    if (tiles != 1) {
        report("not emulated", "sfpu_reduce of %u tiles together", tiles);
        give_up();
    }
    float* values = dest_with_value(tile);
    float joined[TILE];
    for (uint32_t i = 0; i < TILE; i++) {
        const float all = over_columns ? units::join_columns(pool, values + i * TILE)
                                       : units::join_rows(this_tensix().settings, pool, values + i);
        joined[i] = pool == EMU_POOL_AVERAGE ? all / float(TILE) : all;
    }
    std::fill_n(values, TILE_VALUES, tensix::from_bfloat16(POISON));
    for (uint32_t i = 0; i < TILE; i++) values[over_columns ? i * TILE : i] = joined[i];
}
}
