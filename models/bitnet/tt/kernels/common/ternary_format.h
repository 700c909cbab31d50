// SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
// SPDX-License-Identifier: Apache-2.0
// Compute: switches the unpacker to ternary weights of two bits, sign and one bit of magnitude, and back. The unpacker
// of the matrix unit's first source reads them as block floats of two bits. It takes the exponent of 1.0 from a
// register, so that a tile is 256 bytes. No circular buffer can be declared in this format. So declare the buffer as
// bfloat4_b, initialise the matrix product with it, then call `begin_ternary`. Call `end_ternary` before the kernel
// unpacks anything else. Touches no circular buffer and no semaphore of its own.
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
    // The matrix unit must take the format that was configured, bfloat4_b, and not the one that the unpacker wrote.
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
