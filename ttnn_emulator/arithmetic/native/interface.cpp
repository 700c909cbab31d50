// SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
// SPDX-License-Identifier: Apache-2.0

// What Python calls (`__init__.py` declares the same functions there). Each chooses a compiled form by its settings.

#include <array>
#include <utility>

#include "attention.h"
#include "cache.h"
#include "eltwise.h"
#include "formats.h"
#include "loops.h"
#include "matrix_unit.h"
#include "norm.h"
#include "product.h"
#include "rotary.h"
#include "ternary.h"
#include "vector_functions.h"
#include "vector_unit.h"

using namespace tensix;
using sfpu::Architecture;
using sfpu::Function;

namespace {

// Calls `f` with the settings as types, so that it can name a compiled form.
template <bool VALUE>
using Bool = std::bool_constant<VALUE>;

template <typename F>
void with_bool(bool value, F f) {
    value ? f(Bool<true>()) : f(Bool<false>());
}

template <typename F>
void with_architecture(int32_t blackhole, F f) {
    if (blackhole)
        f(std::integral_constant<Architecture, Architecture::BLACKHOLE>());
    else
        f(std::integral_constant<Architecture, Architecture::WORMHOLE>());
}

template <typename F>
void with_rounding(int32_t rounding, F f) {
    switch (static_cast<Rounding>(rounding)) {
        case Rounding::NEAREST_EVEN: return f(std::integral_constant<Rounding, Rounding::NEAREST_EVEN>());
        case Rounding::TIES_AWAY: return f(std::integral_constant<Rounding, Rounding::TIES_AWAY>());
        case Rounding::TRUNCATE: return f(std::integral_constant<Rounding, Rounding::TRUNCATE>());
    }
}

template <typename F>
void with_phases(int32_t phases, F f) {
    switch (phases) {
        case 1: return f(std::integral_constant<int, 1>());
        case 2: return f(std::integral_constant<int, 2>());
        case 3: return f(std::integral_constant<int, 3>());
        default: return f(std::integral_constant<int, 4>());
    }
}

template <Function FUNCTION>
void apply_one(const float* x, float* result, int64_t count, int32_t wide, int32_t blackhole) {
    with_architecture(blackhole, [&](auto chip) {
        with_bool(wide, [&](auto is_wide) {
            for_each(result, x, count, [](float value) {
                return sfpu::apply<FUNCTION, decltype(chip)::value, decltype(is_wide)::value>(value);
            });
        });
    });
}

using Apply = void (*)(const float*, float*, int64_t, int32_t, int32_t);

// `apply_one` of all functions, by number.
template <int32_t... NUMBERS>
constexpr std::array<Apply, sfpu::FUNCTIONS> apply_each(std::integer_sequence<int32_t, NUMBERS...>) {
    return {apply_one<static_cast<Function>(NUMBERS)>...};
}

// Pairs of a step's number, which is one more than it is, and its parameter, ended by 0.
eltwise::Steps read_steps(const float* pairs, bool blackhole, bool wide) {
    eltwise::Steps steps;
    for (int i = 0; i < eltwise::MOST_STEPS && pairs[2 * i] != 0; ++i) {
        steps.loops[i] = eltwise::find(static_cast<eltwise::Step>(pairs[2 * i] - 1), blackhole, wide);
        steps.parameters[i] = pairs[2 * i + 1];
    }
    return steps;
}

}  // namespace

