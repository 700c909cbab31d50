// SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
// SPDX-License-Identifier: Apache-2.0

// Elementwise programs of one or two operands: functions of each operand, the operation, functions of its result, and
// the rounding before the packer, in one pass over a row.
//
// Between two steps stands what a unit leaves in its register, 32 or (not `wide`) 16 bits. In 16 bits what is no number
// is stored as infinity (0 / 0), unless an operand was none.
//
// Example: multiply(a, b) with RELU after it, of bfloat16. a * b is rounded to nearest even (`store`), RELU leaves
// 0 of what is negative, and the result goes to the packer as a bfloat16 without a negative zero.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <utility>

#include "bits.h"
#include "formats.h"
#include "matrix_unit.h"
#include "vector_functions.h"
#include "vector_unit.h"

namespace tensix::eltwise {

using sfpu::Architecture;

constexpr int64_t CHUNK = 256;  // numbers that a step takes at a time

// The matrix unit has the first four, the vector unit the others.
enum class Operation : int32_t {
    FPU_ADD,
    FPU_SUBTRACT,
    FPU_RSUB,
    FPU_MULTIPLY,
    ADD,
    SUBTRACT,
    RSUB,
    MULTIPLY,
    DIVIDE,
    MAXIMUM,
    MINIMUM,
};
constexpr int32_t OPERATIONS = static_cast<int32_t>(Operation::MINIMUM) + 1;

// A row of a tensor: `step` is 0 where one number stands for all.
struct Row {
    const void* data;
    bool is_float32;  // else bfloat16
    int64_t step;

    void read(float* __restrict result, int64_t first, int64_t count) const {
        const float* floats = static_cast<const float*>(data) + first * step;
        const uint16_t* halves = static_cast<const uint16_t*>(data) + first * step;
        if (!step)
            std::fill_n(result, count, is_float32 ? *floats : from_bfloat16(*halves));
        else if (is_float32)
            std::copy_n(floats, count, result);
        else
            for (int64_t i = 0; i < count; ++i) result[i] = from_bfloat16(halves[i]);
    }
};

inline float maximum(float a, float b) { return a > b || std::isnan(a) ? a : b; }
inline float minimum(float a, float b) { return a < b || std::isnan(a) ? a : b; }

// The exponent e of m * 2^e with m from 0.5 to 1; 0 of zero.
inline int32_t binary_exponent(float value) { return value == 0 ? 0 : exponent_of(static_cast<double>(value)) + 1; }

// No negative zero: the unit adds +0 to a product. In 16 bits zero times anything is zero. Blackhole finds a product
// too small only when it has added, where the exponents say that it might be large enough.
template <Architecture CHIP, bool WIDE>
inline float multiply(float a, float b) {
    const float result = a * b;
    if (!WIDE) return a == 0 || b == 0 ? 0.0f : result;
    const bool late = CHIP == Architecture::BLACKHOLE && binary_exponent(a) + binary_exponent(b) == -125;
    return std::abs(result) < SMALLEST ? late ? copy_sign(0.0f, result) : 0.0f : result;
}

// What the vector unit stores of an operation's result.
template <bool WIDE>
inline float stored(float result, float a, float b, bool cut) {
    if (WIDE) return sfpu::store<Rounding::NEAREST_EVEN, true>(result);
    const float number = std::isnan(result) && !std::isnan(a) && !std::isnan(b) ? INFINITE : result;
    return cut ? sfpu::store<Rounding::TRUNCATE, false>(number) : sfpu::store<Rounding::NEAREST_EVEN, false>(number);
}

template <Operation OPERATION, Architecture CHIP, bool WIDE>
inline float apply(float a, float b) {
    if constexpr (OPERATION == Operation::FPU_ADD) return fpu::add<WIDE>(a, b);
    if constexpr (OPERATION == Operation::FPU_SUBTRACT) return fpu::add<WIDE>(a, -b);
    if constexpr (OPERATION == Operation::FPU_RSUB) return fpu::add<WIDE>(-a, b);
    if constexpr (OPERATION == Operation::FPU_MULTIPLY) return fpu::multiply<4, WIDE>(a, b);
    if constexpr (OPERATION == Operation::ADD) return stored<WIDE>(a + b, a, b, false);
    if constexpr (OPERATION == Operation::SUBTRACT) return stored<WIDE>(a - b, a, b, false);
    if constexpr (OPERATION == Operation::RSUB) return stored<WIDE>(b - a, a, b, false);
    if constexpr (OPERATION == Operation::MULTIPLY) return stored<WIDE>(multiply<CHIP, WIDE>(a, b), a, b, false);
    if constexpr (OPERATION == Operation::DIVIDE) return stored<WIDE>(sfpu::divide<CHIP, WIDE>(a, b), a, b, false);
    if constexpr (OPERATION == Operation::MAXIMUM) return stored<WIDE>(maximum(a, b), a, b, true);
    if constexpr (OPERATION == Operation::MINIMUM) return stored<WIDE>(minimum(a, b), a, b, true);
}

// A step of one operand that is fused: a function of the vector unit, stored. The first numbers are those of the
// functions of `vector_functions.h`, and plain functions follow. ROUND goes to the nearest whole number, ties to even.
enum class Step : int32_t {
    RELU = sfpu::FUNCTIONS,
    SQUARE,
    MUL_UNARY_SFPU,  // times the step's parameter
    ROUND,
};
constexpr int32_t STEPS = static_cast<int32_t>(Step::ROUND) + 1;

constexpr Step step_of(sfpu::Function function) { return static_cast<Step>(function); }

template <Step STEP, Architecture CHIP, bool WIDE>
inline float apply(float x, float parameter) {
    float result;
    if constexpr (STEP == Step::RELU)
        result = x < 0 ? 0.0f : x;
    else if constexpr (STEP == Step::SQUARE)
        result = x * x;
    else if constexpr (STEP == Step::MUL_UNARY_SFPU)
        result = x * parameter + 0.0f;  // no negative zero
    else if constexpr (STEP == Step::ROUND)
        result = std::nearbyint(x) + 0.0f;
    else
        result = sfpu::apply<static_cast<sfpu::Function>(STEP), CHIP, WIDE>(x);
    constexpr bool CUT = STEP == step_of(sfpu::Function::ERFC) || STEP == Step::MUL_UNARY_SFPU;
    return CUT ? sfpu::store<Rounding::TRUNCATE, WIDE>(result)
               : sfpu::store<Rounding::NEAREST_EVEN, WIDE>(result);
}

using StepLoop = void (*)(float*, int64_t, float);
using OperationLoop = void (*)(float*, const float*, int64_t);

template <Step STEP, Architecture CHIP, bool WIDE>
[[gnu::flatten]] void step_loop(float* __restrict x, int64_t count, float parameter) {
    for (int64_t i = 0; i < count; ++i) x[i] = apply<STEP, CHIP, WIDE>(x[i], parameter);
}

template <Operation OPERATION, Architecture CHIP, bool WIDE>
[[gnu::flatten]] void operation_loop(float* __restrict a, const float* __restrict b, int64_t count) {
    for (int64_t i = 0; i < count; ++i) a[i] = apply<OPERATION, CHIP, WIDE>(a[i], b[i]);
}

// The loops of all steps, by number.
template <Architecture CHIP, bool WIDE, int32_t... NUMBERS>
constexpr std::array<StepLoop, STEPS> step_loops(std::integer_sequence<int32_t, NUMBERS...>) {
    return {step_loop<static_cast<Step>(NUMBERS), CHIP, WIDE>...};
}

template <Architecture CHIP, bool WIDE>
StepLoop find(Step step) {
    static constexpr auto LOOPS = step_loops<CHIP, WIDE>(std::make_integer_sequence<int32_t, STEPS>());
    return LOOPS[static_cast<size_t>(step)];
}

// Both architectures have the same matrix unit, and need one form of its operations.
constexpr Architecture chip_for(Operation operation, Architecture chip) {
    return operation <= Operation::FPU_MULTIPLY ? Architecture::WORMHOLE : chip;
}

// The loops of all operations, by number.
template <Architecture CHIP, bool WIDE, int32_t... NUMBERS>
constexpr std::array<OperationLoop, OPERATIONS> operation_loops(std::integer_sequence<int32_t, NUMBERS...>) {
    return {operation_loop<static_cast<Operation>(NUMBERS), chip_for(static_cast<Operation>(NUMBERS), CHIP), WIDE>...};
}

template <Architecture CHIP, bool WIDE>
OperationLoop find(Operation operation) {
    static constexpr auto LOOPS = operation_loops<CHIP, WIDE>(std::make_integer_sequence<int32_t, OPERATIONS>());
    return LOOPS[static_cast<size_t>(operation)];
}

template <typename Name>
auto find(Name name, bool blackhole, bool wide) {
    if (blackhole)
        return wide ? find<Architecture::BLACKHOLE, true>(name) : find<Architecture::BLACKHOLE, false>(name);
    return wide ? find<Architecture::WORMHOLE, true>(name) : find<Architecture::WORMHOLE, false>(name);
}

// A list of steps, ended by nullptr.
constexpr int MOST_STEPS = 8;
struct Steps {
    StepLoop loops[MOST_STEPS + 1] = {};
    float parameters[MOST_STEPS] = {};

