// SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
// SPDX-License-Identifier: Apache-2.0

#include "units.h"

#include <algorithm>
#include <cmath>

#include "eltwise.h"
#include "product.h"

namespace runner::units {

namespace {

using tensix::eltwise::Operation;
using tensix::eltwise::Step;
using tensix::sfpu::Function;

Operation vector_operation(int operation) {
    switch (operation) {
        case EMU_ADD: return Operation::ADD;
        case EMU_SUBTRACT: return Operation::SUBTRACT;
        case EMU_REVERSE_SUBTRACT: return Operation::RSUB;
        case EMU_MULTIPLY: return Operation::MULTIPLY;
        case EMU_DIVIDE: return Operation::DIVIDE;
        case EMU_MAX: return Operation::MAXIMUM;
        default: return Operation::MINIMUM;
    }
}

// Functions of a tile and a number are operations on two tiles, one of which has this number everywhere.
Operation operation_with_number(int function) {
    switch (function) {
        case EMU_ADD_SCALAR: return Operation::ADD;
        case EMU_SUBTRACT_SCALAR: return Operation::SUBTRACT;
        case EMU_REVERSE_SUBTRACT_SCALAR: return Operation::RSUB;
        case EMU_MAX_SCALAR: return Operation::MAXIMUM;
        case EMU_MIN_SCALAR: return Operation::MINIMUM;
        default: return Operation::MULTIPLY;  // a division's number is the inverse
    }
}

Step step_of_call(int function) {
    switch (function) {
        case EMU_SQUARE: return Step::SQUARE;
        case EMU_RELU: return Step::RELU;
        case EMU_EXP: return tensix::eltwise::step_of(Function::EXP);
        case EMU_LOG: return tensix::eltwise::step_of(Function::LOG);
        case EMU_SQRT: return tensix::eltwise::step_of(Function::SQRT);
        case EMU_RSQRT: return tensix::eltwise::step_of(Function::RSQRT);
        case EMU_RECIP: return tensix::eltwise::step_of(Function::RECIP);
        case EMU_SIGMOID: return tensix::eltwise::step_of(Function::SIGMOID);
        case EMU_SILU: return tensix::eltwise::step_of(Function::SILU);
        case EMU_TANH: return tensix::eltwise::step_of(Function::TANH);
        default: return tensix::eltwise::step_of(Function::ERFC);
    }
}

template <typename Function>
void store_each(const ComputeSettings& settings, float* tile, Function function) {
    using tensix::Rounding;
    for (uint32_t i = 0; i < TILE_VALUES; i++) {
        const float result = function(tile[i]);
        tile[i] = settings.wide ? tensix::sfpu::store<Rounding::NEAREST_EVEN, true>(result)
                                : tensix::sfpu::store<Rounding::NEAREST_EVEN, false>(result);
    }
}

// Two numbers of a pool: their sum, or the larger or the smaller one.
float join(int pool, float x, float y) {
    if (pool == EMU_POOL_MAX) return tensix::eltwise::maximum(x, y);
    if (pool == EMU_POOL_MIN) return tensix::eltwise::minimum(x, y);
    return x + y;
}

bool compare(int operation, float x, float y) {
    switch (operation) {
        case EMU_EQUAL:
        case EMU_EQUAL_SCALAR: return x == y;
        case EMU_NOT_EQUAL:
        case EMU_NOT_EQUAL_SCALAR: return x != y;
        case EMU_GREATER:
        case EMU_GREATER_SCALAR: return x > y;
        case EMU_GREATER_EQUAL:
        case EMU_GREATER_EQUAL_SCALAR: return x >= y;
        case EMU_LESS:
        case EMU_LESS_SCALAR: return x < y;
        default: return x <= y;
    }
}

template <int PHASES>
void multiply_each(bool wide, float* a, const float* b) {
    for (uint32_t i = 0; i < TILE_VALUES; i++)
        a[i] = wide ? tensix::fpu::multiply<PHASES, true>(a[i], b[i]) : tensix::fpu::multiply<PHASES, false>(a[i], b[i]);
}

}  // namespace

void add_products(const ComputeSettings& settings, const float* a, const float* b, float* sums, uint32_t rows) {
    constexpr float SMALL = 128;  // the smallest formats of the unit hold whole numbers up to it
    const float largest = tensix::largest_if_whole(a, rows * TILE) * tensix::largest_if_whole(b, TILE_VALUES);
    if (!(largest <= SMALL)) machine.rounds_products = true;
    tensix::matmul::multiply(
        {sums, 0, TILE, 1}, {a, true, 0, TILE, 1}, {b, true, 0, 1, TILE}, 1, {rows, TILE, TILE}, settings.phases,
        settings.wide, 1);
}

void apply_matrix_unit(const ComputeSettings& settings, int operation, float* a, const float* b) {
    if (operation != EMU_MULTIPLY) {
        const Operation which = operation == EMU_ADD ? Operation::FPU_ADD : Operation::FPU_SUBTRACT;
        tensix::eltwise::find(which, settings.blackhole, settings.wide)(a, b, TILE_VALUES);
        return;
    }
    switch (settings.phases) {
        case 1: return multiply_each<1>(settings.wide, a, b);
        case 2: return multiply_each<2>(settings.wide, a, b);
        case 3: return multiply_each<3>(settings.wide, a, b);
        default: return multiply_each<4>(settings.wide, a, b);
    }
}

void accumulate(const ComputeSettings& settings, float* held, const float* products) {
    for (uint32_t i = 0; i < TILE_VALUES; i++) {
        const float total = held[i] + products[i];
        held[i] = settings.wide ? total : tensix::packed(total);
    }
}

void apply_vector_unit(const ComputeSettings& settings, int operation, float* a, const float* b) {
    if (operation >= EMU_EQUAL)
        for (uint32_t i = 0; i < TILE_VALUES; i++) a[i] = compare(operation, a[i], b[i]);
    else
        tensix::eltwise::find(vector_operation(operation), settings.blackhole, settings.wide)(a, b, TILE_VALUES);
}

void apply_function(const ComputeSettings& settings, int function, float* tile, float number) {
    switch (function) {
        case EMU_ABS: return store_each(settings, tile, [](float x) { return std::abs(x); });
        case EMU_NEGATIVE: return store_each(settings, tile, [](float x) { return -x; });
        case EMU_FLOOR: return store_each(settings, tile, [](float x) { return std::floor(x); });
        case EMU_CEIL: return store_each(settings, tile, [](float x) { return std::ceil(x); });
        case EMU_TRUNC: return store_each(settings, tile, [](float x) { return std::trunc(x); });
        case EMU_FILL: return store_each(settings, tile, [number](float) { return number; });
        case EMU_ROUND:  // `number` is 10 to the power of the decimals
            return store_each(settings, tile, [number](float x) { return 1 / number * std::nearbyint(x * number); });
        case EMU_EQUAL_SCALAR:
        case EMU_NOT_EQUAL_SCALAR:
        case EMU_GREATER_SCALAR:
        case EMU_GREATER_EQUAL_SCALAR:
        case EMU_LESS_SCALAR:
        case EMU_LESS_EQUAL_SCALAR:
            return store_each(settings, tile, [=](float x) { return float(compare(function, x, number)); });
        case EMU_ADD_SCALAR:
        case EMU_SUBTRACT_SCALAR:
        case EMU_MULTIPLY_SCALAR:
        case EMU_DIVIDE_SCALAR:
        case EMU_REVERSE_SUBTRACT_SCALAR:
        case EMU_MAX_SCALAR:
        case EMU_MIN_SCALAR: {
            float everywhere[TILE_VALUES];
            std::fill_n(everywhere, TILE_VALUES, number);
            const Operation which = operation_with_number(function);
            return tensix::eltwise::find(which, settings.blackhole, settings.wide)(tile, everywhere, TILE_VALUES);
        }
        default: {
            const auto step = tensix::eltwise::find(step_of_call(function), settings.blackhole, settings.wide);
            return step(tile, TILE_VALUES, number);
        }
    }
}

// The groups of four rows of a face come first, then both faces, then the rows of a group: in pairs on Wormhole, from the
// last to the first on Blackhole.
float join_rows(const ComputeSettings& settings, int pool, const float* column) {
    const auto face = [&](const float* first) {
        const float *second = first + 4 * TILE, *third = second + 4 * TILE, *last = third + 4 * TILE;
        return join(pool, *first, join(pool, *second, join(pool, *third, *last)));
    };
    const auto row = [&](uint32_t number) {
        const float* first = column + number * TILE;
        return join(pool, face(first), face(first + SIDE * TILE));
    };
    const float last = join(pool, row(2), row(3));
    return settings.blackhole ? join(pool, row(0), join(pool, row(1), last)) : join(pool, join(pool, row(0), row(1)), last);
}

// The neighbours in both faces come first, then what is 4, 2 and 1 pairs apart.
float join_columns(int pool, const float* row) {
    float joined[SIDE / 2];
    for (uint32_t i = 0; i < SIDE / 2; i++) {
        const float *left = row + 2 * i, *right = left + SIDE;
        joined[i] = join(pool, left[0], join(pool, left[1], join(pool, right[0], right[1])));
    }
    for (uint32_t apart = SIDE / 4; apart; apart /= 2)
        for (uint32_t i = 0; i < apart; i++) joined[i] = join(pool, joined[i], joined[i + apart]);
    return joined[0];
}

}  // namespace runner::units
