// SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
// SPDX-License-Identifier: Apache-2.0

// The decode kernel's attention: one new token a user over the positions of a cache, a span of positions at a time.
//
//   scores      query times keys, plus a mask; what lies between two steps is bfloat16, also where sums are float32
//   difference  a score less the largest score of its row
//   total       the sum of a row's weights, which are exponentials of the differences
//   values      the sum of weight times value
//
// A cache is [blocks, heads, block, width]. A page table says which block holds a user's positions from 0, `block`,
// 2 * `block` on. Each of the cache's heads serves a group of the query's.
//
// Example: 8 query heads over 2 heads of a cache with blocks of 32 positions. The span from 40 to 70 of a user with the
// blocks 5, 9, 2 takes 24 rows of block 9 from row 8 on and the first 6 rows of block 2, for a group of 4 query heads
// each time.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <vector>

#include "eltwise.h"
#include "formats.h"
#include "loops.h"
#include "matrix_unit.h"
#include "product.h"

namespace tensix::attention {

// Positions of a user; `last` is the one after them.
struct Span {
    int64_t user, first, last;

    int64_t count() const { return last - first; }
};

struct Spans {
    const Span* spans;
    int64_t count, longest;
};

struct Cache {
    const void* data;
    bool is_float32;  // else bfloat16
    int64_t heads, block, width;
    const int64_t* table;
    int64_t pages;  // of a user in the table

    int64_t block_of(int64_t user, int64_t position) const { return table[user * pages + position / block]; }

    // The rows of a head at a span's positions, side by side.
    void read(const Span& span, int64_t head, std::vector<char>& rows) const {
        const int64_t size = width * (is_float32 ? 4 : 2);
        rows.resize(span.count() * size);
        for (int64_t position = span.first; position < span.last;) {
            const int64_t row = position % block, count = std::min(block - row, span.last - position);
            const int64_t place = (block_of(span.user, position) * heads + head) * block + row;
            std::memcpy(
                rows.data() + (position - span.first) * size, static_cast<const char*>(data) + place * size,
                count * size);
            position += count;
        }
    }
};

// How a program computes.
struct Settings {
    int phases;
    bool wide;
    int threads;
};

constexpr int64_t NO_BLOCK = INT64_MIN;

// The first block that spans name and a cache of `blocks` has not, or NO_BLOCK.
inline int64_t find_missing_block(const Cache& cache, const Spans& all, int64_t blocks) {
    for (int64_t number = 0; number < all.count; ++number) {
        const Span& span = all.spans[number];
        for (int64_t position = span.first; position < span.last; position += cache.block - position % cache.block)
            if (const int64_t block = cache.block_of(span.user, position); block < 0 || block >= blocks) return block;
    }
    return NO_BLOCK;
}

// What is added to the scores: [users, heads, length]. Users take turns where there are fewer of them.
struct Mask {
    eltwise::Row row;
    int64_t users, length;
};

// The differences [spans, heads, longest] and the maxima [spans, heads] of a query [users, heads, width].
template <bool WIDE>
void find_scores(
    float* differences, float* maxima, const matmul::Matrices& query, int64_t heads, const Cache& keys,
    const Spans& all, const Mask& mask, const Settings& how) {
    const int64_t group = heads / keys.heads;
    share_out(all.count * keys.heads, how.threads, [&](int64_t begin, int64_t end) {
        std::vector<char> rows;
        std::vector<float> added(all.longest);
        for (int64_t number = begin; number < end; ++number) {
            const Span& span = all.spans[number / keys.heads];
            const int64_t head = number % keys.heads, count = span.count();
            keys.read(span, head, rows);
            float* scores = differences + number * group * all.longest;
            std::fill_n(scores, group * all.longest, 0.0f);
            matmul::multiply(
                {scores, 0, all.longest, 1}, query.from(0, span.user * heads + head * group),
                {rows.data(), keys.is_float32, 0, keys.width, 1}, 1, {group, keys.width, count}, how.phases, WIDE, 1);
            for (int64_t own = 0; own < group; ++own, scores += all.longest) {
                for (int64_t i = 0; i < count; ++i) scores[i] = packed(scores[i]);
                if (mask.row.data) {
                    const int64_t line = span.user % mask.users * heads + head * group + own;
                    mask.row.read(added.data(), line * mask.length + span.first, count);
                    for (int64_t i = 0; i < count; ++i) scores[i] = packed(fpu::add<WIDE>(scores[i], added[i]));
                }
                float largest = -INFINITE;
                for (int64_t i = 0; i < count; ++i) largest = eltwise::maximum(largest, scores[i]);
                for (int64_t i = 0; i < count; ++i) scores[i] = fpu::add<WIDE>(scores[i], -largest);
                maxima[number * group + own] = largest;
            }
        }
    });
}

// The totals [spans, heads] and the values [spans, heads, width] of bfloat16 weights [spans, heads, longest]. The
// weights are the first operand, of which HiFi2 multiplies 7 bits.
inline void weigh(
    float* totals, float* result, const uint16_t* weights, int64_t heads, const Cache& values, const Spans& all,
    const Settings& how) {
    const int64_t group = heads / values.heads;
    const uint16_t one = upper_half(1.0f);
    share_out(all.count * values.heads, how.threads, [&](int64_t begin, int64_t end) {
        std::vector<char> rows;
        for (int64_t number = begin; number < end; ++number) {
            const Span& span = all.spans[number / values.heads];
            values.read(span, number % values.heads, rows);
            const matmul::Matrices own{weights + number * group * all.longest, false, 0, all.longest, 1};
            const auto multiply = [&](float* sums, const matmul::Matrices& second, int64_t columns) {
                std::fill_n(sums, group * columns, 0.0f);
                matmul::multiply(
                    {sums, 0, columns, 1}, own, second, 1, {group, span.count(), columns}, how.phases, how.wide, 1);
                for (int64_t i = 0; i < group * columns; ++i) sums[i] = packed(sums[i]);
            };
            multiply(totals + number * group, {&one, false, 0, 0, 0}, 1);
            multiply(
                result + number * group * values.width, {rows.data(), values.is_float32, 0, 1, values.width},
                values.width);
        }
    });
}

// e ** (x * scale), which errs by 2 %: a float's bits read as an integer are nearly its logarithm. `slope` is
// 256 / ln 2 * scale, `offset` 256 times an exponent's bias less a correction. What falls below zero is zero.
inline float fast_exponential(float x, float slope, float offset) {
    const float bits = std::floor(x * slope + offset);
    return from_bits(static_cast<int32_t>(bounded(bits, 0.0f, static_cast<float>(INFINITY_BITS >> 15))) << 15);
}

}  // namespace tensix::attention
