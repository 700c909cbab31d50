// SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
// SPDX-License-Identifier: Apache-2.0
// Finds the largest values of rows that lie in tiles, and their columns. Both data-movement processors of every core
// run this kernel. A processor with tiles is a scanner: it looks through its tiles, keeps a list of the best of every
// row, and sends each list to the core that merges this row. The merging core writes the row's best. Floats are
// compared as integers, so that the result is exact. Of equal values the first column wins. NaN of either sign counts
// as more than infinity. A row that holds NaN, infinity or a value above `largest` has no best token: all its tokens
// are `no_token`, and their values are `largest`.
//
// | buffer          | what it holds                                          | written by     | read by        |
// |-----------------|--------------------------------------------------------|----------------|----------------|
// | tiles_buffer    | two times `at_once` tiles; later what is written out   | this processor | this processor |
// | lists_buffer    | this scanner's lists, one a row; later the merged list | this processor | this processor |
// | gathered_buffer | the lists of the row that this core merges             | all scanners   | this core      |
//
// All three serve as memory: nothing is pushed, waited for or popped.
//
// | semaphore | meaning                 | set by                               | waited for by     |
// |-----------|-------------------------|--------------------------------------|-------------------|
// | ARRIVED   | lists that have arrived | every scanner, on every merging core | the merging cores |
#include "rows_in_use.h"
#include "words.h"

constexpr uint32_t rows = get_named_compile_time_arg_val("rows");
constexpr uint32_t count = get_named_compile_time_arg_val("count");  // pairs in a list
constexpr uint32_t list_bytes = get_named_compile_time_arg_val("list_bytes");
constexpr uint32_t scanners = get_named_compile_time_arg_val("scanners");
constexpr uint32_t value_bytes = get_named_compile_time_arg_val("value_bytes");  // of a logit
constexpr uint32_t at_once = get_named_compile_time_arg_val("at_once");          // tiles that are read together
constexpr uint32_t no_token = get_named_compile_time_arg_val("no_token");
constexpr uint32_t largest = get_named_compile_time_arg_val("largest");  // the bits of a float32
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
    MERGED_ROW,  // the row that this processor merges, `rows` for none
};
enum CommonArguments : uint32_t {
    LOGITS_AT,
    TOKENS_AT,
    VALUES_AT,
    MERGERS,  // NoC coordinates x and y of each row's merging core
};
enum Semaphores : uint32_t { ARRIVED };

constexpr uint32_t tile_bytes = faces::tile_bytes(value_bytes);
constexpr int32_t NOTHING = 0x80000000;  // less than the key of any value
constexpr uint32_t shift = 0x7fffff;     // of keys: to where those of negative NaNs wrap around, above all others

// A float32's bits as a number that grows with it; both zeros have one. (0xff800001, a negative NaN that no arithmetic
// gives, is NOTHING.)
constexpr int32_t key_of(uint32_t bits) { return (bits & 0x80000000 ? 0x80000000 - bits : bits) - shift; }

// Of a number that is no NaN.
constexpr uint32_t bits_of(int32_t key) {
    const uint32_t number = key + shift;
    return number & 0x80000000 ? 0x80000000 - number : number;
}

// Pairs of a key and its column, the largest key first.
class List {
public:
    explicit List(uint32_t address) : pairs(words(address)) {}

    int32_t key(uint32_t i) const { return pairs[2 * i]; }
    uint32_t column(uint32_t i) const { return pairs[2 * i + 1]; }
    int32_t least() const { return key(count - 1); }
    bool is_sound() const { return key(0) <= key_of(largest); }

    void clear() const {
        for (uint32_t i = 0; i < count; i++) {
            set(i, NOTHING, 0);
        }
    }

    // Inserts a pair whose key is above the least, behind the pairs with an equal key.
    void insert(int32_t key_in, uint32_t column_in) const {
        uint32_t at = count - 1;
        for (; at > 0 && key(at - 1) < key_in; at--) {
            set(at, key(at - 1), column(at - 1));
        }
        set(at, key_in, column_in);
    }

private:
    volatile tt_l1_ptr uint32_t* pairs;

