// SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
// SPDX-License-Identifier: Apache-2.0

// Whole matrix products, of matrices as they lie in memory.
//
// `matmul.h` computes one row of a tile times 32 columns. Here stands what gives it tiles: panels of 32 terms and 128
// columns are split into exponents and parts once for up to 32 rows, and the registers of those rows and of as many
// columns as the CPU's cache holds stay until all terms are added. Columns are read as memory holds them, so that a row
// times a weight reads the weight once.
//
// Example: [1, 2560] @ [2560, 6912] on one thread. One block of one row, one range of 6912 registers, 80 tiles of
// terms, 54 panels in each.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "formats.h"
#include "loops.h"
#include "matmul.h"

namespace tensix::matmul {

// A stack of matrices: `line` is the step from one row of the first operand (or column of the second) to the next,
// `depth` that from one term to the next. Steps count elements.
struct Matrices {
    const void* data;
    bool is_float32;  // else bfloat16
    int64_t batch, line, depth;

    Matrices from(int64_t first_batch, int64_t first_line) const {
        const int64_t step = first_batch * batch + first_line * line;
        return {static_cast<const char*>(data) + step * (is_float32 ? 4 : 2), is_float32, batch, line, depth};
    }
};

// Where the sums go: `row` and `column` as the loops below count them.
struct Sums {
    float* data;
    int64_t batch, row, column;

