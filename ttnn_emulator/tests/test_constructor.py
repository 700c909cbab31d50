# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""`ttnn.Tensor(...)` and `ttnn.from_buffer`: what they are given for a device is there."""

import pytest
import torch

import ttnn
from ttnn_emulator.errors import TraceError
from ttnn_emulator.tests.tensors import random

TILE, ROWS = ttnn.TILE_LAYOUT, ttnn.ROW_MAJOR_LAYOUT


def test_from_torch_values(device):
    value = random((1, 2, 32, 64), 1).bfloat16()
    by_name = ttnn.Tensor(value, ttnn.bfloat16, device=device, layout=ROWS, mem_config=ttnn.L1_MEMORY_CONFIG)
    in_order = ttnn.Tensor(value, ttnn.bfloat16, device, TILE, ttnn.DRAM_MEMORY_CONFIG)
    assert torch.equal(ttnn.to_torch(by_name), value) and torch.equal(ttnn.to_torch(in_order), value)
    assert torch.equal(ttnn.to_torch(ttnn.add(in_order, in_order)), value * 2)


def test_block_floats_are_rounded_as_an_upload(device):
    value = random((32, 32), 2)
    tensor = ttnn.Tensor(value, ttnn.bfloat8_b, device=device)
    uploaded = ttnn.from_torch(value, dtype=ttnn.bfloat8_b, layout=TILE, device=device)
    assert torch.equal(ttnn.to_torch(tensor), ttnn.to_torch(uploaded))


@pytest.mark.parametrize("place", [[], [ttnn.L1_MEMORY_CONFIG]])
def test_from_a_list_and_its_shape(device, place):
    tensor = ttnn.Tensor([1.0, 2.0, 3.0, 4.0], [1, 1, 2, 2], ttnn.bfloat16, ROWS, device, *place)
    assert ttnn.to_torch(tensor).tolist() == [[[[1.0, 2.0], [3.0, 4.0]]]]


def test_a_copy_shares_the_memory(device):
    tensor = ttnn.from_torch(random((32, 32), 3), dtype=ttnn.bfloat16, layout=TILE, device=device)
    copy = ttnn.Tensor(tensor)
    ttnn.add_(tensor, tensor)
    assert torch.equal(ttnn.to_torch(copy), ttnn.to_torch(tensor))


def test_on_the_host_and_with_wrong_arguments():
    value = random((4, 8), 4).bfloat16()
    assert torch.equal(ttnn.Tensor(value, ttnn.bfloat16).to_torch(), value)
    with pytest.raises(TypeError, match="incompatible"):
        ttnn.Tensor(3)


def test_from_buffer(device):
    tensor = ttnn.from_buffer([1, 2, 3, 4, 5, 6], ttnn.Shape([2, 3]), ttnn.int32, device)
    assert ttnn.to_torch(tensor).tolist() == [[1, 2, 3], [4, 5, 6]]


@pytest.mark.parametrize("device_params", [{"trace_region_size": 1 << 16}], indirect=True)
def test_not_inside_a_capture(device):
    trace = ttnn.begin_trace_capture(device)
    with pytest.raises(TraceError, match="ttnn.Tensor: a host write"):
        ttnn.Tensor(torch.ones(32, 32), ttnn.bfloat16, device=device, layout=TILE)
    ttnn.end_trace_capture(device, trace)
