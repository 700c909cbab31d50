# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""The object forms of the kernel API, and the forms of the NoC with state and transaction ids."""

import pytest
import torch

import ttnn
import ttnn_emulator
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

PAGES = 6  # of the tensors, of 32 words each
SHORTHANDS = """
#include "api/core_local_mem.h"
#include "api/dataflow/circular_buffer.h"
#include "api/dataflow/dataflow_buffer.h"
#include "api/dataflow/endpoints.h"
#include "api/dataflow/noc.h"
#include "api/semaphore.h"
#include "api/tensor/noc_traits.h"
const auto argument = [](uint32_t i) { return get_common_arg_val<uint32_t>(i); };
inline auto tensor() { return TensorAccessor(TensorAccessorArgs<0>(), argument(0)); }
inline bool is_first() { return my_logical_x_ == 0; }
"""
every_source = pytest.mark.parametrize("source", ["run", "sanitize"])


def copied(device, source: str, reads: str, writes: str) -> tuple[torch.Tensor, torch.Tensor]:
    """Copy a tensor through buffer 0 of two pages by two kernels -> (the copy, the tensor). Buffer 1 is free."""
    values = list(range(1, 32 * PAGES + 1))
    tensor, result = words_on(device, values), words_on(device, [0] * 32 * PAGES)
    codes = [
        make(
            f"constexpr uint32_t pages = {PAGES};\n{body}",
            before=SHORTHANDS,
            common=[one.buffer_address()],
            tensors=[one],
        )
        for make, body, one in ((reader, reads, tensor), (writer, writes, result))
    ]
    with ttnn_emulator.kernel_results(source):
        value = run([tensor, result], codes, [buffer(number, ttnn.uint32, page=128) for number in (0, 1)])
    return value.flatten().long(), torch.tensor(values)


PLAIN_READS = """
for (uint32_t i = 0; i < pages; i++) {
    cb_reserve_back(0, 1);
    noc_async_read_page(i, tensor(), get_write_ptr(0));
    noc_async_read_barrier();
    cb_push_back(0, 1);
}"""
PLAIN_WRITES = """
for (uint32_t i = 0; i < pages; i++) {
    cb_wait_front(0, 1);
    noc_async_write_page(i, tensor(), get_read_ptr(0));
    noc_async_write_barrier();
    cb_pop_front(0, 1);
}"""

