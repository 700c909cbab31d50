// SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
// SPDX-License-Identifier: Apache-2.0
// Writer: sends the logits of this core's candidates to the cores that merge, each of which merges one row. A merging
// core writes the best of its row; see best_list.h. A candidate that is no token has NaN as its logit. So a row that
// had no best token in the first pass has none.
//
// | buffer      | what it holds                                        | pushed by   | waited for by | popped by   |
// |-------------|------------------------------------------------------|-------------|---------------|-------------|
// | LOGITS      | a logit as the first value of a tile                 | second_pass | this kernel   | this kernel |
// | BEST_TOKENS | a row's shortlist, as memory                         | nobody      | nobody        | nobody      |
// | SENT        | the logits of this core's candidates, as memory      | nobody      | nobody        | nobody      |
// | GATHERED    | the logits of the row that this core merges, written | nobody      | nobody        | nobody      |
// |             | by all cores that have some, as memory               |             |               |             |
// | BEST        | the list of the row, then what is written out, as    | nobody      | nobody        | nobody      |
// |             | memory                                               |             |               |             |
//
// | semaphore | meaning                            | set by                                | waited for by     |
// |-----------|------------------------------------|---------------------------------------|-------------------|
// | ARRIVED   | logits that have arrived at a core | every core, on the cores of its rows | the merging cores |
#include "best_list.h"
#include "shortlist.h"

constexpr uint32_t rows = get_named_compile_time_arg_val("rows");
constexpr uint32_t table_rows = get_named_compile_time_arg_val("table_rows");  // tokens
constexpr uint32_t LOGITS = get_named_compile_time_arg_val("LOGITS");
constexpr uint32_t TOKENS = get_named_compile_time_arg_val("BEST_TOKENS");
constexpr uint32_t SENT = get_named_compile_time_arg_val("SENT");
constexpr uint32_t GATHERED = get_named_compile_time_arg_val("GATHERED");
constexpr uint32_t BEST = get_named_compile_time_arg_val("BEST");

constexpr auto shortlist_layout = TensorAccessorArgs<0>();
constexpr auto tokens_layout = TensorAccessorArgs<shortlist_layout.next_compile_time_args_offset()>();
constexpr auto values_layout = TensorAccessorArgs<tokens_layout.next_compile_time_args_offset()>();

enum SecondBestAddresses : uint32_t {
    SHORTLIST_AT,
    TOKENS_AT,
    VALUES_AT,
    MERGERS,  // NoC coordinates x and y of each row's merging core
};
enum SecondPassSemaphores : uint32_t { ARRIVED };

constexpr uint32_t NO_NUMBER = 0x7fc00000;  // the bits of NaN

uint64_t at_merger(uint32_t row, uint32_t address) {
    const uint32_t x = get_common_arg_val<uint32_t>(MERGERS + 2 * row);
    return get_noc_addr(x, get_common_arg_val<uint32_t>(MERGERS + 2 * row + 1), address);
}

// Takes the logits of candidates of one row, and sends them. A write between cores must begin as far past a multiple of
// 16 bytes here as there, and shortlists are such multiples long.
template <typename Tensor>
void send(const Tensor& shortlists, uint32_t first, uint32_t end) {
    const uint32_t row = first / shortlist::length, tokens = get_write_ptr(TOKENS);
    const uint32_t offset = first % shortlist::length * 4, from = get_write_ptr(SENT) + offset,
                   bytes = 4 * (end - first);
    shortlist::read(shortlists, row, tokens);
    for (uint32_t candidate = first, to = from; candidate < end; candidate++, to += 4) {
        cb_wait_front(LOGITS, 1);
        const bool is_token = shortlist::token_of(tokens, candidate) < table_rows;
        *words(to) = is_token ? *words(get_read_ptr(LOGITS)) : NO_NUMBER;
        cb_pop_front(LOGITS, 1);
    }
    noc_async_write(from, at_merger(row, get_write_ptr(GATHERED) + offset), bytes);
    noc_async_write_barrier();
    noc_semaphore_inc(at_merger(row, get_semaphore(ARRIVED)), end - first);
    noc_async_atomic_barrier();
}

// Lists the best of all logits of a row.
template <typename Tensor>
void merge(const Tensor& shortlists, uint32_t row, List best) {
    const uint32_t tokens = get_write_ptr(TOKENS), logits = get_write_ptr(GATHERED);
    shortlist::read(shortlists, row, tokens);
    best.clear();
    for (uint32_t i = 0; i < shortlist::length; i++) {
        const int32_t key = key_of(words(logits)[i]);
        const uint32_t token = shortlist::token_of(tokens, i);
        if (best.comes_before(key, token, count - 1)) {
            best.insert(key, token);
        }
    }
}

void kernel_main() {
    const auto shortlists = TensorAccessor(shortlist_layout, get_common_arg_val<uint32_t>(SHORTLIST_AT));
    const auto tokens = TensorAccessor(tokens_layout, get_common_arg_val<uint32_t>(TOKENS_AT));
    const auto values = TensorAccessor(values_layout, get_common_arg_val<uint32_t>(VALUES_AT));
    const uint32_t begin = get_arg_val<uint32_t>(FIRST_CANDIDATE);
    const uint32_t last = begin + get_arg_val<uint32_t>(CANDIDATES_HERE), merged = get_arg_val<uint32_t>(MERGED_ROW);
    for (uint32_t first = begin; first < last;) {
        const uint32_t next_row = (first / shortlist::length + 1) * shortlist::length;
        const uint32_t end = next_row < last ? next_row : last;
        send(shortlists, first, end);
        first = end;
    }
    if (merged == rows) {
        return;
    }
    noc_semaphore_wait(words(get_semaphore(ARRIVED)), shortlist::length);
    const List best(get_write_ptr(BEST));
    merge(shortlists, merged, best);
    write(best, merged, 0, get_write_ptr(BEST) + list_bytes, tokens, values);
}
