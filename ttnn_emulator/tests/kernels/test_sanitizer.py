# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""The sanitizer: a kernel with a deliberate fault for each check, and sound kernels that it has nothing to say of."""

from dataclasses import dataclass

import pytest
import torch

import ttnn
import ttnn_emulator
from ttnn_emulator.errors import KernelFault
from ttnn_emulator.tests.kernels.programs import (
    buffer,
    compute,
    cores,
    read_pages,
    reader,
    result_like,
    run,
    words_on,
    write_pages,
    writer,
)
from ttnn_emulator.tests.kernels.test_data_movement import corners

SEEDS = 24
PAIR = cores(0, 0, 1, 0)
# What the bodies below call. The tensor has eight pages of 128 bytes, as buffers 0 and 1 have two.
SHORTHANDS = """
#include "api/dataflow/dataflow_buffer.h"
const auto argument = [](uint32_t i) { return get_common_arg_val<uint32_t>(i); };
inline auto tensor() { return TensorAccessor(TensorAccessorArgs<0>(), argument(0)); }
inline volatile tt_l1_ptr uint32_t* words(uint32_t address) {
    return reinterpret_cast<volatile tt_l1_ptr uint32_t*>(address);
}
inline void fill(uint32_t address) { for (uint32_t i = 0; i < 32; i++) words(address)[i] = i; }
inline uint64_t other(uint32_t address) { return get_noc_addr(argument(3), argument(4), address); }
inline uint64_t both(uint32_t address) {
    return get_noc_multicast_addr(argument(1), argument(2), argument(3), argument(4), address);
}
inline bool is_first() { return my_logical_x_ == 0; }
"""


def sanitized(device, *bodies, pages: int = 2, semaphores: int = 1, on=PAIR) -> torch.Tensor:
    """Run a reader, and a writer, with these bodies on two cores, in many orders of events."""
    result = words_on(device, [0] * 256)
    common = [result.buffer_address(), *corners(device, (0, 0), (1, 0))]
    kernels = [
        make(body, before=SHORTHANDS, common=common, tensors=[result]) for make, body in zip((reader, writer), bodies)
    ]
    buffers = [buffer(number, ttnn.uint32, pages, 128, on=on) for number in (0, 1)]
    with ttnn_emulator.kernel_results("sanitize", SEEDS):
        return run([result], kernels, buffers, semaphores, on)


READ = "noc_async_read_page(0, tensor(), get_write_ptr(0));"
SIGNAL = "noc_semaphore_inc(other(get_semaphore(0)), 1); noc_async_atomic_barrier();"
WAIT = "noc_semaphore_wait(words(get_semaphore(0)), 1);"

