// SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
// SPDX-License-Identifier: Apache-2.0

// The arithmetic of the matrix and vector units on whole tiles, row by row. The units themselves are in
// ttnn_emulator/arithmetic/native.
#pragma once

#include "calls.h"
#include "machine.h"

namespace runner::units {

// sums [rows][32] += a [rows][32] @ b [32][32].
void add_products(const ComputeSettings& settings, const float* a, const float* b, float* sums, uint32_t rows);

// The matrix unit's a + b, a - b or a * b on tiles, into `a`.
void apply_matrix_unit(const ComputeSettings& settings, int operation, float* a, const float* b);

// Adds products to what the destination register holds.
void accumulate(const ComputeSettings& settings, float* held, const float* products);

// The vector unit's operation on two tiles, into `a`.
void apply_vector_unit(const ComputeSettings& settings, int operation, float* a, const float* b);

// The vector unit's function of a tile, and of a number where it takes one.
void apply_function(const ComputeSettings& settings, int function, float* tile, float number);

// The numbers of a tile's column joined to one, in the vector unit's order: their sum, or the largest or smallest one.
float join_rows(const ComputeSettings& settings, int pool, const float* column);

// The numbers of a tile's row joined to one.
float join_columns(int pool, const float* row);

}  // namespace runner::units
