// SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
// SPDX-License-Identifier: Apache-2.0

// What compiled kernels call. Each call carries where it stands in the kernel's source.
//
// A NoC address is xy << 36 | local address. xy is x | y << 6; a rectangle adds its end as xy << 12. DRAM bank b is the
// place (63, b), which no core has.
#pragma once

#include <cstdint>

#define EMU_AT const char *file, int line

enum EmuTransactions { EMU_READS = 1, EMU_WRITES_SENT = 2, EMU_WRITES = 4, EMU_ATOMICS = 8, EMU_POSTED_SENT = 16 };
enum { EMU_ANY_ID = -1 };  // of a barrier that waits for all transactions
enum EmuUnit { EMU_SOURCE_A, EMU_SOURCE_B, EMU_PACKER };
enum EmuBroadcast { EMU_NO_BROADCAST, EMU_COLUMN, EMU_ROW, EMU_SCALAR };
enum EmuUnary {
    EMU_ABS, EMU_SQUARE, EMU_NEGATIVE, EMU_RELU, EMU_ROUND, EMU_FLOOR, EMU_CEIL, EMU_TRUNC, EMU_ADD_SCALAR,
    EMU_SUBTRACT_SCALAR, EMU_MULTIPLY_SCALAR, EMU_DIVIDE_SCALAR, EMU_REVERSE_SUBTRACT_SCALAR, EMU_MAX_SCALAR, EMU_MIN_SCALAR, EMU_FILL,
    EMU_EQUAL_SCALAR, EMU_NOT_EQUAL_SCALAR, EMU_GREATER_SCALAR, EMU_GREATER_EQUAL_SCALAR, EMU_LESS_SCALAR,
    EMU_LESS_EQUAL_SCALAR,
    EMU_EXP, EMU_LOG, EMU_SQRT, EMU_RSQRT, EMU_RECIP, EMU_SIGMOID, EMU_SILU, EMU_TANH, EMU_ERFC,
};
enum EmuBinary {
    EMU_ADD, EMU_SUBTRACT, EMU_REVERSE_SUBTRACT, EMU_MULTIPLY, EMU_DIVIDE, EMU_MAX, EMU_MIN, EMU_EQUAL, EMU_NOT_EQUAL,
    EMU_GREATER, EMU_GREATER_EQUAL, EMU_LESS, EMU_LESS_EQUAL,
};
enum EmuPool { EMU_POOL_SUM, EMU_POOL_AVERAGE, EMU_POOL_MAX, EMU_POOL_MIN };

// What the header of a fabric packet asks for. Bit n of `delivers`: the chip n + 1 links away gets the packet.
enum EmuPartKind { EMU_PART_WRITE, EMU_PART_WORD, EMU_PART_INCREMENT };
struct EmuPart {
    int kind;
    uint64_t to;
    uint32_t value;  // bytes of the payload, a word, or an increment
    int flush;       // all writes before an increment arrive before it does
};
struct EmuFabricPacket {
    uint64_t delivers;
    uint32_t payload;  // bytes
    uint32_t count;
    EmuPart parts[5];
    const char* not_emulated;
};

