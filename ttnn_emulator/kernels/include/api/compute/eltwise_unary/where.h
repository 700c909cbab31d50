// SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
// SPDX-License-Identifier: Apache-2.0
// Of each place, the value of the second tile where the first one is not zero, else that of the third.
#pragma once
#include "api/compute/common.h"

namespace ckernel {
inline void where_tile_init() {}
template <DataFormat format>
inline void where_tile(uint32_t condition, uint32_t a, uint32_t b, uint32_t to, AT) {
    MATH(emu_where(condition, a, b, to, HERE);)
}
}  // namespace ckernel
