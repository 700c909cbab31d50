// SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
// SPDX-License-Identifier: Apache-2.0
// Finds the largest logits of rows that lie in tiles, and their tokens. Both data-movement processors of every core run
// this kernel. A processor with tiles is a scanner: it looks through its tiles, and keeps a list of the best of every
// row; see best_list.h. Scanner s belongs to group s % `groups`. A merge joins the lists of one row and one group, and
// writes them as one tile column of the results. Scanners send their lists to the cores that merge.
//
// | buffer          | what it holds                                          | written by     | read by        |
// |-----------------|--------------------------------------------------------|----------------|----------------|
// | tiles_buffer    | two times `at_once` tiles; later what is written out   | this processor | this processor |
// | lists_buffer    | this scanner's lists, one a row; later the merged list | this processor | this processor |
// | gathered_buffer | the lists that this core merges, one merge after the   | all scanners   | this core      |
// |                 | other                                                  |                |                |
//
// All three serve as memory: nothing is pushed, waited for or popped.
//
// | semaphore | meaning                 | set by                               | waited for by     |
// |-----------|-------------------------|--------------------------------------|-------------------|
// | ARRIVED   | lists that have arrived | every scanner, on every merging core | the merging cores |
#include "best_list.h"
#include "rows_in_use.h"

constexpr uint32_t rows = get_named_compile_time_arg_val("rows");
constexpr uint32_t width = get_named_compile_time_arg_val("width");  // of a row; padding follows up to a whole tile
constexpr uint32_t groups = get_named_compile_time_arg_val("groups");
constexpr uint32_t mergers = get_named_compile_time_arg_val("mergers");  // cores that merge
constexpr uint32_t scanners = get_named_compile_time_arg_val("scanners");
constexpr uint32_t value_bytes = get_named_compile_time_arg_val("value_bytes");  // of a logit
constexpr uint32_t at_once = get_named_compile_time_arg_val("at_once");          // tiles that are read together
constexpr uint32_t TILES = get_named_compile_time_arg_val("tiles_buffer");
constexpr uint32_t LISTS = get_named_compile_time_arg_val("lists_buffer");
constexpr uint32_t GATHERED = get_named_compile_time_arg_val("gathered_buffer");

constexpr auto logits_layout = TensorAccessorArgs<0>();
constexpr auto tokens_layout = TensorAccessorArgs<logits_layout.next_compile_time_args_offset()>();
constexpr auto values_layout = TensorAccessorArgs<tokens_layout.next_compile_time_args_offset()>();

enum ScannerArguments : uint32_t {
    SCANNER,     // the number of this processor among all
    FIRST_TILE,  // of this scanner
    TILE_COUNT,  // how many of them, 0 for a processor that does not scan
    MERGER,      // the number of this core among those that merge; `merges` for a processor that does not merge
};
enum CommonArguments : uint32_t {
    LOGITS_AT,
    TOKENS_AT,
    VALUES_AT,
    MERGERS,  // NoC coordinates x and y of each core that merges
};
enum Semaphores : uint32_t { ARRIVED };

constexpr uint32_t tile_bytes = faces::tile_bytes(value_bytes);

constexpr uint32_t merges = rows * groups;  // merge m is that of row m / groups and of group m % groups
constexpr uint32_t slots = (scanners + groups - 1) / groups;  // lists of the largest group

void scan(List list, uint32_t row, uint32_t from, uint32_t tiles, uint32_t column) {
    int32_t least = list.least();
    const auto consider = [&](uint32_t bits, uint32_t at) {
        const int32_t key = key_of(bits);
        if (key > least && at < width) {
            list.insert(key, at);
            least = list.least();
        }
    };
    constexpr uint32_t words_in_half = faces::half_row_bytes(value_bytes) / 4;
    for (uint32_t tile = 0; tile < tiles; tile++, from += tile_bytes) {
        for (uint32_t half = 0; half < 2; half++, column += faces::SIDE) {
            const auto values = words(from + faces::half_row(row, half, value_bytes));
            for (uint32_t first = 0; first < words_in_half; first += 4) {
                // Four loads that do not wait for each other.
                const uint32_t four[] = {values[first], values[first + 1], values[first + 2], values[first + 3]};
#pragma GCC unroll 4
                for (uint32_t i = 0; i < 4; i++) {
                    if constexpr (value_bytes == faces::FLOAT32) {
                        consider(four[i], column + first + i);
                    } else {
                        consider(four[i] << 16, column + 2 * (first + i));
                        consider(four[i] & 0xffff0000, column + 2 * (first + i) + 1);
                    }
                }
            }
        }
    }
}

