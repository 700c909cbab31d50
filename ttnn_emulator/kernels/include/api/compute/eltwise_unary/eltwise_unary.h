// SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
// SPDX-License-Identifier: Apache-2.0

// The first configuration of a kernel with one input.
#pragma once
#include "api/compute/common.h"

namespace ckernel {
inline void unary_op_init_common(uint32_t in, uint32_t out, AT) { compute_kernel_hw_startup(in, out, HERE); }
inline void init_sfpu(uint32_t in, uint32_t out, AT) { compute_kernel_hw_startup(in, out, HERE); }
}  // namespace ckernel
