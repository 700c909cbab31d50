// SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
// SPDX-License-Identifier: Apache-2.0
// Every kernel is compiled behind this: the language of a RISC-V kernel, on this CPU.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>
#include <variant>

#include "../../runner/calls.h"
#include "board.h"  // made for each board: its banks and alignments

typedef unsigned int uint;
#define FORCE_INLINE inline __attribute__((always_inline))
#define ALWI inline __attribute__((always_inline))
#define tt_l1_ptr
#define tt_reg_ptr
#define KERNEL_BUILD
#define NOC_MODE 0
#define NUM_NOCS 2
#define COORDINATE_VIRTUALIZATION_ENABLED 1
#define FABRIC_1D_PKT_HDR_EXTENSION_WORDS 0  // packets pass up to 16 chips

// Where a call stands, as the last parameters of a function of the API.
#define AT const char *file = __builtin_FILE(), int line = __builtin_LINE()
#define HERE file, line

enum class DataFormat : uint8_t {
    Float32 = 0, Float16 = 1, Bfp8 = 2, Bfp4 = 3, Tf32 = 4, Float16_b = 5, Bfp8_b = 6, Bfp4_b = 7, Int32 = 8, UInt16 = 9,
    Lf8 = 10, Bfp2 = 11, Int8 = 14, Bfp2_b = 15, UInt32 = 24, UInt8 = 30, Invalid = 255
};

enum class ProgrammableCoreType { TENSIX, ACTIVE_ETH, IDLE_ETH, DRAM };

// What is known of the kernel when it is compiled. A header that is made for each kernel specialises it.
namespace emu {
struct ThisKernel;
template <typename Kernel>
struct Constants;
}  // namespace emu

#include "api/compile_time_args.h"
#include "hostdevcommon/kernel_structs.h"

template <typename Kernel = emu::ThisKernel>
constexpr uint32_t get_tile_size(uint32_t buffer) { return emu::Constants<Kernel>::tile_bytes[buffer]; }
template <typename Kernel = emu::ThisKernel>
constexpr uint32_t get_tile_hw(uint32_t buffer) { return emu::Constants<Kernel>::tile_rows[buffer] * 32; }
template <typename Kernel = emu::ThisKernel>
constexpr DataFormat get_dataformat(uint32_t buffer) { return DataFormat(emu::Constants<Kernel>::formats[buffer]); }

template <typename T>
T get_arg_val(int index) { return std::bit_cast<T>(emu_argument(index, 0)); }
template <typename T>
T get_common_arg_val(int index) { return std::bit_cast<T>(emu_argument(index, 1)); }
static inline uintptr_t get_arg_addr(int index) { return emu_argument_address(index, 0); }
static inline uintptr_t get_common_arg_addr(int index) { return emu_argument_address(index, 1); }

extern "C" __attribute__((visibility("default"))) void emu_kernel_main();
#define kernel_main emu_kernel_main
