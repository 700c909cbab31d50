# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""Writing into parts, spreading, reordering, scans and whole-tensor products, against plain torch or loops."""

import pytest
import torch

import ttnn
from ttnn_emulator.tests.tensors import assert_close, assert_same, get, integers, put, random

ROWS = ttnn.ROW_MAJOR_LAYOUT

PRECISE = ttnn.WormholeComputeKernelConfig(math_fidelity=ttnn.MathFidelity.HiFi4, fp32_dest_acc_en=True)


@pytest.mark.parametrize("step", [1, 2])
def test_slice_write(device, step):
    target, expected = put(torch.zeros(2, 16, 16, 32), device, layout=ROWS)
    part, value = put(random((2, 8 // step, 16, 32), 1), device, layout=ROWS)
    other = ttnn.clone(target)
    ttnn.experimental.slice_write(part, target, [0, 4, 0, 0], [2, 12, 16, 32], [1, step, 1, 1])
    expected[:, 4:12:step] = value
    assert_same(target, expected)
    assert not get(other).any()


def test_broadcast_to(device):
    tensor, value = put(random((1, 3, 1, 32), 2), device)
    result = ttnn.experimental.broadcast_to(tensor, ttnn.Shape([2, 3, 32, 32]))
    assert_same(result, value.expand(2, 3, 32, 32))


@pytest.mark.parametrize("channels", [16, 3])
def test_channels_last(device, channels):
    grid = ttnn.CoreRangeSet([ttnn.CoreRange(ttnn.CoreCoord(0, 0), ttnn.CoreCoord(1, 0))])
    value = random((1, 1, channels, 64), 3).bfloat16()
    spec = ttnn.ShardSpec(grid, [channels, 32], ttnn.ShardOrientation.ROW_MAJOR)
    config = ttnn.MemoryConfig(ttnn.TensorMemoryLayout.WIDTH_SHARDED, ttnn.BufferType.L1, spec)
    tensor = ttnn.from_torch(value, device=device, layout=ROWS, memory_config=config)
    filled = torch.nn.functional.pad(value, (0, 0, 0, -channels % 8))
    assert_same(ttnn.experimental.convert_to_hwc(tensor, dtype=ttnn.bfloat16), filled.transpose(2, 3))


def test_rows_by_index(device):
    table, rows = put(random((2, 32, 64), 4), device)
    index = integers((2, 16), 5, 0, 32)
    places = ttnn.from_torch(index.int(), dtype=ttnn.uint32, layout=ttnn.TILE_LAYOUT, device=device)
    picked = torch.stack([rows[n][index[n]] for n in range(2)])
    assert_same(ttnn.tosa_gather(table, places), picked)


def test_rows_replaced(device):
    table, rows = put(random((2, 32, 64), 6), device)
    source, new = put(random((2, 16, 64), 7), device)
    index = torch.stack([torch.randperm(32)[:16] for _ in range(2)])
    places = ttnn.from_torch(index.int(), dtype=ttnn.uint32, layout=ttnn.TILE_LAYOUT, device=device)
    for n in range(2):
        rows[n, index[n]] = new[n]
    assert_same(ttnn.tosa_scatter(table, places, source), rows)


def test_nonzero(device):
    value = integers((1, 1, 1, 64), 8, 0, 2)
    tensor = ttnn.from_torch(value.int(), dtype=ttnn.uint32, layout=ROWS, device=device)
    count, places = (get(result).flatten() for result in ttnn.nonzero(tensor))
    found = value.flatten().nonzero().flatten()
    assert count[0] == len(found)
    coordinates = places[: 4 * len(found)].reshape(-1, 4)
    assert torch.equal(coordinates[:, 3], found) and not coordinates[:, :3].any()


@pytest.mark.parametrize("dtype,fill", [(ttnn.bfloat16, 1.5), (ttnn.int32, -7)])
def test_moreh_full(device, dtype, fill):
    made = ttnn.moreh_full([2, 3, 32, 32], fill, device, dtype=dtype, layout=ttnn.TILE_LAYOUT)
    assert_same(made, torch.full((2, 3, 32, 32), fill))
    assert_same(ttnn.moreh_full_like(made, fill * 2), torch.full((2, 3, 32, 32), fill * 2))


def test_exponential_moving_average(device):
    tensor, value = put(random((1, 2, 32, 64), 9), device)
    expected = value.clone()
    for t in range(1, 64):
        expected[..., t] = 0.75 * expected[..., t - 1] + 0.25 * value[..., t]
    assert_close(ttnn.ema(tensor, 0.75), expected)


def test_integral_image(device):
    tensor, value = put(integers((1, 8, 8, 32), 10, -2, 3).float(), device)
    expected = torch.stack(
        [torch.stack([value[0, : w + 1, : h + 1].sum((0, 1)) for h in range(8)]) for w in range(8)]
    ).unsqueeze(0)
    assert_close(ttnn.experimental.intimg(tensor), expected)


def test_dot(device):
    (a, left), (b, right) = (put(random((1, 1, 1, 64), seed), device) for seed in (11, 12))
    result = get(ttnn.moreh_dot(a, b, compute_kernel_config=PRECISE)).item()
    assert abs(result - float((left * right).sum())) < 0.05


@pytest.mark.parametrize("dims", [[0], [1], [0, 1]])
def test_fast_reduction(device, dims):
    tensor, value = put(random((4, 3, 32, 64), 13, 0.5, 4), device)
    result = ttnn.experimental.fast_reduce_nc(tensor, dims=dims, compute_kernel_config=PRECISE)
    assert_close(result, value.sum(dims, keepdim=True), 4e-3)


@pytest.mark.parametrize("alpha,beta", [(1.0, 1.0), (0.5, 2.0), (1.0, 0.0)])
def test_addmm(device, alpha, beta):
    """Small integers, so that every step is exact."""
    (added, c), (first, a), (second, b) = (
        put(integers(shape, seed, -4, 5).float(), device)
        for shape, seed in (((32, 64), 14), ((32, 128), 15), ((128, 64), 16))
    )
    options = {"alpha": alpha, "beta": beta, "compute_kernel_config": PRECISE}
    assert torch.equal(get(ttnn.addmm(added, first, second, dtype=ttnn.float32, **options)), beta * c + alpha * (a @ b))
