# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""Mixtures of experts on one chip (small integers, so products are exact), and group normalization."""

import pytest
import torch

import ttnn
from ttnn_emulator.tests.tensors import assert_close, get, integers, put, random

PRECISE = ttnn.WormholeComputeKernelConfig(math_fidelity=ttnn.MathFidelity.HiFi4, fp32_dest_acc_en=True)


def sparse(device, a, b, mask, **options):
    sparsity = ttnn.from_torch(mask.bfloat16(), layout=ttnn.ROW_MAJOR_LAYOUT, device=device)
    program = ttnn.MatmulMultiCoreReuseMultiCast1DProgramConfig(
        compute_with_storage_grid_size=ttnn.CoreCoord(2, 1),
        in0_block_w=1,
        out_subblock_h=1,
        out_subblock_w=1,
        per_core_M=1,
        per_core_N=1,
        fuse_batch=False,
        fused_activation=None,
        mcast_in0=True,
    )
    return ttnn.sparse_matmul(
        a, b, sparsity=sparsity, program_config=program, compute_kernel_config=PRECISE, dtype=ttnn.float32, **options
    )


def test_each_block_with_the_experts_it_wants(device):
    (a, rows), (b, weights) = put(integers((2, 3, 32, 64), 1, -4, 5).float(), device), put(
        integers((1, 4, 64, 64), 2, -4, 5).float(), device
    )
    mask = torch.rand(2, 3, 1, 4) < 0.5
    mask[0, 0] = False
    result = get(sparse(device, a, b, mask))
    assert result.shape == (2, 3, 1, 4, 32, 64)
    for i in range(2):
        for j in range(3):
            for e in range(4):
                expected = rows[i, j] @ weights[0, e] * mask[i, j, 0, e]
                assert torch.equal(result[i, j, 0, e], expected)


def test_each_expert_with_its_own_block(device):
    (a, rows), (b, weights) = put(integers((1, 4, 32, 64), 3, -4, 5).float(), device), put(
        integers((1, 4, 64, 64), 4, -4, 5).float(), device
    )
    mask = torch.tensor([1, 0, 0, 1]).reshape(1, 1, 1, 4)
    result = get(sparse(device, a, b, mask, nnz=2, is_input_a_sparse=True, is_input_b_sparse=True))
    expected = rows @ weights * mask.reshape(1, 4, 1, 1)
    assert torch.equal(result, expected)


def test_routing_weight(device):
    scores, x = put(random((1, 1, 32, 64), 5), device)
    experts, _ = put(torch.where(torch.arange(64) < 8, 0.0, -torch.inf).expand(1, 1, 1, 64).contiguous(), device)
    top, _ = put(torch.where(torch.arange(32) < 2, 0.0, -torch.inf).expand(1, 1, 1, 32).contiguous(), device)
    weights = get(ttnn.moe(scores, experts, top, 32))
    for row in range(32):
        best, where = (x[0, 0, row, :8]).sort(descending=True, stable=True)
        expected = torch.softmax(best[:2], -1)[where[:2] == 0].sum()
        assert abs(float(weights[0, 0, row, 0] - expected)) < 0.01


@pytest.mark.parametrize("affine", [False, True])
def test_group_norm(device, affine):
    """320 channels over 4 columns of cores: 80 each, padded to 96 in weight and bias."""
    images, channels, groups, height, columns = 1, 320, 32, 256, 4
    value = random((images, 1, height, channels), 6).bfloat16()
    cores = ttnn.CoreRangeSet([ttnn.CoreRange(ttnn.CoreCoord(0, 0), ttnn.CoreCoord(columns - 1, 3))])
    spec = ttnn.ShardSpec(cores, [height // 4, channels // columns], ttnn.ShardOrientation.ROW_MAJOR)
    config = ttnn.MemoryConfig(ttnn.TensorMemoryLayout.BLOCK_SHARDED, ttnn.BufferType.L1, spec)
    tensor = ttnn.from_torch(value, layout=ttnn.ROW_MAJOR_LAYOUT, device=device, memory_config=config)
    mask = ttnn.create_group_norm_input_mask(channels, groups, columns, ttnn.bfloat8_b)
    factors = [random((channels,), seed).bfloat16() for seed in (7, 8)] if affine else []

    def rows(factor):
        padded = ttnn.create_group_norm_weight_bias_rm(factor, channels, columns)
        return ttnn.from_torch(padded, dtype=ttnn.bfloat16, layout=ttnn.ROW_MAJOR_LAYOUT, device=device)

    result = ttnn.group_norm(
        tensor,
        num_groups=groups,
        epsilon=1e-5,
        input_mask=ttnn.to_device(mask, device),
        memory_config=config,
        core_grid=ttnn.CoreGrid(y=4, x=columns),
        inplace=False,
        **dict(zip(("weight", "bias"), map(rows, factors))),
    )
    grouped = value.double().reshape(images, height, groups, -1)
    mean, variance = grouped.mean((1, 3), keepdim=True), grouped.var((1, 3), keepdim=True, correction=0)
    expected = ((grouped - mean) / (variance + 1e-5).sqrt()).reshape(value.shape)
    if affine:
        expected = expected * factors[0].double() + factors[1].double()
    assert_close(result, expected, 1e-3)