extern "C" {
// this core
extern uint8_t my_x[2], my_y[2], my_logical_x_, my_logical_y_, my_relative_x_, my_relative_y_;
uint32_t emu_argument(uint32_t index, int common);
uintptr_t emu_argument_address(uint32_t index, int common);

// circular buffers
void emu_reserve_back(uint32_t buffer, uint32_t pages, EMU_AT);
void emu_push_back(uint32_t buffer, uint32_t pages, EMU_AT);
void emu_wait_front(uint32_t buffer, uint32_t pages, EMU_AT);
void emu_pop_front(uint32_t buffer, uint32_t pages, EMU_AT);
int emu_has_pages(uint32_t buffer, uint32_t pages, int at_front, EMU_AT);
uint32_t emu_pointer(uint32_t buffer, int front, EMU_AT);
void emu_describe(uint32_t buffer, uint32_t* pages, uint32_t* page_bytes, uint32_t* address, EMU_AT);

// NoC and semaphores
uint32_t emu_semaphore(uint32_t id, EMU_AT);
void emu_read(uint64_t from, uint32_t to, uint32_t bytes, uint32_t noc, EMU_AT);
void emu_read_zeros(uint32_t to, uint32_t bytes, uint32_t noc, EMU_AT);
void emu_write(uint32_t from, uint64_t to, uint32_t bytes, int posted, uint32_t noc, EMU_AT);
void emu_multicast(uint32_t from, uint64_t to, uint32_t bytes, uint32_t destinations, int to_sender, uint32_t noc, EMU_AT);
void emu_increment(uint64_t to, uint32_t by, int posted, uint32_t noc, EMU_AT);
void emu_multicast_increment(uint64_t to, uint32_t by, uint32_t destinations, uint32_t noc, EMU_AT);
void emu_write_word(uint64_t to, uint32_t value, int posted, uint32_t noc, EMU_AT);
// The command buffers of reads and of writes keep the far end and the size of the last transaction, and the id of the
// next ones. `bytes` 0: those of the command buffer.
void emu_set_state(int writes, uint64_t far_end, uint32_t bytes, uint32_t noc, EMU_AT);
void emu_set_id(int writes, uint32_t id, uint32_t noc, EMU_AT);
void emu_read_with_state(uint32_t from, uint32_t to, uint32_t bytes, uint32_t noc, EMU_AT);
void emu_write_with_state(uint32_t from, uint32_t to, uint32_t bytes, int posted, uint32_t noc, EMU_AT);
void emu_barrier(int transactions, int id, uint32_t noc, EMU_AT);
int emu_has_arrived(int transactions, int id, uint32_t noc, EMU_AT);
void emu_wait_word(const volatile uint32_t* word, uint32_t value, int at_least, EMU_AT);
void emu_set_word(volatile uint32_t* word, uint32_t value, EMU_AT);
void emu_pause(EMU_AT);
void emu_not_emulated(const char* what, EMU_AT);

// The fabric. `channel` is one of the routers of this chip. `decode` reads the header of a packet.
void emu_fabric_open(
    uint32_t channel, uint32_t header_bytes, void (*decode)(const void* header, EmuFabricPacket* packet), EMU_AT);
void emu_fabric_open_finish(uint32_t channel, EMU_AT);
void emu_fabric_close(uint32_t channel, int finish, EMU_AT);
uint32_t emu_fabric_free_slots(uint32_t channel, EMU_AT);
void emu_fabric_wait(uint32_t channel, EMU_AT);
// Writes to the next slot: a payload behind the place of the header, or a packet from its header on.
void emu_fabric_write(uint32_t channel, uint32_t from, uint32_t bytes, int is_payload, int posted, uint32_t noc, EMU_AT);
// Hands the slot to the router.
void emu_fabric_send(uint32_t channel, uint32_t noc, EMU_AT);
uint32_t emu_fabric_packet_bytes();
// Groups of packet headers.
uint32_t emu_fabric_new_headers(uint32_t count, EMU_AT);  // -> the number of the group
void emu_fabric_headers(uint32_t group, uint32_t* address, uint32_t* count, EMU_AT);
void emu_fabric_drop_headers();

// compute. The unpacker sends operands to the math unit, which takes them in the same order.
void emu_configure(int unit, uint32_t buffer, EMU_AT);
volatile uint32_t* emu_unpacker_registers();
void emu_unpack(uint32_t buffer, uint32_t tile, EMU_AT);
void emu_unpack_two(uint32_t a, uint32_t b, uint32_t tile_a, uint32_t tile_b, EMU_AT);
void emu_unpack_block(
    uint32_t a, uint32_t b, uint32_t tile_a, uint32_t tile_b, uint32_t columns, uint32_t rows, uint32_t inner, EMU_AT);
// Rows as a row-major tensor has them, `across` tiles wide. The first row is `first` tiles behind the front, or the back.
void emu_unpack_rows(uint32_t buffer, uint32_t first, uint32_t tile, uint32_t across, EMU_AT);
void emu_pack_rows(uint32_t from, uint32_t buffer, uint32_t first, uint32_t tile, uint32_t across, EMU_AT);
uint32_t emu_tile_address(uint32_t buffer, uint32_t tile, EMU_AT);
void emu_tell(uint32_t number, EMU_AT);  // from the unpacker's thread to the two others
uint32_t emu_hear(EMU_AT);
void emu_copy(uint32_t to, EMU_AT);
void emu_accumulate(int adds, EMU_AT);  // sums and differences add to what the register holds, as products do
void emu_two(int operation, int broadcast, uint32_t to, EMU_AT);
void emu_two_with_dest(int operation, int dest_is_first, uint32_t to, EMU_AT);
void emu_spread_in_dest(int broadcast, uint32_t tile, EMU_AT);
void emu_where(uint32_t condition, uint32_t a, uint32_t b, uint32_t to, EMU_AT);
void emu_mask(uint32_t tile, uint32_t mask, EMU_AT);
void emu_pack_adds(int adds, EMU_AT);
void emu_multiply_block(uint32_t to, int transpose, uint32_t columns, uint32_t rows, EMU_AT);
void emu_acquire(EMU_AT);
void emu_commit(EMU_AT);
void emu_wait_for_math(EMU_AT);
void emu_release(EMU_AT);
void emu_pack(uint32_t from, uint32_t buffer, int out_of_order, uint32_t page, EMU_AT);
void emu_unary(int function, uint32_t tile, uint32_t parameter, EMU_AT);
void emu_binary(int operation, uint32_t a, uint32_t b, uint32_t to, EMU_AT);
void emu_broadcast(int operation, int broadcast, uint32_t tile, uint32_t other, EMU_AT);
void emu_copy_in_dest(uint32_t from, uint32_t to, EMU_AT);
void emu_transpose(uint32_t tile, EMU_AT);
void emu_reduce_scaled(int is_maximum, int over_rows, int over_columns, uint32_t to, EMU_AT);
void emu_reduce(int pool, int over_columns, uint32_t tile, uint32_t tiles, EMU_AT);
}
