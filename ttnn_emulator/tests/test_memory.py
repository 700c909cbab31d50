# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""Device memory behaves as a card's: addresses, views, reuse, limits."""

import gc

import pytest
import torch

import ttnn
from ttnn_emulator import EmulatorError, MemoryFault
from ttnn_emulator.device.registry import VALUES
from ttnn_emulator.install import emulated_device

TILE = ttnn.TILE_LAYOUT


def upload(device, value, **options):
    return ttnn.from_torch(value, dtype=ttnn.bfloat16, layout=TILE, device=device, **options)


def host(value):
    return ttnn.from_torch(value, dtype=ttnn.bfloat16, layout=TILE)


def number(value):
    return torch.full((32, 32), float(value))


def test_a_view_shares_its_storage(device):
    tensor = upload(device, torch.zeros(2, 32, 32))
    view = ttnn.reshape(tensor, (1, 2, 32, 32))
    assert view.buffer_address() == tensor.buffer_address()
    ttnn.copy_host_to_device_tensor(host(torch.ones(2, 32, 32)), tensor)
    assert ttnn.to_torch(view).eq(1).all() and tuple(ttnn.to_torch(view).shape) == (1, 2, 32, 32)
    ttnn.add_(view, 1.0)
    assert ttnn.to_torch(tensor).eq(2).all()


def test_a_copy_does_not_share(device):
    tensor = upload(device, number(1))
    copy = ttnn.clone(tensor)
    ttnn.add_(tensor, 1.0)
    assert ttnn.to_torch(copy).eq(1).all() and ttnn.to_torch(tensor).eq(2).all()


def test_moves_are_independent_of_later_changes_in_place(device):
    tensor = upload(device, number(1))
    moved = ttnn.to_memory_config(tensor, ttnn.L1_MEMORY_CONFIG)
    assert moved.buffer_address() != tensor.buffer_address()
    ttnn.multiply_(moved, 5.0)
    assert ttnn.to_torch(tensor).eq(1).all() and ttnn.to_torch(moved).eq(5).all()


def test_a_freed_address_is_reused_and_holds_the_new_value(device):
    first = upload(device, number(1))
    address = first.buffer_address()
    ttnn.deallocate(first)
    second = upload(device, number(2))
    assert second.buffer_address() == address
    assert ttnn.to_torch(second).eq(2).all()


def test_an_address_freed_by_the_garbage_collector_is_reused(device):
    first = upload(device, number(1))
    address = first.buffer_address()
    del first
    gc.collect()
    second = ttnn.empty((32, 32), dtype=ttnn.bfloat16, layout=TILE, device=device)
    assert second.buffer_address() == address
    assert not ttnn.to_torch(second).eq(1).any()  # never the value of the tensor that lived there


def test_use_after_deallocate(device):
    tensor = upload(device, number(1))
    ttnn.deallocate(tensor)
    for use in (lambda: ttnn.to_torch(tensor), lambda: tensor.cpu(), lambda: tensor.to_list()):
        with pytest.raises(MemoryFault, match=r"32\].* was deallocated"):
            use()
    with pytest.raises(MemoryFault, match=r"ttnn.add: the tensor \[32, 32\] was deallocated"):
        ttnn.add(tensor, 1.0)


def test_a_view_of_a_freed_tensor_is_gone_and_harms_nobody(device):
    tensor = upload(device, number(1))
    view = ttnn.reshape(tensor, (1, 32, 32))
    ttnn.deallocate(tensor)
    with pytest.raises(MemoryFault, match=r"\[1, 32, 32\] was deallocated"):
        ttnn.to_torch(view)
    heir = upload(device, number(2))
    assert heir.buffer_address() == view.buffer_address()
    with pytest.raises(MemoryFault, match=r"\[1, 32, 32\] was deallocated"):
        ttnn.to_torch(view)
    assert ttnn.to_torch(heir).eq(2).all()


def test_deallocate_twice_is_harmless(device):
    tensor = upload(device, number(1))
    ttnn.deallocate(tensor)
    ttnn.deallocate(tensor)


def test_use_after_close():
    device = ttnn.open_device(device_id=0)
    tensor = upload(device, number(1))
    ttnn.close_device(device)
    with pytest.raises(EmulatorError, match="closed|deallocated|no open device"):
        ttnn.to_torch(tensor)
    with pytest.raises(EmulatorError, match="closed"):
        ttnn.close_device(device)


def test_a_new_device_does_not_remember_the_old_one():
    for value in (1, 2):
        device = ttnn.open_device(device_id=0)
        tensor = upload(device, number(value))
        assert ttnn.to_torch(tensor).eq(value).all()
        ttnn.close_device(device)


def test_unwritten_memory_reads_as_nan(device):
    tensor = ttnn.empty((32, 32), dtype=ttnn.bfloat16, layout=TILE, device=device)
    assert ttnn.to_torch(tensor).isnan().all()
    assert ttnn.to_torch(ttnn.add(tensor, 1.0)).isnan().all()


def test_in_place_operations_keep_the_address(device):
    tensor, other = upload(device, number(3)), upload(device, number(4))
    address = tensor.buffer_address()
    result = ttnn.add_(tensor, other)
    assert result.buffer_address() == address and ttnn.to_torch(tensor).eq(7).all()
    ttnn.multiply(tensor, other, output_tensor=tensor)
    assert ttnn.to_torch(tensor).eq(28).all() and ttnn.to_torch(other).eq(4).all()


