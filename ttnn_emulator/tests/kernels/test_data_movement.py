# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""Kernels that move data: circular buffers, tensors in every kind of memory, the NoC, and semaphores."""

import pytest
import torch

import ttnn
from ttnn_emulator.tests.kernels.programs import (
    buffer,
    cores,
    read_pages,
    reader,
    result_like,
    run,
    words_on,
    write_pages,
    writer,
)

DTYPES = [ttnn.float32, ttnn.bfloat16, ttnn.bfloat8_b, ttnn.bfloat4_b, ttnn.uint32, ttnn.int32, ttnn.uint16]
SHAPE = (1, 2, 64, 96)


def values(dtype: ttnn.DataType, shape: tuple[int, ...] = SHAPE) -> torch.Tensor:
    generator = torch.Generator().manual_seed(1)
    if dtype in (ttnn.uint32, ttnn.int32, ttnn.uint16):
        return torch.randint(0, 1 << 15, shape, generator=generator)
    return torch.randn(shape, generator=generator)


def sharded(layout: ttnn.TensorMemoryLayout, shard: tuple[int, int], grid: ttnn.CoreRangeSet) -> ttnn.MemoryConfig:
    return ttnn.MemoryConfig(layout, ttnn.BufferType.L1, ttnn.ShardSpec(grid, shard, ttnn.ShardOrientation.ROW_MAJOR))


MEMORIES = {
    "DRAM": ttnn.DRAM_MEMORY_CONFIG,
    "L1": ttnn.L1_MEMORY_CONFIG,
    "width": lambda: sharded(ttnn.TensorMemoryLayout.WIDTH_SHARDED, (128, 32), cores(1, 0, 3, 0)),
    "height": lambda: sharded(ttnn.TensorMemoryLayout.HEIGHT_SHARDED, (32, 96), cores(0, 0, 1, 1)),
    "block": lambda: sharded(ttnn.TensorMemoryLayout.BLOCK_SHARDED, (64, 32), cores(0, 0, 2, 1)),
}


def copied(tensor: ttnn.Tensor) -> torch.Tensor:
    """The tensor's value after its pages went through a circular buffer, one by one."""
    result, pages, page = result_like(tensor), tensor.buffer_num_pages(), tensor.buffer_aligned_page_size()
    kernels = [read_pages(tensor, pages), write_pages(result, pages)]
    return run([tensor, result], kernels, [buffer(0, tensor.dtype, page=page)])


@pytest.mark.parametrize("dtype", DTYPES, ids=lambda dtype: dtype.name.lower())
def test_tiles_of_every_dtype(device, dtype):
    tensor = ttnn.from_torch(values(dtype), dtype=dtype, layout=ttnn.TILE_LAYOUT, device=device)
    assert torch.equal(copied(tensor), ttnn.to_torch(tensor))


@pytest.mark.parametrize("memory", MEMORIES.values(), ids=MEMORIES)
def test_tiles_in_every_memory(device, memory):
    memory = memory() if callable(memory) else memory
    tensor = ttnn.from_torch(
        values(ttnn.bfloat16), dtype=ttnn.bfloat16, layout=ttnn.TILE_LAYOUT, device=device, memory_config=memory
    )
    assert torch.equal(copied(tensor), ttnn.to_torch(tensor))


@pytest.mark.parametrize("dtype", [ttnn.float32, ttnn.bfloat16, ttnn.uint32], ids=lambda dtype: dtype.name.lower())
@pytest.mark.parametrize("memory", ["DRAM", "L1", "height", "width"])
def test_rows_in_every_memory(device, memory, dtype):
    memory = MEMORIES[memory]
    memory = memory() if callable(memory) else memory
    tensor = ttnn.from_torch(
        values(dtype), dtype=dtype, layout=ttnn.ROW_MAJOR_LAYOUT, device=device, memory_config=memory
    )
    assert torch.equal(copied(tensor), ttnn.to_torch(tensor))


def test_a_tile_that_is_not_full(device):
    tensor = ttnn.from_torch(torch.randn(1, 1, 5, 40), dtype=ttnn.float32, layout=ttnn.TILE_LAYOUT, device=device)
    assert torch.equal(copied(tensor), ttnn.to_torch(tensor))


def test_arguments_of_every_kind(device):
    """A kernel writes all it is told into a page."""
    result = words_on(device, [0] * 64)
    body = """
    cb_reserve_back(0, 1);
    auto words = reinterpret_cast<volatile tt_l1_ptr uint32_t*>(get_write_ptr(0));
    for (uint32_t i = 0; i < 32; i++) words[i] = 0;
    words[0] = get_compile_time_arg_val(0) + get_compile_time_arg_val(1);
    words[1] = get_named_compile_time_arg_val("named");
    words[2] = DEFINED;
    words[3] = get_arg_val<uint32_t>(0);
    words[4] = get_arg_val<int32_t>(1);
    words[5] = my_logical_x_;
    const auto tensor = TensorAccessor(TensorAccessorArgs<2>(), get_common_arg_val<uint32_t>(0));
    noc_async_write_page(get_arg_val<uint32_t>(2), tensor, get_write_ptr(0));
    noc_async_write_barrier();"""
    both = cores(0, 0, 1, 0)
    code = reader(
        body,
        compile_time=[3, 4],
        named={"named": 5},
        defines={"DEFINED": "6"},
        arguments={(0, 0): [7, 8, 0], (1, 0): [70, 80, 1]},
        common=[result.buffer_address()],
        tensors=[result],
    )
    value = run([result], [code], [buffer(0, ttnn.uint32, page=128, on=both)], on=both)
    assert value.reshape(2, 32)[:, :6].tolist() == [[7, 5, 6, 7, 8, 0], [7, 5, 6, 70, 80, 1]]