FAULTS = {
    # pages of circular buffers
    "a page is filled that was not reserved": (
        ["cb_reserve_back(0, 1); fill(get_write_ptr(0)); cb_push_back(0, 1); fill(get_write_ptr(0));"],
        "write before reserve: stores to buffer 0 page 1 .* has reserved 0 pages",
    ),
    "a page is filled before it is reserved": (
        ["fill(get_write_ptr(0)); cb_reserve_back(0, 1); cb_push_back(0, 1);"],
        "write before reserve: a store to buffer 0, of which no page was reserved",
    ),
    "a page is read that was not waited for": (
        [
            "cb_reserve_back(0, 1); fill(get_write_ptr(0)); cb_push_back(0, 1);",
            "noc_async_write_page(0, tensor(), get_read_ptr(0)); noc_async_write_barrier();"
            "cb_wait_front(0, 1); cb_pop_front(0, 1);",
        ],
        "read before wait: a NoC write reads buffer 0 page 0",
    ),
    "a page is read after it was popped": (
        [
            "cb_reserve_back(0, 1); fill(get_write_ptr(0)); cb_push_back(0, 1);",
            "const uint32_t page = get_read_ptr(0); cb_wait_front(0, 1); "
            "cb_pop_front(0, 1); uint32_t v = words(page)[3];",
        ],
        "read before wait: loads from buffer 0 page 0 [+] 12",
    ),
    "a push without a reserve": (["cb_push_back(0, 1);"], "push without reserve: 1 pages are pushed to buffer 0"),
    "a push of more than the buffer has": (
        ["cb_reserve_back(0, 2); cb_push_back(0, 2); cb_push_back(0, 1);"],
        "push beyond the buffer's size: 1 pages are pushed to buffer 0, 2 of its 2 are in use",
    ),
    "a pop without a wait": (
        ["cb_reserve_back(0, 1); cb_push_back(0, 1); cb_pop_front(0, 1);"],
        "pop without wait: 1 pages of buffer 0 are popped, 0 were waited for",
    ),
    "pages that go past the end of a buffer": (
        [
            "cb_reserve_back(0, 1); cb_push_back(0, 1); cb_reserve_back(0, 2);",
            "cb_wait_front(0, 1); cb_pop_front(0, 1);",
        ],
        "past the end of a buffer: 2 pages of buffer 0 are reserved from place 1 of 2 on",
    ),
    "a read past the end of a buffer": (
        ["cb_reserve_back(0, 2); noc_async_read(tensor().get_noc_addr(0), get_write_ptr(0) + 192, 128);"],
        "past the end of a buffer: a NoC read will write to 128 bytes from buffer 0 page 1",
    ),
    "two producers": (
        ["cb_reserve_back(0, 1); cb_push_back(0, 1);"] * 2,
        "two producers: buffer 0, which .* fills too",
    ),
    "two consumers": (
        [
            "cb_reserve_back(0, 2); cb_push_back(0, 2); cb_wait_front(0, 1); cb_pop_front(0, 1);",
            "cb_wait_front(0, 1); cb_pop_front(0, 1);",
        ],
        "two consumers: buffer 0, which .* empties too",
    ),
    "a push before the read barrier": (
        [f"cb_reserve_back(0, 1); {READ} cb_push_back(0, 1); noc_async_read_barrier();"],
        "read still in flight: pages of buffer 0 are pushed before a NoC read",
    ),
    "a pop before the flush": (
        [
            "cb_reserve_back(0, 1); fill(get_write_ptr(0)); cb_push_back(0, 1);",
            "cb_wait_front(0, 1); noc_async_write_page(0, tensor(), get_read_ptr(0)); cb_pop_front(0, 1);"
            "noc_async_write_barrier();",
        ],
        "source changed: pages of buffer 0 are popped before a NoC write has sent them: no flush",
    ),
    "a write to pages that were not popped": (
        [
            "cb_reserve_back(0, 1); fill(get_write_ptr(0)); const uint32_t page = get_write_ptr(0); cb_push_back(0, 1);"
            f"if (!is_first()) {{ {WAIT} }} else {{ fill(get_write_ptr(1)); {SIGNAL}"
            "noc_async_write(get_write_ptr(1), other(page), 128); noc_async_write_barrier(); }",
        ],
        "overwritten: a NoC write arrives in buffer 0 page 0 .* which its consumer has not popped",
    ),
    # memory
    "a load of what was never written": (
        ["cb_reserve_back(0, 1); uint32_t v = words(get_write_ptr(0))[1];"],
        "never written: loads from buffer 0 page 0 [+] 4",
    ),
    "a load before the read barrier": (
        [f"cb_reserve_back(0, 1); {READ} uint32_t v = words(get_write_ptr(0))[0]; noc_async_read_barrier();"],
        "read still in flight: loads from buffer 0 page 0",
    ),
    "a store where no buffer lies": (
        ["fill(get_write_ptr(1) + 0x10000);"],
        "out of bounds: stores to 4 bytes at L1 0x.*, where no buffer lies",
    ),
    "a semaphore that was never set": (
        ["noc_semaphore_inc(other(get_semaphore(0) + 64), 1); noc_async_atomic_barrier();"],
        "never written: a semaphore that was never set is counted up",
    ),
    # the NoC
    "a page beyond the tensor": (
        ["cb_reserve_back(0, 1); noc_async_read_page(800, tensor(), get_write_ptr(0));"],
        "out of bounds: a NoC read of 128 bytes .* where no tensor lies",
    ),
    "addresses that are not aligned alike": (
        ["cb_reserve_back(0, 1); noc_async_read(tensor().get_noc_addr(0), get_write_ptr(0) + 4, 32);"],
        "alignment: a NoC read between .*: they must be alike modulo",
    ),
    "a multicast that begins at the wrong corner": (
        [
            "if (is_first()) { noc_async_write_multicast(get_write_ptr(0), "
            "get_noc_multicast_addr(argument(3), argument(4),"
            "argument(1), argument(2), get_write_ptr(0)), 128, 1); }"
        ],
        "multicast: a rectangle from .* on NoC 0 it begins at the top left",
    ),
    "a multicast that counts its sender": (
        [
            "fill(get_write_ptr(0)); "
            "if (is_first()) { noc_async_write_multicast(get_write_ptr(0), both(get_write_ptr(0)),"
            "128, 2); noc_async_write_barrier(); }"
        ],
        "multicast: it reaches 1 cores and is told of 2: its barrier never ends",
    ),
    "a source that changes before the flush": (
        [
            "fill(get_write_ptr(0)); noc_async_write_page(my_logical_x_, tensor(), get_write_ptr(0)); "
            "fill(get_write_ptr(0));"
            "noc_async_write_barrier();"
        ],
        "source changed: stores to buffer 0 page 0 .*, which a NoC write has not sent yet: no flush",
    ),
    "a write to where a read is to arrive": (
        [
            "fill(get_write_ptr(1)); "
            f"if (is_first()) {{ noc_async_write(get_write_ptr(1), other(get_write_ptr(0)), 128);"
            f"noc_async_write_barrier(); }} else {{ {READ} noc_async_read_barrier(); }}"
        ],
        "race: a NoC write arrives in buffer 0 page 0 .*, where a NoC read is still to arrive",
    ),
    "reads without a last barrier": ([READ], "unfinished at the end: 1 NoC reads without a barrier"),
    "writes without a last barrier": (
        [
            "fill(get_write_ptr(0)); noc_async_write_page(my_logical_x_, tensor(), get_write_ptr(0)); "
            "noc_async_writes_flushed();"
        ],
        "unfinished at the end: 1 NoC writes without a barrier",
    ),
    "atomics without a last barrier": (
        ["noc_semaphore_inc(other(get_semaphore(0)), 1);"],
        "unfinished at the end: 1 atomics without a barrier",
    ),
    "a barrier of another transaction id": (
        [
            "noc_async_read_set_trid(3); cb_reserve_back(0, 1);"
            f"{READ} noc_async_read_barrier_with_trid(2); cb_push_back(0, 1); noc_async_read_barrier();"
        ],
        "read still in flight: pages of buffer 0 are pushed before a NoC read",
    ),
    "a transaction id that there is not": (
        ["noc_async_read_set_trid(16);"],
        "no such transaction id: 16; there are 16",
    ),
    "a read to a place that another read has changed": (
        [
            "cb_reserve_back(0, 2); noc_async_read_one_packet_set_state(tensor().get_noc_addr(0), 128);"
            "noc_async_read(other(get_write_ptr(1)), get_write_ptr(0), 128);"
            "noc_async_read_one_packet_with_state(argument(0), get_write_ptr(0) + 128); noc_async_read_barrier();"
            "uint32_t v = words(get_write_ptr(0) + 128)[0];",
        ],
        "never written: loads from buffer 0 page 1",
    ),
    "posted writes without a flush": (
        [
            "fill(get_write_ptr(0));"
            "noc_async_write<129, true, true>(get_write_ptr(0), tensor().get_noc_addr(my_logical_x_), 128);"
        ],
        "unfinished at the end: 1 posted NoC writes without a flush",
    ),
    "a source that changes before the flush of posted writes": (
        [
            "fill(get_write_ptr(0));"
            "noc_async_write<129, true, true>(get_write_ptr(0), tensor().get_noc_addr(my_logical_x_), 128);"
            "noc_async_writes_flushed(); fill(get_write_ptr(0)); noc_async_posted_writes_flushed();"
        ],
        "source changed: stores to buffer 0 page 0 .*, which a NoC write has not sent yet: no flush",
    ),
    "zeros that have not arrived": (
        [
            "DataflowBuffer buffer(0); buffer.reserve_back(1); Noc().async_write_zeros(buffer, 128);"
            "uint32_t v = words(buffer.get_write_ptr())[0]; Noc().write_zeros_l1_barrier();"
        ],
        "read still in flight: loads from buffer 0 page 0",
    ),
    # what depends on who is faster
    "a signal that may be faster than the data": (
        [
            "if (is_first()) { fill(get_write_ptr(0)); noc_async_write(get_write_ptr(0), other(get_write_ptr(1)), 128);"
            f"{SIGNAL} noc_async_write_barrier(); }} else {{ {WAIT} uint32_t v = words(get_write_ptr(1))[0]; }}",
        ],
        "never written: loads from buffer 1 page 0",
    ),
    "a core that does not wait for the other": (
        [
            "const uint32_t page = get_write_ptr(0), from = get_write_ptr(1); fill(page); fill(from);"
            "words(from)[0] = 77;"
            "if (is_first()) { noc_async_write(from, other(page), 128); noc_async_write_barrier(); return; }"
            "noc_async_write_page(0, tensor(), page); noc_async_write_barrier();",
        ],
        "the results of seeds 0 and .* differ|race: a NoC write arrives",
    ),
    "semaphores that wait for each other": (
        [f"if (is_first()) {{ {WAIT} {SIGNAL} }} else {{ {WAIT} }}"],
        "deadlock: 2 kernels have not ended:\n.*waits until semaphore 0 is 1; it is 0",
    ),
}


