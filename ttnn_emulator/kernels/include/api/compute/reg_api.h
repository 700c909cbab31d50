// SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
// SPDX-License-Identifier: Apache-2.0
// The destination register goes from math (acquire, commit) to the packer (wait, release) and back.
#pragma once
#include "api/compute/common_globals.h"
namespace ckernel {
inline void tile_regs_acquire(AT) { MATH(emu_acquire(HERE);) }
inline void tile_regs_commit(AT) { MATH(emu_commit(HERE);) }
inline void tile_regs_wait(AT) { PACK(emu_wait_for_math(HERE);) }
inline void tile_regs_release(AT) { PACK(emu_release(HERE);) }
}  // namespace ckernel
