# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""Tensor files: what a device tensor is saved as, and what comes back onto a device."""

from pathlib import Path

import pytest
import torch

import ttnn

VALUES = torch.randn(1, 1, 40, 64).bfloat16()


def test_a_device_tensor_is_saved_with_its_values(device: ttnn.MeshDevice, tmp_path: Path) -> None:
    path = str(tmp_path / "saved.tensorbin")
    ttnn.dump_tensor(path, ttnn.from_torch(VALUES, layout=ttnn.TILE_LAYOUT, device=device))
    assert torch.equal(ttnn.to_torch(ttnn.load_tensor(path)), VALUES)
    assert torch.equal(ttnn.to_torch(ttnn.load_tensor(path, device=device)), VALUES)


@pytest.mark.parametrize("memory_config", [ttnn.DRAM_MEMORY_CONFIG, ttnn.L1_MEMORY_CONFIG], ids=["dram", "l1"])
def test_as_tensor_reads_its_cache(device: ttnn.MeshDevice, tmp_path: Path, memory_config: ttnn.MemoryConfig) -> None:
    options = {"dtype": ttnn.bfloat16, "layout": ttnn.TILE_LAYOUT, "device": device, "memory_config": memory_config}
    for source in (VALUES, torch.zeros_like(VALUES)):  # the second time the file counts, not the argument
        loaded = ttnn.as_tensor(source, cache_file_name=str(tmp_path / "weight"), **options)
        assert torch.equal(ttnn.to_torch(loaded), VALUES)
        assert loaded.memory_config() == memory_config


def test_padded_values_come_to_the_host(device: ttnn.MeshDevice) -> None:
    padded = ttnn.from_torch(VALUES, layout=ttnn.TILE_LAYOUT, device=device).to_torch_with_padded_shape()
    assert padded.shape == (1, 1, 64, 64) and torch.equal(padded[:, :, :40], VALUES)


def test_a_view_is_written_after_a_product_read_another(device: ttnn.MeshDevice) -> None:
    def upload(value: torch.Tensor) -> ttnn.Tensor:
        return ttnn.from_torch(value.bfloat16(), layout=ttnn.TILE_LAYOUT, device=device)

    whole = upload(torch.zeros(1, 1, 128, 64))
    halves = ttnn.reshape(whole, (1, 2, 64, 64))
    ttnn.matmul(upload(torch.ones(1, 2, 32, 64)), halves)
    ttnn.fill_cache(whole, upload(torch.ones(1, 1, 32, 64)), 0)
    values = ttnn.to_torch(halves).float()
    assert values[0, 0, :32].eq(1).all() and values.sum() == 32 * 64


@pytest.mark.parametrize("shape", [(64, 128), (128,)], ids=["matrix", "vector"])
def test_a_vector_is_multiplied(device: ttnn.MeshDevice, shape: tuple[int, ...]) -> None:
    first, second = torch.randint(-3, 4, shape).float(), torch.randint(-3, 4, (128,)).float()
    tensors = [ttnn.from_torch(v.bfloat16(), layout=ttnn.TILE_LAYOUT, device=device) for v in (first, second)]
    product = ttnn.to_torch(ttnn.matmul(*tensors, dtype=ttnn.float32)).float()
    assert (product.flatten() - (first @ second).flatten()).abs().max() <= 0.01 * (first @ second).abs().max() + 1e-6


def test_large_integers_divide_exactly(device: ttnn.MeshDevice) -> None:
    first, second = torch.tensor([[2**30 + 1, -7]]), torch.tensor([[3, 2]])
    tensors = [ttnn.from_torch(v.int(), layout=ttnn.TILE_LAYOUT, device=device) for v in (first, second)]
    quotient = ttnn.to_torch(ttnn.div(*tensors, rounding_mode="floor"))
    assert quotient.tolist() == torch.div(first, second, rounding_mode="floor").tolist()


def _specs() -> list[ttnn.TensorSpec]:
    cores = ttnn.CoreRangeSet({ttnn.CoreRange(ttnn.CoreCoord(0, 0), ttnn.CoreCoord(1, 0))})
    shape, tile = ttnn.Shape([1, 2, 40, 64]), ttnn.TILE_LAYOUT
    in_l1 = ttnn.TensorSpec(shape, ttnn.bfloat16, tile, ttnn.BufferType.L1)
    return [
        in_l1,
        ttnn.TensorSpec(shape, ttnn.bfloat16, tile, ttnn.BufferType.DRAM, ttnn.Tile((16, 32))),
        in_l1.sharded_across_dims([1], cores),
        ttnn.TensorSpec(shape, ttnn.bfloat16, ttnn.ROW_MAJOR_LAYOUT, ttnn.BufferType.L1).sharded_across_dims(
            [1], cores
        ),
    ]


@pytest.mark.parametrize("number", range(4), ids=["l1", "tile-16x32", "sharded", "rows-sharded"])
def test_a_tensor_keeps_what_it_is_on_its_way_out(device: ttnn.MeshDevice, tmp_path: Path, number: int) -> None:
    path, spec = str(tmp_path / "saved.tensorbin"), _specs()[number]
    values = torch.randn(1, 2, 40, 64).bfloat16()
    tensor = ttnn.from_torch(values, spec=spec, device=device)
    ttnn.dump_tensor(path, tensor)
    for host in (tensor.cpu(), ttnn.from_device(tensor), ttnn.load_tensor(path)):
        assert host.spec == tensor.spec
        assert torch.equal(host.to_torch(), values)