def test_the_device_has_its_own_copy_of_the_hosts_values(device):
    value = number(1).to(torch.bfloat16)
    uploaded, on_host = upload(device, value), host(value)
    moved = ttnn.to_device(on_host, device)
    value.fill_(9)
    assert ttnn.to_torch(uploaded).eq(1).all() and ttnn.to_torch(moved).eq(1).all()
    downloaded = ttnn.to_torch(uploaded)
    downloaded.fill_(9)
    assert ttnn.to_torch(uploaded).eq(1).all()


def test_overfull_l1_is_the_librarys_own_error(device):
    grid = device.compute_with_storage_grid_size()
    value = torch.zeros(grid.x * grid.y, 768, 1024, dtype=torch.bfloat16)  # 1.5 MiB for each core, as large as its L1
    with pytest.raises(RuntimeError, match="Out of Memory"):
        upload(device, value, memory_config=ttnn.L1_MEMORY_CONFIG)
    # and the device is usable afterwards
    assert ttnn.to_torch(upload(device, number(1), memory_config=ttnn.L1_MEMORY_CONFIG)).eq(1).all()


def test_dram_and_l1_have_addresses_of_their_own(device):
    tensors = [
        upload(device, number(i), memory_config=memory)
        for i, memory in enumerate([ttnn.DRAM_MEMORY_CONFIG, ttnn.L1_MEMORY_CONFIG] * 4)
    ]
    for i, tensor in enumerate(tensors):
        assert ttnn.to_torch(tensor).eq(i).all()


def test_the_contents_of_forgotten_tensors_do_not_pile_up(device):
    """100 tensors with 256 kB in each memory bank are forgotten. Soon after, the memory holds them no more."""
    memory = emulated_device().memory
    clock, kept = memory.births, upload(device, number(5))

    def large() -> ttnn.Tensor:
        return ttnn.empty((32 * 128 * device.dram_grid_size().x, 32), dtype=ttnn.bfloat16, layout=TILE, device=device)

    forgotten = [large() for _ in range(100)]
    assert len(memory.born_after(clock, device.id())) == 101
    del forgotten
    for _ in range(130):  # 32 MB in each bank: as often does the memory look for forgotten tensors
        large()
    assert len(memory.born_after(clock, device.id())) < 10
    assert ttnn.to_torch(kept).eq(5).all()


def test_an_update_in_place_reaches_no_copy(device):
    cache = upload(device, torch.zeros(1, 1, 64, 32))
    before, view = ttnn.clone(cache), ttnn.reshape(cache, (1, 1, 64, 32))
    grid = ttnn.CoreRangeSet({ttnn.CoreRange(ttnn.CoreCoord(0, 0), ttnn.CoreCoord(0, 0))})
    shards = ttnn.create_sharded_memory_config(
        (32, 32), core_grid=grid, strategy=ttnn.ShardStrategy.HEIGHT, use_height_and_width_as_shard_shape=True
    )
    rows = upload(device, torch.ones(1, 1, 1, 32), memory_config=shards)
    ttnn.experimental.paged_update_cache(cache, rows, update_idxs=[40])
    assert ttnn.to_torch(cache).sum() == 32 and ttnn.to_torch(view).sum() == 32
    assert ttnn.to_torch(before).eq(0).all()
    after = ttnn.clone(cache)
    ttnn.experimental.paged_update_cache(cache, rows, update_idxs=[41])
    assert ttnn.to_torch(cache).sum() == 64 and ttnn.to_torch(after).sum() == 32


def test_a_copy_keeps_shape_and_dtype(device):
    tensor = upload(device, number(1))
    for wrong in (host(torch.ones(64, 32)), ttnn.from_torch(number(1), dtype=ttnn.float32, layout=TILE)):
        with pytest.raises(EmulatorError, match="cannot replace"):
            ttnn.copy_host_to_device_tensor(wrong, tensor)


def test_a_host_operand_is_one_clear_line(device):
    with pytest.raises(EmulatorError, match="on the host; move it") as caught:
        ttnn.add(upload(device, number(1)), host(number(1)))
    assert "\n" not in str(caught.value)


def test_an_operation_without_values_names_itself_once_the_library_found_nothing_wrong(device, monkeypatch):
    monkeypatch.delitem(VALUES, "ttnn.add")
    x = upload(device, number(1))
    with pytest.raises(NotImplementedError, match="ttnn.add has no value function"):
        ttnn.add(x, x)
    with pytest.raises(TypeError, match="incompatible function arguments"):
        ttnn.add(x, x, colour="red")


def test_an_unknown_option_is_the_librarys_error(device):
    with pytest.raises(TypeError, match="incompatible function arguments"):
        ttnn.layer_norm(upload(device, number(1)), colour="red")


def test_tensors_without_elements_do_not_replace_each_other(device):
    a, b = (upload(device, torch.zeros(0, 0)) for _ in range(2))
    assert ttnn.to_torch(ttnn.add(a, b)).shape == (0, 0)


def test_a_freed_tensor_prints_what_it_was(device):
    tensor = upload(device, number(1))
    ttnn.deallocate(tensor)
    assert "buffer is not allocated" in repr(tensor) and "[32, 32]" in repr(tensor)


def test_printing_a_tensor_shows_its_values(device):
    assert "7.0000" in repr(upload(device, number(7)))


def test_contents_of_freed_tensors_are_forgotten(device):
    """Python's garbage collector frees a tensor on the device without a word to the emulation."""
    memory = emulated_device().memory
    weights = [upload(device, torch.zeros(1024, 1024)) for _ in range(24)]
    del weights
    for _ in range(24):
        upload(device, torch.zeros(1024, 1024))
    held = sum(buffer.shards[0].numel() for buffer in memory._buffers.values() if buffer.shards)
    assert held <= 12 << 20
