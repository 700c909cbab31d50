// SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
// SPDX-License-Identifier: Apache-2.0
// The tables that a chip's firmware keeps: where the banks of DRAM and L1 are. DRAM bank b is the place (63, b).
#pragma once

#include <noc/noc_parameters.h>

constexpr uint8_t noc_index = NOC_INDEX;
constexpr uint8_t noc_mode = NOC_MODE;
constexpr uint32_t INVALID = 0, VALID = 1;  // of a semaphore

namespace emu {
struct DramBanks {
    constexpr uint32_t operator[](uint32_t bank) const { return 63 | bank << 6; }
};
struct L1Banks {
    constexpr uint32_t operator[](uint32_t bank) const { return l1_banks[bank]; }
};
struct ZeroOffsets {
    constexpr int32_t operator[](uint32_t) const { return 0; }
};
template <typename Table>
struct OnBothNocs {
    constexpr Table operator[](uint32_t) const { return {}; }
};
}  // namespace emu

constexpr emu::OnBothNocs<emu::DramBanks> dram_bank_to_noc_xy;
constexpr emu::OnBothNocs<emu::L1Banks> l1_bank_to_noc_xy;
constexpr emu::ZeroOffsets bank_to_dram_offset, bank_to_l1_offset;

#define NOC_UNICAST_WRITE_VC 1
#define NOC_MULTICAST_WRITE_VC 4
template <uint32_t divisor>
constexpr uint32_t udivsi3_const_divisor(uint32_t n) { return n / divisor; }
template <uint32_t divisor>
constexpr uint32_t umodsi3_const_divisor(uint32_t n) { return n % divisor; }