# Writes words `first` to `first` + 31 into the page `page` of the tensor.
WRITE = """
void write(uint32_t page, uint32_t first) {
    cb_reserve_back(1, 1);
    auto words = reinterpret_cast<volatile tt_l1_ptr uint32_t*>(get_write_ptr(1));
    for (uint32_t i = 0; i < 32; i++) words[i] = first + i;
    const auto tensor = TensorAccessor(TensorAccessorArgs<0>(), get_common_arg_val<uint32_t>(0));
    noc_async_write_page(page, tensor, get_write_ptr(1));
    noc_async_write_barrier();
}
"""


def corners(device: ttnn.MeshDevice, *places: tuple[int, int]) -> list[int]:
    """NoC coordinates of cores."""
    found = [device.worker_core_from_logical_core(ttnn.CoreCoord(*place)) for place in places]
    return [number for core in found for number in (core.x, core.y)]


def test_semaphores_count_up(device):
    """Every core counts the first core's semaphore up, which waits for all of them."""
    grid, result = cores(0, 0, 2, 1), words_on(device, [0] * 32)
    body = """
    const uint32_t semaphore = get_semaphore(0);
    noc_semaphore_inc(get_noc_addr(get_common_arg_val<uint32_t>(1), get_common_arg_val<uint32_t>(2), semaphore), 2);
    noc_async_atomic_barrier();
    if (my_logical_x_ || my_logical_y_) return;
    auto count = reinterpret_cast<volatile tt_l1_ptr uint32_t*>(semaphore);
    noc_semaphore_wait(count, 12);
    write(0, *count);"""
    common = [result.buffer_address(), *corners(device, (0, 0))]
    code = reader(body, before=WRITE, common=common, tensors=[result])
    value = run([result], [code], [buffer(1, ttnn.uint32, page=128, on=grid)], semaphores=1, on=grid)
    assert value.flatten().tolist() == list(range(12, 44))


@pytest.mark.parametrize("noc", [0, 1])
@pytest.mark.parametrize("to_sender", [False, True])
def test_multicast(device, noc, to_sender):
    """The first core sends a page to all cores, and sets their semaphores; every core writes out what it has."""
    grid, result = cores(0, 0, 2, 1), words_on(device, [0] * 6 * 32)
    name = "_loopback_src" if to_sender else ""
    first, last = ("1", "3") if noc == 0 else ("3", "1")
    body = f"""
    const auto argument = [](uint32_t i) {{ return get_common_arg_val<uint32_t>(i); }};
    const uint32_t semaphore = get_semaphore(0), page = get_write_ptr(0);
    auto words = reinterpret_cast<volatile tt_l1_ptr uint32_t*>(page);
    auto sent = reinterpret_cast<volatile tt_l1_ptr uint32_t*>(semaphore);
    if (my_logical_x_ == 0 && my_logical_y_ == 0) {{
        for (uint32_t i = 0; i < 32; i++) words[i] = 100;
        const auto all = [&](uint32_t address) {{
            return get_noc_multicast_addr(
                argument({first}), argument({first} + 1), argument({last}), argument({last} + 1), address);
        }};
        noc_async_write_multicast{name}(page, all(page), 128, {6 if to_sender else 5});
        noc_async_write_barrier();
        *sent = 1;
        noc_semaphore_set_multicast{name}(semaphore, all(semaphore), {6 if to_sender else 5});
        noc_async_write_barrier();
    }}
    noc_semaphore_wait(sent, 1);
    write(my_logical_y_ * 3 + my_logical_x_, words[31]);"""
    common = [result.buffer_address(), *corners(device, (0, 0), (2, 1))]
    make = reader if noc == 0 else writer
    code = make(body, before=WRITE, common=common, tensors=[result])
    buffers = [buffer(number, ttnn.uint32, page=128, on=grid) for number in (0, 1)]
    value = run([result], [code], buffers, semaphores=1, on=grid)
    assert torch.equal(value.reshape(6, 32), torch.arange(100, 132).expand(6, 32).to(value.dtype))


def test_cores_read_each_other(device):
    """Each core reads the page of its neighbour, which lies at the same address there."""
    pair, result = cores(0, 0, 1, 0), words_on(device, [0] * 64)
    body = """
    const auto argument = [](uint32_t i) { return get_common_arg_val<uint32_t>(i); };
    const uint32_t page = get_write_ptr(0), copy = get_write_ptr(2), other = 1 - my_logical_x_;
    *reinterpret_cast<volatile tt_l1_ptr uint32_t*>(page) = 50 + my_logical_x_;
    noc_semaphore_inc(get_noc_addr(argument(1 + 2 * other), argument(2 + 2 * other), get_semaphore(0)), 1);
    noc_async_atomic_barrier();
    noc_semaphore_wait(reinterpret_cast<volatile tt_l1_ptr uint32_t*>(get_semaphore(0)), 1);
    noc_async_read(get_noc_addr(argument(1 + 2 * other), argument(2 + 2 * other), page), copy, 16);
    noc_async_read_barrier();
    write(my_logical_x_, *(volatile tt_l1_ptr uint32_t*)copy);"""
    common = [result.buffer_address(), *corners(device, (0, 0), (1, 0))]
    buffers = [buffer(number, ttnn.uint32, page=128, on=pair) for number in (0, 1, 2)]
    code = reader(body, before=WRITE, common=common, tensors=[result])
    value = run([result], [code], buffers, semaphores=1, on=pair)
    assert value.reshape(2, 32)[:, 0].tolist() == [51, 50]
