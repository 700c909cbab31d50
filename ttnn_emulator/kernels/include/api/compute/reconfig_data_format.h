// SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
// SPDX-License-Identifier: Apache-2.0
// Formats that the unpacker and the packer are configured for.
#pragma once
#include "api/compute/common_globals.h"
namespace ckernel {
inline void reconfig_data_format_srca(uint32_t cb, AT) { UNPACK(emu_configure(EMU_SOURCE_A, cb, HERE);) }
inline void reconfig_data_format_srcb(uint32_t cb, AT) { UNPACK(emu_configure(EMU_SOURCE_B, cb, HERE);) }
inline void reconfig_data_format_srca(uint32_t, uint32_t cb, AT) { reconfig_data_format_srca(cb, HERE); }
inline void reconfig_data_format_srcb(uint32_t, uint32_t cb, AT) { reconfig_data_format_srcb(cb, HERE); }
template <SrcOrder order = SrcOrder::Regular>
inline void reconfig_data_format(uint32_t in0, uint32_t in1, AT) {
    constexpr bool reverse = order == SrcOrder::Reverse;
    reconfig_data_format_srca(reverse ? in1 : in0, HERE);
    reconfig_data_format_srcb(reverse ? in0 : in1, HERE);
}
template <bool tile_dim = false>
inline void pack_reconfig_data_format(uint32_t cb, AT) { PACK(emu_configure(EMU_PACKER, cb, HERE);) }
template <bool tile_dim = false>
inline void pack_reconfig_data_format(uint32_t, uint32_t cb, AT) { pack_reconfig_data_format(cb, HERE); }
}  // namespace ckernel
