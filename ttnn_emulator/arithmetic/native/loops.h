// SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
// SPDX-License-Identifier: Apache-2.0

// Loops over rows of numbers, with operands that are broadcast, loops that threads share, and reading ahead of a loop.
//
// Example: a column [32, 1] times a row [1, 64]. The column's steps are {1, 0}, the row's {0, 1}.
#pragma once

#include <algorithm>
#include <cstdint>
#include <thread>
#include <vector>

namespace tensix {

// A float32 operand of [rows, columns]: the step from a row to the next, and whether columns lie side by side or there
// is one for all.
struct Operand {
    const float* data;
    int64_t row;
    int64_t column;  // 0 or 1
};

// The loops over numbers are flattened, because a call in such a loop keeps it from being vectorized.
template <typename Function>
[[gnu::flatten]] inline void for_each(
    float* __restrict result, const float* __restrict x, int64_t count, Function function) {
    for (int64_t i = 0; i < count; ++i) result[i] = function(x[i]);
}

template <typename Function>
[[gnu::flatten]] inline void for_each(
    float* __restrict result, const float* __restrict a, const float* __restrict b, int64_t count, Function function) {
    for (int64_t i = 0; i < count; ++i) result[i] = function(a[i], b[i]);
}

template <typename Function>
inline void for_each(
    float* result, int64_t rows, int64_t columns, Operand first, Operand second, Function function) {
    constexpr int64_t CHUNK = 256;
    float same_a[CHUNK], same_b[CHUNK];  // for an operand with one number for all columns
    for (int64_t row = 0; row < rows; ++row) {
        const float *a = first.data + row * first.row, *b = second.data + row * second.row;
        if (!first.column) std::fill_n(same_a, std::min(columns, CHUNK), *a);
        if (!second.column) std::fill_n(same_b, std::min(columns, CHUNK), *b);
        for (int64_t start = 0; start < columns; start += CHUNK)
            for_each(
                result + row * columns + start, first.column ? a + start : same_a, second.column ? b + start : same_b,
                std::min(columns - start, CHUNK), function);
    }
}

constexpr int64_t CACHE_LINE = 64;  // bytes

// Asks the CPU's memory for the cache line 4 KB behind `here`. A loop that reads a matrix once from end to end waits less.
inline void fetch_ahead(const void* here) { __builtin_prefetch(static_cast<const char*>(here) + 4096); }

// Calls `work(begin, end)` in each of `threads` threads, with its share of `count` pieces of work.
template <typename Work>
inline void share_out(int64_t count, int threads, Work work) {
    const auto run = [&](int64_t thread) { work(count * thread / threads, count * (thread + 1) / threads); };
    std::vector<std::thread> others;
    for (int64_t thread = 1; thread < threads; ++thread) others.emplace_back(run, thread);
    run(0);
    for (std::thread& other : others) other.join();
}

}  // namespace tensix
