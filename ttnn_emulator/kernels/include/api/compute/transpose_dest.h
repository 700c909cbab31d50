// SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
// SPDX-License-Identifier: Apache-2.0

// Transposes a tile of the destination register.
#pragma once
#include "api/compute/common.h"

namespace ckernel {
template <bool is_32bit = false, bool transpose_of_faces = true>
inline void transpose_dest_init(uint32_t = 0) {}
template <bool is_32bit = false, bool transpose_of_faces = true>
inline void transpose_dest(uint32_t tile, AT) {
    static_assert(transpose_of_faces, "transposing each face for itself is not emulated");
    MATH(emu_transpose(tile, HERE);)
}
}  // namespace ckernel