void scan_all(uint32_t first, uint32_t tiles, uint32_t lists) {
    const auto logits = TensorAccessor(logits_layout, get_common_arg_val<uint32_t>(LOGITS_AT));
    const uint32_t buffer = get_write_ptr(TILES);
    const auto size = [&](uint32_t done) { return tiles - done < at_once ? tiles - done : at_once; };
    for (uint32_t row = 0; row < rows; row++) {
        List(lists + row * list_bytes).clear();
    }
    read_rows_in_use<rows, value_bytes>(logits, first, size(0), buffer);
    for (uint32_t done = 0, turn = 0; done < tiles; done += at_once, turn ^= 1) {
        noc_async_read_barrier();
        const uint32_t next = done + at_once;
        if (next < tiles) {
            const uint32_t to = buffer + (turn ^ 1) * at_once * tile_bytes;
            read_rows_in_use<rows, value_bytes>(logits, first + next, size(next), to);
        }
        for (uint32_t row = 0; row < rows; row++) {
            const uint32_t from = buffer + turn * at_once * tile_bytes;
            scan(List(lists + row * list_bytes), row, from, size(done), (first + done) * faces::TILE);
        }
    }
}

void send(uint32_t lists, uint32_t scanner, uint32_t arrived) {
    const uint32_t group = scanner % groups, slot = scanner / groups;
    const auto merger = [](uint32_t merge, uint32_t address) {
        const uint32_t place = MERGERS + 2 * (merge % mergers);
        return get_noc_addr(get_common_arg_val<uint32_t>(place), get_common_arg_val<uint32_t>(place + 1), address);
    };
    for (uint32_t row = 0; row < rows; row++) {
        const uint32_t merge = row * groups + group;
        const uint32_t to = get_write_ptr(GATHERED) + (merge / mergers * slots + slot) * list_bytes;
        noc_async_write(lists + row * list_bytes, merger(merge, to), list_bytes);
    }
    noc_async_write_barrier();
    for (uint32_t row = 0; row < rows; row++) {
        noc_semaphore_inc(merger(row * groups + group, arrived), 1);
    }
    noc_async_atomic_barrier();
}

// The scanners of a group.
constexpr uint32_t lists_of(uint32_t group) { return (scanners - group + groups - 1) / groups; }

// Joins the lists of a merge, in the order of their tokens.
void merge_lists(List best, uint32_t merge) {
    best.clear();
    uint32_t from = get_write_ptr(GATHERED) + merge / mergers * slots * list_bytes;
    for (uint32_t i = 0; i < lists_of(merge % groups); i++, from += list_bytes) {
        const List list(from);
        for (uint32_t j = 0; j < count && list.key(j) > best.least(); j++) {
            best.insert(list.key(j), list.token(j));
        }
    }
}

void kernel_main() {
    const auto tokens = TensorAccessor(tokens_layout, get_common_arg_val<uint32_t>(TOKENS_AT));
    const auto values = TensorAccessor(values_layout, get_common_arg_val<uint32_t>(VALUES_AT));
    const uint32_t tiles = get_arg_val<uint32_t>(TILE_COUNT), merger = get_arg_val<uint32_t>(MERGER);
    const uint32_t lists = get_write_ptr(LISTS), arrived = get_semaphore(ARRIVED);
    if (tiles) {
        scan_all(get_arg_val<uint32_t>(FIRST_TILE), tiles, lists);
        send(lists, get_arg_val<uint32_t>(SCANNER), arrived);
    }
    if (merger == merges) {
        return;
    }
    uint32_t expected = 0;
    for (uint32_t merge = merger; merge < merges; merge += mergers) {
        expected += lists_of(merge % groups);
    }
    noc_semaphore_wait(words(arrived), expected);
    const List best(lists);  // this core's own lists are sent, so their memory is free
    for (uint32_t merge = merger; merge < merges; merge += mergers) {
        merge_lists(best, merge);
        write(best, merge / groups, merge % groups, get_write_ptr(TILES), tokens, values);
    }
}
