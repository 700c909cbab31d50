// SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
// SPDX-License-Identifier: Apache-2.0
// What a core of prefill's programs is told: its share, in tiles, and its place.
#pragma once

#include <cstdint>

namespace codes_share {  // of prefill_codes: a part of K for some rows of tiles, `NUMBER` in a team of this rectangle
enum : uint32_t { NUMBER, FIRST_PART, PARTS, FIRST_ROW, ROWS, LEFT, TOP, RIGHT, BOTTOM };
}

namespace product_share {  // of prefill_product: groups of columns for some rows of tiles; where the core is in the
// grid, and NoC coordinates of all the grid's columns and rows
enum : uint32_t { X, Y, FIRST_ROW, ROWS, FIRST_GROUP, GROUPS, PLACES };
}  // namespace product_share