    Sums from(int64_t first_batch, int64_t first_row, int64_t first_column) const {
        return {data + first_batch * batch + first_row * row + first_column * column, batch, row, column};
    }
};

struct Size {
    int64_t rows, depth, columns;
};

constexpr int64_t ROWS = 32;           // that share a panel
constexpr int64_t REGISTERS = 1 << 15;  // that stay in the CPU's cache

inline int64_t round_up(int64_t value, int64_t step) { return (value + step - 1) / step * step; }

// The fields of `count` rows of `padded` terms: for each row its exponents, high parts and low parts.
template <bool FIRST, typename Bits>
void split_rows(const Matrices& rows, int64_t count, int64_t depth, int64_t padded, int16_t* fields) {
    std::vector<Bits> line(padded);
    for (int64_t m = 0; m < count; ++m) {
        const Bits* source = static_cast<const Bits*>(rows.data) + m * rows.line;
        for (int64_t k = 0; k < depth; ++k) line[k] = source[k * rows.depth];
        int16_t* own = fields + m * 3 * padded;
        split<FIRST, true>(line.data(), padded, {own, own + padded, own + 2 * padded});
    }
}

// The panel of `depth` terms and `width` columns from term `k` and column `n` on; what is missing is zero.
template <bool FIRST, bool LOW, typename Bits>
void split_panel(const Matrices& columns, int64_t k, int64_t n, int64_t depth, int64_t width, Panel& panel) {
    const Bits* source = static_cast<const Bits*>(columns.data) + k * columns.depth + n * columns.line;
    const auto fields = [&](int64_t term) { return Fields{panel.exponents[term], panel.high[term], panel.low[term]}; };
    if (depth == TILE && width == PANEL && columns.line == 1) {
        for (int64_t term = 0; term < TILE; ++term) {
            const Bits* row = source + term * columns.depth;
            for (int64_t n = 0; n < PANEL; n += CACHE_LINE / sizeof(Bits)) fetch_ahead(row + n);
            split<FIRST, LOW>(row, PANEL, fields(term));
        }
        return;
    }
    alignas(64) Bits copy[TILE][PANEL] = {};
    const bool terms_lie_side_by_side = columns.depth == 1;
    for (int64_t i = 0; i < (terms_lie_side_by_side ? width : depth); ++i)
        for (int64_t j = 0; j < (terms_lie_side_by_side ? depth : width); ++j) {
            const int64_t term = terms_lie_side_by_side ? j : i, column = terms_lie_side_by_side ? i : j;
            copy[term][column] = source[term * columns.depth + column * columns.line];
        }
    for (int64_t term = 0; term < TILE; ++term) split<FIRST, LOW>(copy[term], round_up(width, LANES), fields(term));
}

// The compiled forms that a product's settings choose.
struct Steps {
    void (*split_rows)(const Matrices&, int64_t, int64_t, int64_t, int16_t*);
    void (*split_panel)(const Matrices&, int64_t, int64_t, int64_t, int64_t, Panel&);
    void (*add_tile)(Fields, const Panel&, int64_t, int32_t*, int32_t*);
};

template <bool ROWS_FIRST, bool LOW>
void choose_splits(Steps& steps, bool float32_rows, bool float32_columns) {
    steps.split_rows = float32_rows ? split_rows<ROWS_FIRST, uint32_t> : split_rows<ROWS_FIRST, uint16_t>;
    steps.split_panel =
        float32_columns ? split_panel<!ROWS_FIRST, LOW, uint32_t> : split_panel<!ROWS_FIRST, LOW, uint16_t>;
}

template <int PHASES>
void choose_add(Steps& steps, bool wide, bool rows_first) {
    if (wide)
        steps.add_tile = rows_first ? add_tile<PHASES, true, true> : add_tile<PHASES, true, false>;
    else
        steps.add_tile = rows_first ? add_tile<PHASES, false, true> : add_tile<PHASES, false, false>;
}

inline Steps choose_steps(int phases, bool wide, bool rows_first, bool float32_rows, bool float32_columns) {
    Steps steps{};
    switch (phases) {
        case 1: choose_add<1>(steps, wide, rows_first); break;
        case 2: choose_add<2>(steps, wide, rows_first); break;
        case 3: choose_add<3>(steps, wide, rows_first); break;
        default: choose_add<4>(steps, wide, rows_first);
    }
    const bool low_columns = rows_first ? phases > 1 : phases > 2;
    if (rows_first)
        low_columns ? choose_splits<true, true>(steps, float32_rows, float32_columns)
                    : choose_splits<true, false>(steps, float32_rows, float32_columns);
    else
        low_columns ? choose_splits<false, true>(steps, float32_rows, float32_columns)
                    : choose_splits<false, false>(steps, float32_rows, float32_columns);
    return steps;
}

// sums += rows @ columns of one matrix each.
inline void add_products(
    const Steps& steps, const Sums& sums, const Matrices& rows, const Matrices& columns, Size size) {
    const int64_t padded = round_up(size.depth, TILE);
    const int64_t block = std::min(size.rows, ROWS);
    const int64_t range = std::min(round_up(size.columns, LANES), REGISTERS / block / PANEL * PANEL);
    std::vector<int16_t> fields(block * 3 * padded);
    std::vector<int32_t> bits(block * range), units(block * range);
    Panel panel;
    for (int64_t first_row = 0; first_row < size.rows; first_row += block) {
        const int64_t count = std::min(block, size.rows - first_row);
        steps.split_rows(rows.from(0, first_row), count, size.depth, padded, fields.data());
        for (int64_t start = 0; start < size.columns; start += range) {
            const int64_t width = std::min(range, size.columns - start);
            const Sums own = sums.from(0, first_row, start);
            for (int64_t m = 0; m < count; ++m)
                for (int64_t n = 0; n < width; ++n) {
                    const Register held = load_register(own.data[m * own.row + n * own.column]);
                    bits[m * range + n] = held.bits;
                    units[m * range + n] = held.unit;
                }
            for (int64_t k = 0; k < padded; k += TILE)
                for (int64_t n = 0; n < width; n += PANEL) {
                    const int64_t depth = std::min<int64_t>(TILE, size.depth - k);
                    const int64_t panel_width = std::min<int64_t>(PANEL, width - n);
                    steps.split_panel(columns, k, start + n, depth, panel_width, panel);
                    for (int64_t m = 0; m < count; ++m) {
                        int16_t* row = fields.data() + m * 3 * padded + k;
                        const int64_t place = m * range + n;
                        steps.add_tile(
                            {row, row + padded, row + 2 * padded}, panel, round_up(panel_width, LANES), &bits[place],
                            &units[place]);
                    }
                }
            for (int64_t m = 0; m < count; ++m)
                for (int64_t n = 0; n < width; ++n)
                    own.data[m * own.row + n * own.column] =
                        read_register({bits[m * range + n], units[m * range + n]});
        }
    }
}

// sums += first @ second, in `batches` stacks. The loops run over rows and, 32 at a time, over columns: either operand
// may be either, whichever leaves fewer lanes empty. Threads share the batch, or else the columns or the rows.
inline void multiply(
    Sums sums, Matrices first, Matrices second, int64_t batches, Size size, int phases, bool wide, int threads) {
    const bool rows_first =
        size.rows * round_up(size.columns, LANES) <= size.columns * round_up(size.rows, LANES);
    if (!rows_first) {
        std::swap(first, second);
        std::swap(sums.row, sums.column);
        std::swap(size.rows, size.columns);
    }
    const Steps steps = choose_steps(phases, wide, rows_first, first.is_float32, second.is_float32);
    const bool by_columns = size.columns >= threads * PANEL;
    const int64_t shared = batches > 1 ? batches : by_columns ? round_up(size.columns, PANEL) / PANEL : size.rows;
    share_out(shared, threads, [&](int64_t begin, int64_t end) {
        if (batches > 1) {
            for (int64_t number = begin; number < end; ++number)
                add_products(steps, sums.from(number, 0, 0), first.from(number, 0), second.from(number, 0), size);
        } else if (by_columns) {
            const int64_t start = begin * PANEL, stop = std::min(end * PANEL, size.columns);
            const Size part{size.rows, size.depth, stop - start};
            add_products(steps, sums.from(0, 0, start), first, second.from(0, start), part);
        } else if (begin < end) {
            const Size part{end - begin, size.depth, size.columns};
            add_products(steps, sums.from(0, begin, 0), first.from(0, begin), second, part);
        }
    });
}

// A program that takes `depth` terms at a time keeps its sums in a format in between. They go back to the register
// before the next block, or the packer adds the block's own sums to them: it does so for `added` blocks.
struct Spill {
    int64_t depth;
    Format format;
    int64_t added;
};

inline void round_sums(float* sums, int64_t rows, int64_t columns, Format format) {
    if (format == Format::FLOAT32) return;
    std::vector<uint16_t> row(columns);
    for (int64_t m = 0; m < rows; ++m, sums += columns) {
        pack_row(sums, row.data(), columns, format);
        for (int64_t n = 0; n < columns; ++n) sums[n] = from_bfloat16(row[n]);
    }
}

// result = first @ second, [batches, rows, columns] side by side, with what the program rounds between its blocks.
inline void multiply_in_blocks(
    float* result, const Matrices& first, const Matrices& second, int64_t batches, Size size, int phases, bool wide,
    int threads, const Spill& spill) {
    const int64_t count = batches * size.rows * size.columns;
    std::vector<float> before(count);
    std::fill_n(result, count, 0.0f);
    for (int64_t start = 0, number = 0; start < size.depth; start += spill.depth, ++number) {
        const bool added = number < spill.added;
        if (number) {
            round_sums(result, batches * size.rows, size.columns, spill.format);
            if (added) {
                std::copy_n(result, count, before.data());
                std::fill_n(result, count, 0.0f);
            }
        }
        const auto from = [&](const Matrices& matrices) {
            const int64_t step = start * matrices.depth * (matrices.is_float32 ? 4 : 2);
            return Matrices{
                static_cast<const char*>(matrices.data) + step, matrices.is_float32, matrices.batch, matrices.line,
                matrices.depth};
        };
        multiply(
            {result, size.rows * size.columns, size.columns, 1}, from(first), from(second), batches,
            {size.rows, std::min(spill.depth, size.depth - start), size.columns}, phases, wide, threads);
        if (!added) continue;
        for (int64_t i = 0; i < count; ++i) {
            const float total = number ? result[i] + before[i] : result[i];
            result[i] = wide ? total : from_bfloat16(pack_bfloat16<Rounding::NEAREST_EVEN>(total));
        }
    }
}

}  // namespace tensix::matmul