@pytest.mark.parametrize("bodies, message", FAULTS.values(), ids=FAULTS)
def test_a_fault_is_reported_with_its_place(device, bodies, message):
    with pytest.raises(KernelFault, match=message) as raised:
        sanitized(device, *bodies)
    assert "inline-" in str(raised.value) or "results of seeds" in str(raised.value)


SOUND = {
    "an exchange of pages": [
        "const uint32_t page = get_write_ptr(0), from = get_write_ptr(1); fill(from);"
        f"if (is_first()) {{ noc_async_write(from, other(page), 128); noc_async_write_barrier(); {SIGNAL} }}"
        f"else {{ {WAIT} noc_async_write_page(3, tensor(), page); noc_async_write_barrier(); }}",
    ],
    "a multicast": [
        "fill(get_write_ptr(1)); if (is_first()) {"
        "noc_async_write_multicast(get_write_ptr(1), both(get_write_ptr(0)), 128, 1); noc_async_write_barrier();"
        f"{SIGNAL} }} else {{ {WAIT} noc_async_write_page(3, tensor(), get_write_ptr(0)); "
        "noc_async_write_barrier(); }",
    ],
    "reads with transaction ids, pushed in the order of the barriers": [
        "for (uint32_t i = 0; i < 2; i++) { noc_async_read_set_trid(i + 1); cb_reserve_back(0, 2);"
        "noc_async_read_page(i, tensor(), get_write_ptr(0) + 128 * i); }"
        "for (uint32_t i = 0; i < 2; i++) { noc_async_read_barrier_with_trid(i + 1); cb_push_back(0, 1); }",
        "for (uint32_t i = 0; i < 2; i++) { cb_wait_front(0, 1); fill(get_read_ptr(0));"
        "if (is_first()) noc_async_write_page(3, tensor(), get_read_ptr(0));"
        "noc_async_writes_flushed(); cb_pop_front(0, 1); } noc_async_write_barrier();",
    ],
    "posted writes": [
        "fill(get_write_ptr(0)); if (is_first())"
        "noc_async_write<129, true, true>(get_write_ptr(0), tensor().get_noc_addr(3), 128);"
        "noc_async_posted_writes_flushed();"
    ],
    "pages through a buffer": [
        "for (uint32_t i = 0; i < 4; i++) { cb_reserve_back(0, 1); fill(get_write_ptr(0)); cb_push_back(0, 1); }",
        "for (uint32_t i = 0; i < 4; i++) { cb_wait_front(0, 1);"
        "if (is_first()) noc_async_write_page(3, tensor(), get_read_ptr(0)); "
        "noc_async_writes_flushed(); cb_pop_front(0, 1); }"
        "noc_async_write_barrier();",
    ],
}


