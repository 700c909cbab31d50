// SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
// SPDX-License-Identifier: Apache-2.0
// Data movement: reads the upper rows of tiles and leaves the others out. Touches no circular buffer and no semaphore
// of its own.
#pragma once

#include "api/dataflow/dataflow_api.h"
#include "faces.h"

// Reads the first `rows` rows of `tiles` tiles, from tile `first` of a tensor on. They arrive in whole tiles at `to`,
// whose other rows stay as they are. The caller waits for the reads.
template <uint32_t rows, uint32_t value_bytes, typename Tensor>
void read_rows_in_use(const Tensor& tensor, uint32_t first, uint32_t tiles, uint32_t to) {
    for (uint32_t tile = first; tile < first + tiles; tile++, to += faces::tile_bytes(value_bytes)) {
        for (uint32_t top = 0; top < rows; top += faces::SIDE) {
            const uint32_t high = rows - top < faces::SIDE ? rows - top : faces::SIDE;
            const uint32_t left = faces::half_row(top, 0, value_bytes);
            const uint32_t right = faces::half_row(top, 1, value_bytes);
            const uint32_t bytes = high * faces::half_row_bytes(value_bytes);
            noc_async_read(tensor.get_noc_addr(tile, left), to + left, bytes);
            noc_async_read(tensor.get_noc_addr(tile, right), to + right, bytes);
        }
    }
}