READS = {
    "a dataflow buffer": """
Noc noc; DataflowBuffer to(0);
for (uint32_t i = 0; i < pages; i++) {
    to.reserve_back(1);
    noc.async_read(tensor(), to, to.get_entry_size(), {.page_id = i}, {.offset_bytes = 0});
    noc.async_read_barrier();
    to.push_back(1);
}""",
    "a circular buffer, half a page at a time": """
Noc noc; CircularBuffer to(0);
for (uint32_t i = 0; i < pages; i++) {
    to.reserve_back(1);
    for (uint32_t half = 0; half < 128; half += 64)
        noc.async_read(tensor(), to, 64, {.page_id = i, .offset_bytes = half}, {.offset_bytes = half});
    noc.async_read_barrier();
    to.push_back(1);
}""",
    "memory of this core": """
Noc noc; CircularBuffer to(0);
for (uint32_t i = 0; i < pages; i++) {
    to.reserve_back(1);
    CoreLocalMem<uint32_t> page(to.get_write_ptr());
    noc.async_read(tensor(), page, 128, {.page_id = i}, {});
    noc.async_read_barrier();
    to.push_back(1);
}""",
    "transaction ids": """
Noc noc; DataflowBuffer to(0);
for (uint32_t i = 0; i < pages; i += 2) {
    to.reserve_back(2);
    for (uint32_t id = 0; id < 2; id++)
        noc.async_read<NocOptions::TXN_ID>(
            tensor(), to, 128, {.page_id = i + id}, {.offset_bytes = 128 * id}, {.trid = id + 1});
    for (uint32_t id = 0; id < 2; id++) {
        if (i == 0) noc.async_read_barrier<NocOptions::TXN_ID>({.trid = id + 1});
        else while (!noc.is_read_trid_flushed(id + 1)) {}
        to.push_back(1);
    }
}""",
    "state": """
Noc noc; DataflowBuffer to(0);
for (uint32_t i = 0; i < pages; i++) {
    to.reserve_back(1);
    noc.set_async_read_state<NocOptions::DEFAULT, 64>(tensor(), 64, {.page_id = i});
    for (uint32_t half = 0; half < 128; half += 64)
        noc.async_read_with_state<NocOptions::DEFAULT, 64>(
            tensor(), to, 64, {.page_id = i, .offset_bytes = half}, {.offset_bytes = half});
    noc.async_read_barrier();
    to.push_back(1);
}""",
    "functions with state": """
for (uint32_t i = 0; i < pages; i++) {
    cb_reserve_back(0, 1);
    const uint64_t from = tensor().get_noc_addr(i);
    noc_async_read_set_state(from);
    noc_async_read_with_state(uint32_t(from), get_write_ptr(0), 32);
    noc_async_read_with_state(uint32_t(from) + 32, get_write_ptr(0) + 32, 96);
    noc_async_read_barrier();
    cb_push_back(0, 1);
}""",
    "functions with state and ids": """
for (uint32_t i = 0; i < pages; i++) {
    cb_reserve_back(0, 1);
    const uint64_t from = tensor().get_noc_addr(i);
    noc_async_read_one_packet_set_state(from, 128);
    noc_async_read_one_packet_with_state_with_trid(uint32_t(from), 0, get_write_ptr(0), 5);
    noc_async_read_barrier_with_trid(5);
    cb_push_back(0, 1);
}""",
}
WRITES = {
    "a dataflow buffer": """
Noc noc; DataflowBuffer from(0);
for (uint32_t i = 0; i < pages; i++) {
    from.wait_front(1);
    noc.async_write(from, tensor(), 128, {}, {.page_id = i});
    noc.async_writes_flushed();
    from.pop_front(1);
}
noc.async_write_barrier();""",
    "a view of a circular buffer": """
Noc noc; CircularBuffer from(0);
for (uint32_t i = 0; i < pages; i++) {
    from.wait_front(1);
    noc.async_write(use<CircularBuffer::AddrSelector::READ_PTR>(from), tensor(), 128, {}, {.page_id = i});
    noc.async_write_barrier();
    from.pop_front(1);
}""",
    "posted writes": """
Noc noc; DataflowBuffer from(0);
for (uint32_t i = 0; i < pages; i++) {
    from.wait_front(1);
    noc.async_write<NocOptions::POSTED>(from, tensor(), 128, {}, {.page_id = i});
    noc.async_writes_flushed<NocOptions::POSTED>();
    from.pop_front(1);
}""",
    "transaction ids": """
Noc noc; DataflowBuffer from(0);
for (uint32_t i = 0; i < pages; i++) {
    from.wait_front(1);
    noc.async_write<NocOptions::TXN_ID>(from, tensor(), 128, {}, {.page_id = i}, {.trid = i});
    noc.async_writes_flushed<NocOptions::TXN_ID>({.trid = i});
    from.pop_front(1);
}
for (uint32_t i = 0; i < pages; i++) noc.async_write_barrier<NocOptions::TXN_ID>({.trid = i});""",
    "state": """
Noc noc; DataflowBuffer from(0);
for (uint32_t i = 0; i < pages; i++) {
    from.wait_front(1);
    noc.set_async_write_state(tensor(), 0, {.page_id = i});
    for (uint32_t half = 0; half < 128; half += 64)
        noc.async_write_with_state(from, tensor(), 64, {.offset_bytes = half}, {.page_id = i, .offset_bytes = half});
    noc.async_write_barrier();
    from.pop_front(1);
}""",
    "functions with state and ids": """
for (uint32_t i = 0; i < pages; i++) {
    cb_wait_front(0, 1);
    const uint64_t to = tensor().get_noc_addr(i);
    noc_async_write_one_packet_set_state(to, 64);
    noc_async_write_one_packet_with_state(get_read_ptr(0), uint32_t(to));
    noc_async_write_one_packet_with_trid(get_read_ptr(0) + 64, to + 64, 64, 7);
    noc_async_write_flushed_with_trid(7);
    noc_async_write_barrier();
    cb_pop_front(0, 1);
}""",
}


