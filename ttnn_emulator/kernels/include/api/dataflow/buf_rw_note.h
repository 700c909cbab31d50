// SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
// SPDX-License-Identifier: Apache-2.0
// The library's kernels leave notes for its host here, in inline assembly. There is no such host.
#pragma once
#include "internal/tensor/binding_id.h"

namespace tt_buf_rw {
constexpr uint32_t kRead = 1, kWrite = 2;
inline void note_opaque() {}
template <typename T, typename = void>
struct endpoint {
    static constexpr bool present = false;
    static constexpr uint32_t slot = 0;
};
template <uint32_t kind, typename T>
inline void note_if_bound() {}
template <typename T>
inline constexpr uint32_t binding_of = tensor_accessor::NO_BINDING_ID;
template <uint32_t slot>
inline void note_read_write() {}
}  // namespace tt_buf_rw