@pytest.mark.parametrize("bodies", SOUND.values(), ids=SOUND)
def test_a_sound_program_passes(device, bodies):
    value = sanitized(device, *bodies).reshape(8, 32)
    assert value[3].tolist() == list(range(32)) and not value[[0, 1, 2, 4, 5, 6, 7]].any()


# --- compute ---------------------------------------------------------------------------------------------------------


@dataclass
class Steps:
    """The parts of a compute kernel that squares tiles, each of which a fault may replace."""

    start: str = "compute_kernel_hw_startup(0, 16);"
    wait: str = "cb_wait_front(0, 1);"
    acquire: str = "tile_regs_acquire();"
    load: str = "copy_tile(0, 0, 0);"
    function: str = "square_tile(0);"
    commit: str = "tile_regs_commit();"
    pop: str = "cb_pop_front(0, 1);"
    reserve: str = "cb_reserve_back(16, 1);"
    wait_for_math: str = "tile_regs_wait();"
    pack: str = "pack_tile(0, 16);"
    release: str = "tile_regs_release();"
    push: str = "cb_push_back(16, 1);"

    def run(self, device, page: int = 4096) -> tuple[torch.Tensor, torch.Tensor]:
        """Square three tiles -> (the kernels' result, the squares)."""
        value = torch.randint(-7, 8, (1, 1, 32, 96)).float()
        tensor = ttnn.from_torch(value, dtype=ttnn.bfloat16, layout=ttnn.TILE_LAYOUT, device=device)
        result = result_like(tensor, ttnn.float32)
        parts = list(vars(self).values())
        body = f"{parts[0]}\n for (uint32_t i = 0; i < 3; i++) {{\n" + "\n".join(parts[1:]) + "\n}"
        headers = "\n".join(
            f'#include "api/compute/{name}.h"' for name in ("compute_kernel_api", "tile_move_copy", "eltwise_binary")
        )
        kernels = [
            read_pages(tensor, 3),
            compute(body, headers, fp32_dest_acc_en=True),
            write_pages(result, 3, 16),
        ]
        buffers = [buffer(0), buffer(16, ttnn.float32, page=page), buffer(17)]
        with ttnn_emulator.kernel_results("sanitize", SEEDS):
            return run([tensor, result], kernels, buffers), value.square()


