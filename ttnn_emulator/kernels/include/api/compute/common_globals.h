// SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
// SPDX-License-Identifier: Apache-2.0
// The three threads of a compute kernel. Plain, one fiber runs all three parts. Sanitized, a kernel is compiled once for
// each thread (EMU_ONE_THREAD), and three fibers run them.
#pragma once

#ifndef EMU_ONE_THREAD
#define TRISC_UNPACK
#define TRISC_MATH
#define TRISC_PACK
#endif
#ifdef TRISC_UNPACK
#define UNPACK(...) __VA_ARGS__
#else
#define UNPACK(...)
#endif
#ifdef TRISC_MATH
#define MATH(...) __VA_ARGS__
#else
#define MATH(...)
#endif
#ifdef TRISC_PACK
#define PACK(...) __VA_ARGS__
#else
#define PACK(...)
#endif

enum class SrcOrder { Regular, Reverse };
enum class VectorMode { None, R, C, RC, RC_custom };
enum class BroadcastType { NONE, COL, ROW, SCALAR };
enum class EltwiseBinaryType { ELWMUL, ELWDIV, ELWADD, ELWSUB, ELWLESS };
enum PoolType { SUM, AVG, MAX, MIN };
enum ReduceDim { REDUCE_ROW, REDUCE_COL, REDUCE_SCALAR };
namespace ckernel {
using ::SrcOrder;
using ::VectorMode;
using ::BroadcastType;
using ::EltwiseBinaryType;
using ::PoolType;
using ::ReduceDim;
}  // namespace ckernel
using namespace ckernel;

// Registers of the unpacker that kernels write themselves: the formats and exponents of SrcA.
enum {
    THCON_SEC0_REG0_TileDescriptor_ADDR32 = 0,
    UNP0_FORCED_SHARED_EXP_shared_exp_ADDR32 = 3,
    DISABLE_IMPLIED_SRCA_FMT_Base_ADDR32 = 4,
};
#define THCON_SEC0_REG2_Out_data_format_RMW 1, 0, 0xf
#define THCON_SEC0_REG2_Force_shared_exp_RMW 2, 0, 1
#define TTI_STALLWAIT(...) ((void)0)
#define TTI_SETC16(number, value) (emu_unpacker_registers()[number] = (value))
template <uint32_t number, uint32_t shift, uint32_t mask>
inline void cfg_reg_rmw_tensix(uint32_t value) {
    volatile uint32_t* word = emu_unpacker_registers() + number;
    *word = (*word & ~mask) | (value << shift & mask);
}
inline volatile uint32_t* get_cfg_pointer() { return emu_unpacker_registers(); }
