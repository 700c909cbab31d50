# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""The operations of a state-space model against loops in float64."""

import pytest
import torch

import ttnn
from ttnn_emulator.tests.tensors import assert_same, get, put, random

_HIDDEN, _STATES = 5120, 32  # the sizes that the library takes


@pytest.mark.parametrize(
    "a_width,b_width", [(_STATES, _HIDDEN), (_STATES * _HIDDEN, _HIDDEN), (_STATES, _STATES * _HIDDEN)]
)
def test_repeated_columns(device, a_width, b_width):
    (first, a), (second, b) = put(random((1, 1, 32, a_width), 1), device), put(random((1, 1, 32, b_width), 2), device)
    result = ttnn.experimental.repeat_and_interleave_eltwise_mul(first, second)
    columns = torch.arange(_STATES * _HIDDEN)
    expected = a[..., columns % a_width] * b[..., columns * b_width // len(columns)]
    assert (
        (get(result) - expected).abs() <= 2**-6 * expected.abs()
    ).all()  # each of four phases is rounded to 8 bits


def test_prefix_scan(device):
    width = 64
    (gates, a), (steps, b) = (put(random((1, 1, 64, width), seed, -0.9, 0.9), device) for seed in (1, 2))
    before, h = put(random((1, 1, 1, width), 3), device, layout=ttnn.ROW_MAJOR_LAYOUT)
    cores = ttnn.CoreRangeSet({ttnn.CoreRange(ttnn.CoreCoord(0, 0), ttnn.CoreCoord(1, 0))})

    def shards(rows: int) -> ttnn.MemoryConfig:
        spec = ttnn.ShardSpec(cores, (rows, width // 2), ttnn.ShardOrientation.ROW_MAJOR)
        return ttnn.MemoryConfig(ttnn.TensorMemoryLayout.WIDTH_SHARDED, ttnn.BufferType.L1, spec)

    result = ttnn.experimental.prefix_scan(
        ttnn.to_memory_config(gates, shards(64)),
        ttnn.to_memory_config(steps, shards(64)),
        ttnn.to_memory_config(before, shards(1)),
        memory_config=shards(64),
    )
    states = [h[0, 0, 0]]
    for gate, step in zip(a[0, 0], b[0, 0]):
        states.append(gate * states[-1] + step)
    assert (get(result)[0, 0] - torch.stack(states[1:])).abs().max() < 0.05


def test_sums_of_tiles(device):
    columns, value = put(random((1, 1, 64, 32 * 64), 1), device)
    result = get(ttnn.experimental.hc_sum_reduce(columns))
    expected = torch.stack([value[..., 32 * tile : 32 * tile + 32].sum(-1) for tile in range(64)], -1)
    assert result.shape == expected.shape and (result - expected).abs().max() < 2**-5 * expected.abs().max()


def test_rotate_half(device):
    rows, value = put(random((1, 2, 64, 128), 1), device)
    assert_same(ttnn.experimental.rotate_half(rows), torch.cat([-value[..., 64:], value[..., :64]], -1))