@every_source
@pytest.mark.parametrize("reads", READS.values(), ids=READS)
def test_reads(device, source, reads):
    assert torch.equal(*copied(device, source, reads, PLAIN_WRITES))


@every_source
@pytest.mark.parametrize("writes", WRITES.values(), ids=WRITES)
def test_writes(device, source, writes):
    assert torch.equal(*copied(device, source, PLAIN_READS, writes))


@every_source
def test_zeros(device, source):
    """Half of each page that was read is cleared, and the last page of the result from memory that holds zeros."""
    reads = """
    Noc noc; DataflowBuffer to(0);
    for (uint32_t i = 0; i < pages; i++) {
        to.reserve_back(1);
        noc.async_read(tensor(), to, 128, {.page_id = i}, {});
        noc.async_read_barrier();
        noc.async_write_zeros(to, 64, {.offset_bytes = 64});
        noc.write_zeros_l1_barrier();
        to.push_back(1);
    }"""
    writes = (
        PLAIN_WRITES
        + """
    Noc noc; CircularBuffer zeros(1);
    noc.async_write_zeros(zeros, 128);
    noc.write_zeros_l1_barrier();
    noc.async_write_zeros(tensor(), 128, {.page_id = pages - 1}, zeros);
    noc.write_zeros_dram_barrier();"""
    )
    value, expected = copied(device, source, reads, writes)
    expected = expected.reshape(PAGES, 32)
    expected[:, 16:] = expected[-1] = 0
    assert torch.equal(value.reshape(PAGES, 32), expected)


@every_source
def test_semaphores_and_endpoints(device, source):
    """The second core fetches the first one's page, which sends the next page itself; then both are written out."""
    pair, result = cores(0, 0, 1, 0), words_on(device, [0] * 32 * 6)
    body = """
    Noc noc; Semaphore filled(0), sent(1); CircularBuffer own(0), other(1); UnicastEndpoint far;
    const auto fill = [](CircularBuffer& buffer, uint32_t first) {
        CoreLocalMem<volatile uint32_t> word(buffer.get_write_ptr());
        for (uint32_t i = 0; i < 32; i++, ++word) *word = first + i;
    };
    const auto write = [&](uint32_t page, CircularBuffer& from) {
        noc.async_write(from, tensor(), 128, {}, {.page_id = page});
        noc.async_write_barrier();
    };
    if (is_first()) {
        fill(own, 100);
        filled.up(noc, argument(3), argument(4), 1);
        noc.async_atomic_barrier();
        sent.wait(1);
        fill(other, 200);
        const uint32_t address = other.get_write_ptr();
        noc.async_write(other, far, 128, {}, {.noc_x = argument(3), .noc_y = argument(4), .addr = address});
        noc.async_write_barrier();
        sent.set(2);
        sent.set_multicast(noc, argument(1), argument(2), argument(3), argument(4), 1);
        noc.async_write_barrier();
        return;
    }
    filled.wait_min(1);
    filled.down(1);
    noc.async_read(far, own, 128, {.noc_x = argument(1), .noc_y = argument(2), .addr = own.get_write_ptr()}, {});
    noc.async_read_barrier();
    write(0, own);
    sent.up(noc, argument(1), argument(2), 1);
    noc.async_atomic_barrier();
    sent.wait(2);
    write(1, other);
    if (filled.value() == 0) write(2, other);"""
    common = [result.buffer_address(), *corners(device, (0, 0), (1, 0))]
    code = reader(body, before=SHORTHANDS, common=common, tensors=[result])
    buffers = [buffer(number, ttnn.uint32, page=128, on=pair) for number in (0, 1)]
    with ttnn_emulator.kernel_results(source):
        value = run([result], [code], buffers, semaphores=2, on=pair)
    assert value.reshape(6, 32)[:, 0].tolist() == [100, 200, 200, 0, 0, 0]


