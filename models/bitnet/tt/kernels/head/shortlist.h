// SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
// SPDX-License-Identifier: Apache-2.0
// Data movement: how the kernels of the second pass read a row's shortlist. Touches no circular buffer and no semaphore
// of its own.
#pragma once

#include "candidate_arguments.h"
#include "faces.h"
#include "words.h"

namespace shortlist {

constexpr uint32_t length = get_named_compile_time_arg_val("length");  // candidates of a row
constexpr uint32_t BYTES = length * 4;

// Reads the tokens of a row's shortlist, which are float32 in tiles, one behind the other to `to`.
template <typename Tensor>
void read(const Tensor& tokens, uint32_t row, uint32_t to) {
    constexpr uint32_t bytes = faces::half_row_bytes(faces::FLOAT32);
    for (uint32_t half = 0; half < length / faces::SIDE; half++, to += bytes) {
        const uint32_t at = faces::half_row(row, half % 2, faces::FLOAT32);
        noc_async_read(tokens.get_noc_addr(half / 2, at), to, bytes);
    }
    noc_async_read_barrier();
}

// The token of a candidate, from the shortlist at `tokens`: a whole number below 2^24.
inline uint32_t token_of(uint32_t tokens, uint32_t candidate) {
    const uint32_t bits = words(tokens)[candidate % length];
    return bits ? (bits & 0x7fffff | 0x800000) >> (127 + 23 - (bits >> 23)) : 0;
}

}  // namespace shortlist
