// SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
// SPDX-License-Identifier: Apache-2.0
// Data movement: a list of a row's largest logits and their tokens, and how it becomes results. Logits are compared as
// integers, so that the list is exact. Of equal logits the first token comes first. NaN of either sign counts as more
// than infinity. A row that holds NaN, infinity or a logit above `largest` is unsound: all its tokens are `no_token`,
// and their logits are `largest`. Touches no circular buffer and no semaphore of its own.
#pragma once

#include "faces.h"
#include "words.h"

// `list_constants` in best_tokens.py gives these.
constexpr uint32_t count = get_named_compile_time_arg_val("count");            // pairs in a list
constexpr uint32_t list_bytes = get_named_compile_time_arg_val("list_bytes");  // from a list to the one behind it
constexpr uint32_t no_token = get_named_compile_time_arg_val("no_token");
constexpr uint32_t largest = get_named_compile_time_arg_val("largest");  // the bits of a float32

constexpr int32_t NOTHING = 0x80000000;  // less than the key of any logit
constexpr uint32_t shift = 0x7fffff;     // of keys: to where those of negative NaNs wrap around, above all others

// A float32's bits as a number that grows with it; both zeros have one. (0xff800001, a negative NaN that no arithmetic
// gives, is NOTHING.)
constexpr int32_t key_of(uint32_t bits) { return (bits & 0x80000000 ? 0x80000000 - bits : bits) - shift; }

// Of a number that is no NaN.
constexpr uint32_t bits_of(int32_t key) {
    const uint32_t number = key + shift;
    return number & 0x80000000 ? 0x80000000 - number : number;
}

// Pairs of a key and its token, the largest key first.
class List {
public:
    explicit List(uint32_t address) : pairs(words(address)) {}

    int32_t key(uint32_t i) const { return pairs[2 * i]; }
    uint32_t token(uint32_t i) const { return pairs[2 * i + 1]; }
    int32_t least() const { return key(count - 1); }
    bool is_sound() const { return key(0) <= key_of(largest); }

    void clear() const {
        for (uint32_t i = 0; i < count; i++) {
            set(i, NOTHING, no_token);
        }
    }

    bool comes_before(int32_t key_in, uint32_t token_in, uint32_t i) const {
        return key_in > key(i) || (key_in == key(i) && token_in < token(i));
    }

    // Inserts a pair that comes before the last one.
    void insert(int32_t key_in, uint32_t token_in) const {
        uint32_t at = count - 1;
        for (; at > 0 && comes_before(key_in, token_in, at - 1); at--) {
            set(at, key(at - 1), token(at - 1));
        }
        set(at, key_in, token_in);
    }

private:
    volatile tt_l1_ptr uint32_t* pairs;

    void set(uint32_t i, int32_t key_in, uint32_t token_in) const {
        pairs[2 * i] = key_in;
        pairs[2 * i + 1] = token_in;
    }
};

// The bits of a whole number below 2^24 as a float32.
inline uint32_t as_float(uint32_t number) {
    if (number == 0) {
        return 0;
    }
    uint32_t exponent = 127 + 23;
    for (; number < 1 << 23; number <<= 1) {
        exponent--;
    }
    return exponent << 23 | (number & 0x7fffff);
}

#ifdef CANDIDATES
// Writes row `row` of tile `tile` of two tensors in float32: the tokens and their logits. `scratch` is free memory.
template <typename Tokens, typename Values>
void write(List best, uint32_t row, uint32_t tile, uint32_t scratch, const Tokens& tokens, const Values& values) {
    const bool is_sound = best.is_sound();
    for (uint32_t i = 0; i < count; i++) {
        words(scratch)[i] = as_float(is_sound ? best.token(i) : no_token);
        words(scratch)[count + i] = is_sound ? bits_of(best.key(i)) : largest;
    }
    constexpr uint32_t bytes = faces::half_row_bytes(faces::FLOAT32);
    for (uint32_t half = 0; half < 2; half++) {
        const uint32_t to = faces::half_row(row, half, faces::FLOAT32);
        noc_async_write(scratch + half * bytes, tokens.get_noc_addr(tile, to), bytes);
        noc_async_write(scratch + (2 + half) * bytes, values.get_noc_addr(tile, to), bytes);
    }
    noc_async_write_barrier();
}
#else
// Writes the token of row `row`. A write to DRAM must begin as far past a multiple of 16 bytes in L1 as in DRAM.
template <typename Tokens, typename Values>
void write(List best, uint32_t row, uint32_t tile, uint32_t scratch, const Tokens& tokens, const Values&) {
    const uint32_t from = scratch + row % 4 * 4;
    *words(from) = best.is_sound() ? best.token(0) : no_token;
    noc_async_write(from, tokens.get_noc_addr(tile, row * 4), 4);
    noc_async_write_barrier();
}
#endif