COMPUTE_FAULTS = {
    "no wait for the input": (
        {"wait": "", "pop": ""},
        "read before wait: tile 0 of buffer 0 is unpacked, 0 were waited",
    ),
    "no reserve for the output": (
        {"reserve": ""},
        "write before reserve: page 0 of buffer 16 is packed, 0 are reserved",
    ),
    "no acquire": ({"acquire": ""}, "destination: tile 0 is used between no tile_regs_acquire and tile_regs_commit"),
    "no commit": ({"commit": ""}, "destination: tile_regs_acquire after a tile_regs_acquire|deadlock"),
    "no wait for math": ({"wait_for_math": ""}, "destination: pack_tile without a tile_regs_wait"),
    "no release": ({"release": ""}, "deadlock: .*\n(.*\n)*.*has released"),
    "a function of an empty tile": ({"load": ""}, "destination: tile 0 is read, which holds no value"),
    "a tile beyond the register": (
        {"load": "copy_tile(0, 0, 4);"},
        "destination: tile 4 of a destination register of 4",
    ),
    "an empty tile is packed": ({"pack": "pack_tile(1, 16);"}, "destination: tile 1 is packed, which holds no value"),
    "the unpacker is configured for another format": (
        {"start": "compute_kernel_hw_startup(16, 16);"},
        "format: buffer 0 holds format 5, SrcA is configured for 0",
    ),
    "the packer is configured for another format": (
        {"start": "compute_kernel_hw_startup(0, 17);"},
        "format: buffer 16 holds format 0, the packer is configured for 5",
    ),
    "a tile that no page takes": ({}, "past the end of a buffer: a tile of 4096 bytes is packed to buffer 16"),
    "what was packed is unpacked at once": (
        {
            "push": "reconfig_data_format_srca(16); copy_tile(16, 0, 0); "
            "cb_push_back(16, 1); reconfig_data_format_srca(0);"
        },
        "read before wait: tile 0 of buffer 16",
    ),
}


@pytest.mark.parametrize("changes, message", COMPUTE_FAULTS.values(), ids=COMPUTE_FAULTS)
def test_a_fault_of_compute_is_reported(device, changes, message):
    with pytest.raises(KernelFault, match=message):
        Steps(**changes).run(device, page=4096 if changes else 2048)


def test_sound_compute_passes(device):
    assert torch.equal(*Steps().run(device))
