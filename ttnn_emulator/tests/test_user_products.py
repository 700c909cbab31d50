# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""The matrix products of attention in decode against torch in float64."""

import pytest
import torch

import ttnn
from ttnn_emulator.tests.tensors import get, integers, put, random

GRID = ttnn.CoreCoord(8, 8)


def assert_near(result: ttnn.Tensor, expected: torch.Tensor, error: float) -> None:
    value = get(result)
    assert value.shape == expected.shape
    assert (value - expected).abs().max() <= error * expected.abs().max()


@pytest.mark.parametrize("heads,inner,width", [(1, 64, 32), (71, 64, 96)])
def test_a_matrix_of_each_user(device, heads, inner, width):
    rows, a = put(integers((1, heads, 32, inner), 1, -4, 5).float(), device)
    matrices, b = put(integers((32, 1, inner, width), 2, -1, 2).float(), device)
    result = ttnn.experimental.attn_matmul(rows, matrices, compute_with_storage_grid_size=GRID)
    expected = torch.einsum("hui,uin->hun", a[0], b[:, 0])[None]
    assert_near(result, expected, 2**-7)


def test_products_of_any_numbers(device):
    (rows, a), (matrices, b) = put(random((1, 4, 32, 64), 1), device), put(random((32, 1, 64, 64), 2), device)
    compute = ttnn.init_device_compute_kernel_config(
        device.arch(), math_fidelity=ttnn.MathFidelity.HiFi4, fp32_dest_acc_en=True
    )
    result = ttnn.experimental.attn_matmul(
        rows, matrices, compute_with_storage_grid_size=GRID, compute_kernel_config=compute
    )
    assert_near(result, torch.einsum("hui,uin->hun", a[0], b[:, 0])[None], 2**-8)


@pytest.mark.parametrize("transposed", [True, False])
def test_the_first_tokens_of_a_cache(device, transposed):
    tokens = 64
    rows, a = put(random((1, 3, 32, 32 if transposed else tokens), 1), device)
    cache, b = put(random((32, 1, 128, 32), 2), device)
    result = ttnn.experimental.attn_matmul_from_cache(
        rows, cache, num_tokens=tokens, transpose_hw=transposed, compute_with_storage_grid_size=GRID
    )
    held = b[:, 0, :tokens]
    assert_near(result, torch.einsum("hui,uin->hun", a[0], held.mT if transposed else held)[None], 2**-4)


@pytest.mark.parametrize("heads,kv_heads", [(16, 8), (8, 1)])
def test_a_matrix_of_each_user_and_group(device, heads, kv_heads):
    rows, a = put(random((1, heads, 32, 64), 1), device)
    matrices, b = put(random((32, kv_heads, 64, 96), 2), device)
    result = ttnn.experimental.group_attn_matmul(rows, matrices, compute_with_storage_grid_size=GRID)
    expected = torch.einsum("hui,uhin->hun", a[0], b.repeat_interleave(heads // kv_heads, 1))[None]
    assert_near(result, expected, 2**-4)