@every_source
def test_multicasts_of_objects(device, source):
    """The first core sends a page, and counts up a semaphore, of two others."""
    grid, result = cores(0, 0, 2, 0), words_on(device, [0] * 32 * 3)
    body = """
    Noc noc; Semaphore arrived(0); DataflowBuffer page(0); MulticastEndpoint all;
    if (is_first()) {
        CoreLocalMem<uint32_t> words(page.get_write_ptr());
        for (uint32_t i = 0; i < 32; i++) words[i] = 7 * i;
        noc.async_write_multicast(
            page, page, 64, 2, {}, {.noc_x_start = argument(1), .noc_y_start = argument(2), .noc_x_end = argument(3),
            .noc_y_end = argument(4)});
        noc.async_write_multicast(
            page, all, 64, 2, {.offset_bytes = 64}, {.noc_x_start = argument(1), .noc_y_start = argument(2),
            .noc_x_end = argument(3), .noc_y_end = argument(4), .addr = page.get_write_ptr() + 64});
        noc.async_write_barrier();
        arrived.inc_multicast(noc, argument(1), argument(2), argument(3), argument(4), 5, 2);
        noc.async_atomic_barrier();
    } else {
        arrived.wait(5);
    }
    noc.async_write(page, tensor(), 128, {}, {.page_id = my_logical_x_});
    noc.async_write_barrier();"""
    common = [result.buffer_address(), *corners(device, (0, 0), (2, 0))]
    code = reader(body, before=SHORTHANDS, common=common, tensors=[result])
    with ttnn_emulator.kernel_results(source):
        value = run([result], [code], [buffer(0, ttnn.uint32, page=128, on=grid)], semaphores=1, on=grid)
    assert torch.equal(value.reshape(3, 32).long(), (7 * torch.arange(32)).expand(3, 32))


@every_source
def test_all_threads_of_a_compute_kernel_know_a_value_of_a_tile(device, source):
    """The first word of the first tile says how often the second one is added to itself."""
    value = torch.full((1, 1, 32, 64), 3.0)
    value[..., :32] = 5.0
    tensor = ttnn.from_torch(value, dtype=ttnn.float32, layout=ttnn.TILE_LAYOUT, device=device)
    result = result_like(tensor)
    body = """
    compute_kernel_hw_startup(0, 0, 16);
    CircularBuffer in(0); DataflowBuffer out(16);
    in.wait_front(2);
    const uint32_t times = std::bit_cast<float>(in.read_tile_value(0, 0)) + in.get_cb_id();
    tile_regs_acquire();
    copy_tile(0, 1, 0);
    copy_tile(0, 1, 1);
    for (uint32_t i = 1; i < times; i++) add_binary_tile(0, 1, 0);
    tile_regs_commit();
    in.pop_front(2);
    tile_regs_wait();
    for (uint32_t i = 0; i < 2; i++) {
        out.reserve_back(1);
        pack_tile(i, 16);
        out.push_back(1);
    }
    tile_regs_release();"""
    headers = "\n".join(
        f'#include "api/{name}.h"'
        for name in (
            "compute/tile_move_copy",
            "compute/eltwise_binary_sfpu",
            "dataflow/circular_buffer",
            "dataflow/dataflow_buffer",
        )
    )
    kernels = [
        read_pages(tensor, 2),
        compute(body, headers, straight=[0], fp32_dest_acc_en=True),
        write_pages(result, 2, 16),
    ]
    with ttnn_emulator.kernel_results(source):
        value = run([tensor, result], kernels, [buffer(number, ttnn.float32, 2, 4096) for number in (0, 16)])
    assert (value[..., :32] == 15).all() and (value[..., 32:] == 3).all()
