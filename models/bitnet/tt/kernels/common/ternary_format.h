// SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
// SPDX-License-Identifier: Apache-2.0
// Two-bit weights: the unpacker of the matrix unit's first source reads sign and one bit of magnitude (block floats of
// two bits), with the exponent of 1.0 from a register, so that a tile is 256 bytes. No buffer can be declared so:
// declare it as bfloat4_b, start a product with it, then switch. `end_ternary` must come before anything else is
// unpacked.
#pragma once

#include "api/compute/common.h"
#ifdef TRISC_UNPACK
#include "cunpack_common.h"
#endif

constexpr uint32_t BLOCK_FLOAT_2 = 15;
constexpr uint32_t EXPONENT_OF_ONE = 127;

ALWI void begin_ternary() {
#ifdef TRISC_UNPACK
    TTI_STALLWAIT(p_stall::STALL_CFG, p_stall::UNPACK0);
    cfg_reg_rmw_tensix<THCON_SEC0_REG0_TileDescriptor_ADDR32, 0, 0x0f>(BLOCK_FLOAT_2);
    cfg_reg_rmw_tensix<THCON_SEC0_REG2_Out_data_format_RMW>(BLOCK_FLOAT_2);
    get_cfg_pointer()[UNP0_FORCED_SHARED_EXP_shared_exp_ADDR32] = EXPONENT_OF_ONE;
    cfg_reg_rmw_tensix<THCON_SEC0_REG2_Force_shared_exp_RMW>(1);
#endif
#if defined(TRISC_MATH) && defined(ARCH_BLACKHOLE)
    // the matrix unit shall take the format that was configured, bfloat4_b, not the one that the unpacker wrote
    TTI_SETC16(DISABLE_IMPLIED_SRCA_FMT_Base_ADDR32, 1);
#endif
}

ALWI void end_ternary() {
#ifdef TRISC_UNPACK
    TTI_STALLWAIT(p_stall::STALL_CFG, p_stall::UNPACK0);
    cfg_reg_rmw_tensix<THCON_SEC0_REG2_Force_shared_exp_RMW>(0);
#endif
#if defined(TRISC_MATH) && defined(ARCH_BLACKHOLE)
    TTI_SETC16(DISABLE_IMPLIED_SRCA_FMT_Base_ADDR32, 0);
#endif
}