    void set(uint32_t i, int32_t key_in, uint32_t column_in) const {
        pairs[2 * i] = key_in;
        pairs[2 * i + 1] = column_in;
    }
};

void scan(List list, uint32_t row, uint32_t from, uint32_t tiles, uint32_t column) {
    int32_t least = list.least();
    const auto consider = [&](uint32_t bits, uint32_t at) {
        const int32_t key = key_of(bits);
        if (key > least) {
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
    const uint32_t slot = get_write_ptr(GATHERED) + scanner * list_bytes;
    const auto merger = [](uint32_t row, uint32_t address) {
        const uint32_t x = get_common_arg_val<uint32_t>(MERGERS + 2 * row);
        return get_noc_addr(x, get_common_arg_val<uint32_t>(MERGERS + 2 * row + 1), address);
    };
    for (uint32_t row = 0; row < rows; row++) {
        noc_async_write(lists + row * list_bytes, merger(row, slot), list_bytes);
    }
    noc_async_write_barrier();
    for (uint32_t row = 0; row < rows; row++) {
        noc_semaphore_inc(merger(row, arrived), 1);
    }
    noc_async_atomic_barrier();
}

// Merges the scanners' lists, in the order of their columns.
void merge(List best) {
    best.clear();
    for (uint32_t scanner = 0; scanner < scanners; scanner++) {
        const List list(get_write_ptr(GATHERED) + scanner * list_bytes);
        for (uint32_t i = 0; i < count && list.key(i) > best.least(); i++) {
            best.insert(list.key(i), list.column(i));
        }
    }
}

// The bits of a whole number below 2^24 as a float32.
uint32_t as_float(uint32_t number) {
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
// Writes row `row` of two tiles in float32: the tokens and their logits.
void write(List best, uint32_t row, uint32_t scratch) {
    const auto tokens = TensorAccessor(tokens_layout, get_common_arg_val<uint32_t>(TOKENS_AT));
    const auto values = TensorAccessor(values_layout, get_common_arg_val<uint32_t>(VALUES_AT));
    const bool is_sound = best.is_sound();
    for (uint32_t i = 0; i < count; i++) {
        words(scratch)[i] = as_float(is_sound ? best.column(i) : no_token);
        words(scratch)[count + i] = is_sound ? bits_of(best.key(i)) : largest;
    }
    constexpr uint32_t bytes = faces::half_row_bytes(faces::FLOAT32);
    for (uint32_t half = 0; half < 2; half++) {
        const uint32_t to = faces::half_row(row, half, faces::FLOAT32);
        noc_async_write(scratch + half * bytes, tokens.get_noc_addr(0, to), bytes);
        noc_async_write(scratch + (2 + half) * bytes, values.get_noc_addr(0, to), bytes);
    }
}
#else
// Writes the token of row `row`. A write to DRAM must begin as far past a multiple of 16 bytes in L1 as in DRAM.
void write(List best, uint32_t row, uint32_t scratch) {
    const auto tokens = TensorAccessor(tokens_layout, get_common_arg_val<uint32_t>(TOKENS_AT));
    const uint32_t from = scratch + row % 4 * 4;
    *words(from) = best.is_sound() ? best.column(0) : no_token;
    noc_async_write(from, tokens.get_noc_addr(0, row * 4), 4);
}
#endif

void kernel_main() {
    const uint32_t tiles = get_arg_val<uint32_t>(TILE_COUNT), merged = get_arg_val<uint32_t>(MERGED_ROW);
    const uint32_t lists = get_write_ptr(LISTS), arrived = get_semaphore(ARRIVED);
    if (tiles) {
        scan_all(get_arg_val<uint32_t>(FIRST_TILE), tiles, lists);
        send(lists, get_arg_val<uint32_t>(SCANNER), arrived);
    }
    if (merged == rows) {
        return;
    }
    noc_semaphore_wait(words(arrived), scanners);
    const List best(lists);  // this core's own lists are sent, so their memory is free
    merge(best);
    write(best, merged, get_write_ptr(TILES));
    noc_async_write_barrier();
}