extern "C" {

// Packed bfloat16: there is no negative zero.
void format_bfloat16(const float* value, uint16_t* result, int64_t count, int32_t rounding) {
    with_rounding(rounding, [&](auto mode) {
        for (int64_t i = 0; i < count; ++i) result[i] = pack_bfloat16<decltype(mode)::value>(value[i]);
    });
}

void format_block_float(
    const float* value, uint16_t* result, int64_t rows, int64_t width, int32_t bits, int32_t mantissa) {
    using block_float::Mantissa;
    const auto round = static_cast<Mantissa>(mantissa) == Mantissa::HOST ? block_float::round_row<Mantissa::HOST>
                                                                         : block_float::round_row<Mantissa::TIES_AWAY>;
    for (int64_t row = 0; row < rows; ++row) round(value + row * width, result + row * width, width, bits);
}

void format_packed_block_float(const float* value, uint16_t* result, int64_t rows, int64_t width, int32_t bits) {
    for (int64_t row = 0; row < rows; ++row)
        block_float::pack_row(value + row * width, result + row * width, width, bits);
}

void format_largest_if_whole(const void* value, int32_t is_float32, int64_t count, float* largest) {
    *largest = is_float32 ? largest_if_whole(static_cast<const float*>(value), count)
                          : largest_if_whole(static_cast<const uint16_t*>(value), count);
}

void matmul_product(
    float* sums,                                                                                               //
    const void* first, int32_t first_is_float32, int64_t first_batch, int64_t first_row, int64_t first_depth,  //
    const void* second, int32_t second_is_float32, int64_t second_batch, int64_t second_depth, int64_t second_column,
    int64_t batches, int64_t rows, int64_t depth, int64_t columns, int32_t phases, int32_t wide, int32_t threads) {
    matmul::multiply(
        {sums, rows * columns, columns, 1}, {first, first_is_float32 != 0, first_batch, first_row, first_depth},
        {second, second_is_float32 != 0, second_batch, second_column, second_depth}, batches, {rows, depth, columns},
        phases, wide, threads);
}

void matmul_product_in_blocks(
    float* sums,                                                                                               //
    const void* first, int32_t first_is_float32, int64_t first_batch, int64_t first_row, int64_t first_depth,  //
    const void* second, int32_t second_is_float32, int64_t second_batch, int64_t second_depth, int64_t second_column,
    int64_t batches, int64_t rows, int64_t depth, int64_t columns, int32_t phases, int32_t wide, int32_t threads,
    int64_t block, int32_t format, int64_t added) {
    matmul::multiply_in_blocks(
        sums, {first, first_is_float32 != 0, first_batch, first_row, first_depth},
        {second, second_is_float32 != 0, second_batch, second_column, second_depth}, batches, {rows, depth, columns},
        phases, wide, threads, {block, static_cast<Format>(format), added});
}

// `is_ternary` receives whether the matrix is ternary; else `packed` is of no use.
void ternary_pack_columns(
    const void* matrix, int32_t is_float32, int64_t depth_step, int64_t column_step, int64_t depth, int64_t columns,
    uint8_t* packed, int64_t quarter, int64_t* is_ternary) {
    const auto pack = is_float32 ? ternary::pack_columns<uint32_t> : ternary::pack_columns<uint16_t>;
    *is_ternary = pack({matrix, is_float32 != 0, 0, column_step, depth_step}, depth, columns, quarter, packed);
}

void ternary_pack_panels(
    const void* matrix, int32_t is_float32, int64_t depth_step, int64_t column_step, int64_t depth, int64_t columns,
    int16_t* packed, int64_t groups, int64_t* is_ternary) {
    const auto pack = is_float32 ? ternary::pack_panels<uint32_t> : ternary::pack_panels<uint16_t>;
    *is_ternary = pack({matrix, is_float32 != 0, 0, column_step, depth_step}, depth, columns, groups, packed);
}

void ternary_whole_product(
    int32_t* sums, const int8_t* rows, int64_t count, const uint8_t* packed, int64_t quarter, int64_t columns,
    int32_t threads) {
    ternary::multiply_whole(sums, rows, count, packed, quarter, columns, threads);
}

void ternary_lofi_product(
    float* sums, const void* rows, int32_t rows_are_float32, int64_t row_step, int64_t depth_step, int64_t count,
    int64_t depth, const int16_t* packed, int64_t columns, int64_t block, int64_t added, int32_t threads) {
    ternary::multiply_lofi(
        sums, {rows, rows_are_float32 != 0, 0, row_step, depth_step}, count, depth, packed, columns, {block, added},
        threads);
}

void fpu_add(
    float* result, int64_t rows, int64_t columns, const float* a, int64_t a_row, int64_t a_column, const float* b,
    int64_t b_row, int64_t b_column, int32_t wide) {
    with_bool(wide, [&](auto is_wide) {
        for_each(result, rows, columns, {a, a_row, a_column}, {b, b_row, b_column}, [](float x, float y) {
            return fpu::add<decltype(is_wide)::value>(x, y);
        });
    });
}

void fpu_multiply(
    float* result, int64_t rows, int64_t columns, const float* a, int64_t a_row, int64_t a_column, const float* b,
    int64_t b_row, int64_t b_column, int32_t phases, int32_t wide) {
    with_bool(wide, [&](auto is_wide) {
        with_phases(phases, [&](auto count) {
            for_each(result, rows, columns, {a, a_row, a_column}, {b, b_row, b_column}, [](float x, float y) {
                return fpu::multiply<decltype(count)::value, decltype(is_wide)::value>(x, y);
            });
        });
    });
}

void sfpu_store(const float* x, float* result, int64_t count, int32_t rounding, int32_t wide) {
    with_rounding(rounding, [&](auto mode) {
        with_bool(wide, [&](auto is_wide) {
            for_each(result, x, count, [](float value) {
                return sfpu::store<decltype(mode)::value, decltype(is_wide)::value>(value);
            });
        });
    });
}

void sfpu_apply(
    int32_t function, const float* x, float* result, int64_t count, int32_t wide, int32_t blackhole) {
    static constexpr auto APPLY = apply_each(std::make_integer_sequence<int32_t, sfpu::FUNCTIONS>());
    APPLY[static_cast<size_t>(function)](x, result, count, wide, blackhole);
}

void sfpu_divide(
    float* result, int64_t rows, int64_t columns, const float* a, int64_t a_row, int64_t a_column, const float* b,
    int64_t b_row, int64_t b_column, int32_t wide, int32_t blackhole) {
    with_architecture(blackhole, [&](auto chip) {
        with_bool(wide, [&](auto is_wide) {
            for_each(result, rows, columns, {a, a_row, a_column}, {b, b_row, b_column}, [](float x, float y) {
                return sfpu::divide<decltype(chip)::value, decltype(is_wide)::value>(x, y);
            });
        });
    });
}

void sfpu_remainder(
    float* result, int64_t rows, int64_t columns, const float* a, int64_t a_row, int64_t a_column, const float* b,
    int64_t b_row, int64_t b_column, int32_t blackhole) {
    with_architecture(blackhole, [&](auto chip) {
        for_each(result, rows, columns, {a, a_row, a_column}, {b, b_row, b_column}, [](float x, float y) {
            return sfpu::remainder<decltype(chip)::value>(x, y);
        });
    });
}

void eltwise_unary(
    const void* x, int32_t is_float32, void* result, int64_t count, int32_t step, int32_t wide, int32_t blackhole) {
    const auto loop = eltwise::find(static_cast<eltwise::Step>(step), blackhole, wide);
    eltwise::run_unary(loop, {x, is_float32 != 0, 1}, result, wide, count);
}

void eltwise_binary(
    void* result, int32_t result_is_float32, int64_t rows, int64_t columns,                 //
    const void* a, int32_t a_is_float32, int64_t a_row, int64_t a_column,                   //
    const void* b, int32_t b_is_float32, int64_t b_row, int64_t b_column,                   //
    int32_t operation, const float* before_a, const float* before_b, const float* after,    //
    int32_t wide, int32_t blackhole) {
    const eltwise::Program program{
        eltwise::find(static_cast<eltwise::Operation>(operation), blackhole, wide),
        read_steps(before_a, blackhole, wide), read_steps(before_b, blackhole, wide),
        read_steps(after, blackhole, wide)};
    const auto at = [](const void* data, bool is_float32, int64_t place) {
        return static_cast<const char*>(data) + place * (is_float32 ? 4 : 2);
    };
    for (int64_t row = 0; row < rows; ++row)
        program.run(
            {at(a, a_is_float32, row * a_row), a_is_float32 != 0, a_column},
            {at(b, b_is_float32, row * b_row), b_is_float32 != 0, b_column},
            const_cast<char*>(at(result, result_is_float32, row * columns)), result_is_float32, columns);
}

// `x` holds the result afterwards. A residual, weight or bias may be missing (nullptr).
void norm_rows(
    float* x, int64_t rows, int64_t width, const void* residual, int32_t residual_is_float32,  //
    const void* weight, int32_t weight_is_float32, const void* bias, int32_t bias_is_float32, float epsilon,
    int32_t subtracts_mean, int64_t columns, int64_t cores, int32_t phases, int32_t wide, int32_t blackhole) {
    norm::find(phases, wide)(
        x, {residual, residual_is_float32 != 0, 1}, {weight, weight_is_float32 != 0, 1},
        {bias, bias_is_float32 != 0, 1}, rows, width,
        {phases, wide != 0, blackhole != 0, subtracts_mean != 0, epsilon, columns, cores});
}

// The differences and maxima of the scores, or the first block that the spans name and the cache has not.
void attention_scores(
    float* differences, float* maxima, int64_t* missing_block,                                           //
    const void* query, int32_t query_is_float32, int64_t heads,                                          //
    const void* keys, int32_t keys_are_float32, int64_t blocks, int64_t kv_heads, int64_t block, int64_t width,
    const int64_t* table, int64_t pages, const int64_t* spans, int64_t count, int64_t longest,           //
    const void* mask, int32_t mask_is_float32, int64_t mask_users, int64_t mask_length,                  //
    int32_t phases, int32_t wide, int32_t threads) {
    const attention::Cache cache{keys, keys_are_float32 != 0, kv_heads, block, width, table, pages};
    const attention::Spans all{reinterpret_cast<const attention::Span*>(spans), count, longest};
    *missing_block = attention::find_missing_block(cache, all, blocks);
    if (*missing_block != attention::NO_BLOCK) return;
    const auto find = wide ? attention::find_scores<true> : attention::find_scores<false>;
    find(
        differences, maxima, {query, query_is_float32 != 0, 0, width, 1}, heads, cache, all,
        {{mask, mask_is_float32 != 0, 1}, mask_users, mask_length}, {phases, wide != 0, threads});
}

void attention_values(
    float* totals, float* result, const uint16_t* weights, int64_t heads,                                //
    const void* values, int32_t values_are_float32, int64_t kv_heads, int64_t block, int64_t width,      //
    const int64_t* table, int64_t pages, const int64_t* spans, int64_t count, int64_t longest,           //
    int32_t phases, int32_t wide, int32_t threads) {
    attention::weigh(
        totals, result, weights, heads, {values, values_are_float32 != 0, kv_heads, block, width, table, pages},
        {reinterpret_cast<const attention::Span*>(spans), count, longest}, {phases, wide != 0, threads});
}

void attention_fast_exponential(const float* x, float* result, int64_t count, float slope, float offset) {
    for_each(result, x, count, [=](float value) { return attention::fast_exponential(value, slope, offset); });
}

void rotary_rotate(
    float* result, int64_t first, int64_t second, int64_t third, int64_t width,                          //
    const void* x, int32_t x_is_float32, int64_t x_first, int64_t x_second, int64_t x_third,             //
    const void* cos, int32_t cos_is_float32, int64_t cos_first, int64_t cos_second, int64_t cos_third,   //
    const void* sin, int32_t sin_is_float32, int64_t sin_first, int64_t sin_second, int64_t sin_third,   //
    const void* matrix, int32_t matrix_is_float32, int32_t phases, int32_t wide) {
    const int64_t sizes[3] = {first, second, third};
    with_phases(phases, [&](auto count) {
        with_bool(wide, [&](auto is_wide) {
            rotary::rotate<decltype(count)::value, decltype(is_wide)::value>(
                result, {x, x_is_float32 != 0, {x_first, x_second, x_third}},
                {cos, cos_is_float32 != 0, {cos_first, cos_second, cos_third}},
                {sin, sin_is_float32 != 0, {sin_first, sin_second, sin_third}},
                {matrix, matrix_is_float32 != 0, 0, 1, matmul::TILE}, sizes, width);
        });
    });
}

void cache_write_rows(
    void* cache, int32_t format, int64_t heads, int64_t block, int64_t width,                            //
    const void* rows, int32_t rows_are_float32, int64_t user, int64_t head, const int64_t* places, int64_t count,
    int32_t significant_bits) {
    cache::write_rows(
        {cache, static_cast<Format>(format), heads, block, width}, {rows, rows_are_float32 != 0, 1}, user, head,
        reinterpret_cast<const cache::Place*>(places), count, significant_bits);
}

}  // extern "C"
