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

// Two numbers of a pool: their sum, or the larger or the smaller one.
float join(int pool, float x, float y);

}  // namespace runner::units
