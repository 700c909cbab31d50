// SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
// SPDX-License-Identifier: Apache-2.0
// Both data-movement processors of every core: the largest values of rows that lie in tiles, and their columns. A
// scanner looks through its tiles, keeps the best of every row, and sends them to the core that merges that row, which
// writes them out. Floats are compared as integers, so that the result is exact; of equal values the first column wins.
#include "words.h"

constexpr uint32_t rows = get_named_compile_time_arg_val("rows");
constexpr uint32_t count = get_named_compile_time_arg_val("count");               // kept of a row
constexpr uint32_t list_bytes = get_named_compile_time_arg_val("list_bytes");     // of them
constexpr uint32_t scanners = get_named_compile_time_arg_val("scanners");         // that have tiles
constexpr uint32_t value_bytes = get_named_compile_time_arg_val("value_bytes");   // 4: float32, 2: bfloat16
constexpr uint32_t at_once = get_named_compile_time_arg_val("at_once");           // tiles that are read together
constexpr uint32_t TILES = get_named_compile_time_arg_val("tiles_buffer");        // two times as many
constexpr uint32_t LISTS = get_named_compile_time_arg_val("lists_buffer");        // one a row
constexpr uint32_t GATHERED = get_named_compile_time_arg_val("gathered_buffer");  // of the row that this core merges

constexpr auto logits_layout = TensorAccessorArgs<0>();
constexpr auto tokens_layout = TensorAccessorArgs<logits_layout.next_compile_time_args_offset()>();
constexpr auto values_layout = TensorAccessorArgs<tokens_layout.next_compile_time_args_offset()>();

enum Argument : uint32_t { SCANNER, FIRST_TILE, TILE_COUNT, MERGED_ROW };  // MERGED_ROW: `rows` if there is none
enum Common : uint32_t { LOGITS_AT, TOKENS_AT, VALUES_AT, MERGERS };  // MERGERS: x and y of each row's merging core

constexpr uint32_t tile_bytes = 1024 * value_bytes;
constexpr int32_t NOTHING = 0x80000000;  // less than the key of any value

// A float32's bits as a number that grows with it; both zeros are 0.
inline int32_t key_of(uint32_t bits) {
    const int32_t number = bits;
    return number < 0 ? -static_cast<int32_t>(bits & 0x7fffffff) : number;
}

inline uint32_t bits_of(int32_t key) { return key < 0 ? 0x80000000 | static_cast<uint32_t>(-key) : key; }

// Keys with their columns, the largest first.
class List {
public:
    explicit List(uint32_t address) : pairs(words(address)) {}

    int32_t key(uint32_t i) const { return pairs[2 * i]; }
    uint32_t column(uint32_t i) const { return pairs[2 * i + 1]; }
    int32_t least() const { return key(count - 1); }

    void clear() const {
        for (uint32_t i = 0; i < count; i++) {
            set(i, NOTHING, 0);
        }
    }

    // Takes one that is above the least, behind those that are as large.
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

// The rows in use of `tiles` tiles.
template <typename Tensor>
void read(const Tensor& logits, uint32_t first, uint32_t tiles, uint32_t to) {
    for (uint32_t tile = first; tile < first + tiles; tile++, to += tile_bytes) {
        for (uint32_t top = 0; top < rows; top += 16) {
            const uint32_t high = rows - top < 16 ? rows - top : 16;
            const uint32_t left = half_row(top, 0, value_bytes), right = half_row(top, 1, value_bytes);
            const uint32_t bytes = high * 16 * value_bytes;
            noc_async_read(logits.get_noc_addr(tile, left), to + left, bytes);
            noc_async_read(logits.get_noc_addr(tile, right), to + right, bytes);
        }
    }
}

void scan(List list, uint32_t row, uint32_t from, uint32_t tiles, uint32_t column) {
    int32_t least = list.least();
    const auto consider = [&](uint32_t bits, uint32_t at) {
        const int32_t key = key_of(bits);
        if (key > least) {
            list.insert(key, at);
            least = list.least();
        }
    };
    constexpr uint32_t words_in_half = 4 * value_bytes;
    for (uint32_t tile = 0; tile < tiles; tile++, from += tile_bytes) {
        for (uint32_t half = 0; half < 2; half++, column += 16) {
            const auto values = words(from + half_row(row, half, value_bytes));
            for (uint32_t first = 0; first < words_in_half; first += 4) {
                // loads that do not wait for each other
                const uint32_t four[] = {values[first], values[first + 1], values[first + 2], values[first + 3]};
#pragma GCC unroll 4
                for (uint32_t i = 0; i < 4; i++) {
                    if constexpr (value_bytes == 4) {
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
    read(logits, first, size(0), buffer);
    for (uint32_t done = 0, turn = 0; done < tiles; done += at_once, turn ^= 1) {
        noc_async_read_barrier();
        const uint32_t next = done + at_once;
        if (next < tiles) {
            read(logits, first + next, size(next), buffer + (turn ^ 1) * at_once * tile_bytes);
        }
        for (uint32_t row = 0; row < rows; row++) {
            const uint32_t from = buffer + turn * at_once * tile_bytes;
            scan(List(lists + row * list_bytes), row, from, size(done), (first + done) * 32);
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

// What the scanners sent, in their order: that of the columns.
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
// Row `row` of two tiles in float32.
void write(List best, uint32_t row, uint32_t scratch) {
    const auto tokens = TensorAccessor(tokens_layout, get_common_arg_val<uint32_t>(TOKENS_AT));
    const auto values = TensorAccessor(values_layout, get_common_arg_val<uint32_t>(VALUES_AT));
    for (uint32_t i = 0; i < count; i++) {
        words(scratch)[i] = as_float(best.column(i));
        words(scratch)[count + i] = bits_of(best.key(i));
    }
    for (uint32_t half = 0; half < 2; half++) {
        const uint32_t to = half_row(row, half, 4);
        noc_async_write(scratch + half * 64, tokens.get_noc_addr(0, to), 64);
        noc_async_write(scratch + (2 + half) * 64, values.get_noc_addr(0, to), 64);
    }
}
#else
// Number `row` of the tokens. What is written lies as far past 16 bytes as where it goes.
void write(List best, uint32_t row, uint32_t scratch) {
    const auto tokens = TensorAccessor(tokens_layout, get_common_arg_val<uint32_t>(TOKENS_AT));
    const uint32_t from = scratch + row % 4 * 4;
    *words(from) = best.column(0);
    noc_async_write(from, tokens.get_noc_addr(0, row * 4), 4);
}
#endif

void kernel_main() {
    const uint32_t tiles = get_arg_val<uint32_t>(TILE_COUNT), merged = get_arg_val<uint32_t>(MERGED_ROW);
    const uint32_t lists = get_write_ptr(LISTS), arrived = get_semaphore(0);
    if (tiles) {
        scan_all(get_arg_val<uint32_t>(FIRST_TILE), tiles, lists);
        send(lists, get_arg_val<uint32_t>(SCANNER), arrived);
    }
    if (merged == rows) {
        return;
    }
    noc_semaphore_wait(words(arrived), scanners);
    const List best(lists);  // its own lists are sent, and their place is free
    merge(best);
    write(best, merged, get_write_ptr(TILES));
    noc_async_write_barrier();
}
