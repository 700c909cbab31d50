// SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
// SPDX-License-Identifier: Apache-2.0
// The first configuration of a compute kernel.
#pragma once
#include "api/compute/reconfig_data_format.h"
namespace ckernel {
template <SrcOrder order = SrcOrder::Regular>
inline void compute_kernel_hw_startup(uint32_t in0, uint32_t in1, uint32_t out, AT) {
    reconfig_data_format<order>(in0, in1, HERE);
    pack_reconfig_data_format(out, HERE);
}
inline void compute_kernel_hw_startup(uint32_t in, uint32_t out, AT) { compute_kernel_hw_startup(in, in, out, HERE); }
}  // namespace ckernel