    void run(float* x, int64_t count) const {
        for (int i = 0; loops[i]; ++i) loops[i](x, count, parameters[i]);
    }
};

// A function of one operand as an operation of its own: in 16 bits what is no number is stored as infinity.
inline void run_unary(StepLoop step, Row x, void* result, bool wide, int64_t count) {
    float value[CHUNK], made[CHUNK];
    for (int64_t start = 0; start < count; start += CHUNK) {
        const int64_t length = std::min(CHUNK, count - start);
        x.read(value, start, length);
        std::copy_n(value, length, made);
        step(made, length, 0.0f);
        if (wide) {
            std::copy_n(made, length, static_cast<float*>(result) + start);
            continue;
        }
        uint16_t* halves = static_cast<uint16_t*>(result) + start;
        for (int64_t i = 0; i < length; ++i) {
            const bool invalid = std::isnan(made[i]) && !std::isnan(value[i]);
            halves[i] = pack_bfloat16<Rounding::NEAREST_EVEN>(invalid ? INFINITE : made[i]);
        }
    }
}

struct Program {
    OperationLoop operation;
    Steps before_a, before_b, after;

    // One row. The result is bfloat16, rounded to nearest even, or float32.
    void run(Row a, Row b, void* result, bool result_is_float32, int64_t count) const {
        float first[CHUNK], second[CHUNK];
        for (int64_t start = 0; start < count; start += CHUNK) {
            const int64_t length = std::min(CHUNK, count - start);
            a.read(first, start, length);
            before_a.run(first, length);
            b.read(second, start, length);
            before_b.run(second, length);
            operation(first, second, length);
            after.run(first, length);
            if (result_is_float32) {
                std::copy_n(first, length, static_cast<float*>(result) + start);
                continue;
            }
            uint16_t* halves = static_cast<uint16_t*>(result) + start;
            for (int64_t i = 0; i < length; ++i) halves[i] = pack_bfloat16<Rounding::NEAREST_EVEN>(first[i]);
        }
    }
};

}  // namespace tensix::eltwise
