// SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
// SPDX-License-Identifier: Apache-2.0

// A tile of the destination register to another one.
#pragma once
#include "api/compute/common.h"

namespace ckernel {
inline void copy_dest_values_init() {}
template <DataFormat format>
inline void copy_dest_values(uint32_t from, uint32_t to, AT) { MATH(emu_copy_in_dest(from, to, HERE);) }
}  // namespace ckernel
