// SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
// SPDX-License-Identifier: Apache-2.0

// Writing one row of each head into caches [blocks, heads, block, width], rounded to the cache's format.
//
// Example: the place {3, 7, 20} puts the rows of user 3 into row 20 of block 7, one for each head.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "eltwise.h"
#include "formats.h"

namespace tensix::cache {

struct Place {
    int64_t user, block, row;
};

struct Cache {
    void* data;
    Format format;
    int64_t heads, block, width;
};

// `rows` are [users, heads or more, width] with `user` and `head` as steps. The unit that untilizes them keeps
// `significant_bits`.
inline void write_rows(
    const Cache& cache, const eltwise::Row& rows, int64_t user, int64_t head, const Place* places, int64_t count,
    int significant_bits) {
    std::vector<float> row(cache.width);
    for (const Place* place = places; place < places + count; ++place)
        for (int64_t own = 0; own < cache.heads; ++own) {
            rows.read(row.data(), place->user * user + own * head, cache.width);
            for (float& value : row) value = truncate(value, significant_bits);
            const int64_t start = ((place->block * cache.heads + own) * cache.block + place->row) * cache.width;
            if (cache.format == Format::FLOAT32)
                std::copy_n(row.data(), cache.width, static_cast<float*>(cache.data) + start);
            else
                pack_row(row.data(), static_cast<uint16_t*>(cache.data) + start, cache.width, cache.format);
        }
}

}  // namespace tensix::cache
