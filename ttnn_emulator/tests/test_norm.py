# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""Normalisations, softmax and embedding against their formulas in float64."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import ttnn
from ttnn_emulator import UnsupportedOperation
from ttnn_emulator.arithmetic.compute_config import ComputeConfig
from ttnn_emulator.arithmetic.formats import round_to_bfloat16, truncate
from ttnn_emulator.arithmetic.sums import products, sum_of_products
from ttnn_emulator.arithmetic.vector_functions import apply
from ttnn_emulator.operations.support import on_blackhole
from ttnn_emulator.tests.tensors import (
    assert_close,
    assert_same,
    examples,
    floats,
    get,
    integers,
    put,
    random,
    seeds,
    shapes,
)


def _rms(x, weight=1.0, bias=0.0, epsilon=1e-5):
    return x / (x.square().mean(-1, keepdim=True) + epsilon).sqrt() * weight + bias


def _wide(device):
    """Float32 sums and exact exponentials: left to themselves norms sum in 16 bits, and softmax takes exponentials that
    err by 4 %."""
    return ttnn.init_device_compute_kernel_config(
        device.arch(), math_fidelity=ttnn.MathFidelity.HiFi4, math_approx_mode=False, fp32_dest_acc_en=True
    )


def _layer(x, weight=1.0, bias=0.0, epsilon=1e-5):
    x = x - x.mean(-1, keepdim=True)
    return _rms(x, weight, bias, epsilon)


def _assert_normed(name, result, expected):
    if name == "rms_norm":
        assert_close(result, expected, 5e-3)
    else:  # where a number is about its row's mean, little is left of its 11 bits
        error = (get(result) - expected).abs()
        assert (error <= 2**-6 * expected.abs().amax(-1, keepdim=True)).all()


@pytest.mark.parametrize("name,formula", [("rms_norm", _rms), ("layer_norm", _layer)])
@examples
@given(shape=shapes, dtype=floats, seed=seeds)
def test_norms(name, formula, device, shape, dtype, seed):
    a, x = put(random(shape, seed), device, dtype)
    width = shape[-1]
    weight, w = put(random((1, width), seed + 1), device)
    wide = {"compute_kernel_config": _wide(device)}
    _assert_normed(name, getattr(ttnn, name)(a, epsilon=1e-5, weight=weight, **wide), formula(x, w))
    _assert_normed(name, getattr(ttnn, name)(a, epsilon=1e-3, **wide), formula(x, epsilon=1e-3))


@pytest.mark.parametrize("name,formula", [("rms_norm", _rms), ("layer_norm", _layer)])
def test_weights_in_rows_of_32_bias_and_residual(name, formula, device):
    a, x = put(random((1, 1, 64, 128), 1), device)
    b, y = put(random((1, 1, 64, 128), 2), device)
    weight, w = put(random((1, 1, 4, 32), 3), device, layout=ttnn.ROW_MAJOR_LAYOUT)
    bias, c = put(random((1, 1, 4, 32), 4), device, layout=ttnn.ROW_MAJOR_LAYOUT)
    result = getattr(ttnn, name)(
        a,
        epsilon=1e-5,
        weight=weight,
        bias=bias,
        residual_input_tensor=b,
        compute_kernel_config=_wide(device),
    )
    expected = formula(x + y, w.reshape(-1), c.reshape(-1))
    assert (get(result) - expected).abs().max() < 2**-6 * expected.abs().max()  # the bias may cancel the rest
    assert_same(a, x)


@pytest.mark.parametrize("name,formula", [("rms_norm", _rms), ("layer_norm", _layer)])
def test_sharded_norms(name, formula, device):
    a, x = put(random((1, 1, 32, 256), 1), device)
    config = ttnn.create_sharded_memory_config(
        (1, 1, 32, 256), ttnn.CoreGrid(y=1, x=4), ttnn.ShardStrategy.WIDTH, ttnn.ShardOrientation.ROW_MAJOR
    )
    program = ttnn.LayerNormShardedMultiCoreProgramConfig(
        compute_with_storage_grid_size=(4, 1), subblock_w=2, block_h=1, block_w=2, inplace=False
    )
    weight, w = put(random((1, 1, 8, 32), 3), device, layout=ttnn.ROW_MAJOR_LAYOUT)
    result = getattr(ttnn, name)(
        ttnn.to_memory_config(a, config),
        epsilon=1e-5,
        weight=weight,
        program_config=program,
        memory_config=config,
        compute_kernel_config=_wide(device),
    )
    _assert_normed(name, result, formula(x, w.reshape(-1)))


def test_norm_over_two_steps(device):
    """The distributed form on one chip: its own statistics, then the norm."""
    a, x = put(random((1, 1, 32, 128), 1), device)
    weight, w = put(random((1, 1, 4, 32), 3), device, layout=ttnn.ROW_MAJOR_LAYOUT)
    wide = {"compute_kernel_config": _wide(device)}
    for name, formula in (("rms_norm", _rms), ("layer_norm", _layer)):
        statistics = getattr(ttnn, f"{name}_pre_all_gather")(a, dtype=ttnn.bfloat16, **wide)
        result = getattr(ttnn, f"{name}_post_all_gather")(a, statistics, epsilon=1e-5, weight=weight, **wide)
        # the statistics are bfloat16, and so is the mean that is taken off
        assert (get(result) - formula(x, w.reshape(-1))).abs().max() < 0.05


def _over_two_cores(x, device):
    cores = ttnn.CoreRangeSet({ttnn.CoreRange(ttnn.CoreCoord(0, 0), ttnn.CoreCoord(1, 0))})
    config = ttnn.create_sharded_memory_config(
        (32, x.shape[-1] // 2), cores, ttnn.ShardStrategy.WIDTH, use_height_and_width_as_shard_shape=True
    )
    program = ttnn.LayerNormShardedMultiCoreProgramConfig(
        compute_with_storage_grid_size=(2, 1), subblock_w=1, block_h=1, block_w=x.shape[-1] // 64, inplace=False
    )
    a, held = put(x, device)
    how = {"program_config": program, "compute_kernel_config": _wide(device)}
    return ttnn.to_memory_config(a, config), held, how


def test_sharded_statistics_are_means_and_the_residual_is_added_in_place(device):
    a, x, program = _over_two_cores(random((1, 1, 32, 128), 1), device)
    b, y, _ = _over_two_cores(random((1, 1, 32, 128), 2, 0, 4), device)
    statistics = get(ttnn.layer_norm_pre_all_gather(a, residual_input_tensor=b, **program))
    assert (get(a) - (x + y)).abs().max() < 2**-5  # one rounding of a sum below 8
    assert (statistics[..., 0] - (x + y).mean(-1)).abs().max() < 2**-7
    assert ((statistics[..., 32] - (x + y).square().mean(-1)) / statistics[..., 32]).abs().max() < 2**-7
    statistics = get(ttnn.rms_norm_pre_all_gather(b, **program))
    assert ((statistics[..., 0] - y.square().mean(-1)) / statistics[..., 0]).abs().max() < 2**-7
    assert_same(b, y)


def test_sharded_norm_takes_the_mean_of_the_chips_statistics(device):
    a, x, program = _over_two_cores(random((1, 1, 32, 128), 1), device)
    one_core = ttnn.create_sharded_memory_config((1, 1, 32, 128), ttnn.CoreGrid(x=1, y=1), ttnn.ShardStrategy.WIDTH)
    gathered = torch.zeros(1, 1, 32, 128)
    gathered[..., 0], gathered[..., 32], gathered[..., 64], gathered[..., 96] = 0.5, 4.0, 1.5, 8.0
    statistics = ttnn.to_memory_config(put(gathered, device)[0], one_core)
    result = ttnn.layer_norm_post_all_gather(a, statistics, epsilon=1e-5, **program)
    assert_close(result, (x - 1.0) / (6.0 - 1.0 + 1e-5) ** 0.5)


@examples
@given(shape=shapes, dtype=floats, seed=seeds, dim=st.sampled_from((-1, -2)))
def test_softmax(device, shape, dtype, seed, dim):
    a, x = put(random(shape, seed), device, dtype)
    expected = x.exp() / x.exp().sum(dim, keepdim=True)
    assert_close(ttnn.softmax(a, dim=dim, compute_kernel_config=_wide(device)), expected, 5e-3)
    left_alone, allowed = ttnn.softmax(a, dim=dim), 0.06 * expected.abs().amax()
    assert (get(left_alone) - expected).abs().max() < allowed


def test_a_softmax_that_is_not_stable_loses_rows_that_overflow(device):
    x = torch.zeros(32, 32)
    x[0, 0], x[1, 0] = 100.0, 80.0  # exp(100) is beyond float32
    a, _ = put(x, device)
    stable, plain = (ttnn.to_torch(ttnn.softmax(a, dim=-1, numeric_stable=s)) for s in (True, False))
    assert stable[0, 0] == 1 and plain[0].abs().max() < 1e-30
    assert (stable[1:] - plain[1:]).abs().max() < 1e-3


def test_softmax_in_place_and_masked(device):
    a, x = put(random((1, 2, 64, 64), 1), device)
    mask = torch.where(torch.arange(64) < 50, 0.0, -1e4).expand(1, 1, 32, 64)
    masks, m = put(mask, device)
    wide = {"compute_kernel_config": _wide(device)}
    assert_close(ttnn.scale_mask_softmax(a, 0.125, masks, **wide), torch.softmax(x / 8 + m[:, :, :1], -1), 2e-3)
    result = ttnn.softmax_in_place(a, **wide)
    assert_close(a, torch.softmax(x, -1), 2e-3)
    assert_close(result, torch.softmax(x, -1), 2e-3)


def test_batch_norm(device):
    a, x = put(random((2, 3, 32, 32), 1), device, ttnn.float32)
    (mean, m), (var, v), (weight, w), (bias, b) = (
        put(random((1, 3, 1, 1), seed, 0.5, 2), device, ttnn.float32) for seed in (2, 3, 4, 5)
    )
    result = ttnn.batch_norm(a, running_mean=mean, running_var=var, weight=weight, bias=bias, eps=1e-5)
    assert_close(result, (x - m) / (v + 1e-5).sqrt() * w + b, 1e-4)


def _leading_bits(x, count):
    """The `count` leading significant bits of numbers from 1 to 2."""
    return (x * 2 ** (count - 1)).floor() / 2 ** (count - 1)


@pytest.mark.parametrize(
    "fidelity,bits,weight_bits,wide",
    [("LoFi", 5, 7, False), ("HiFi2", 8, 7, False), ("HiFi3", 8, 8, False), ("LoFi", 8, 8, True)],
)
def test_batch_norm_by_its_configuration(device, fidelity, bits, weight_bits, wide):
    """A deviation of 1/2 doubles what is left of the input's bits; the second channel shows those of the weight."""
    x = torch.cat([1 + torch.arange(128).reshape(1, 1, 4, 32) / 128, torch.ones(1, 1, 4, 32)], 1)
    scale, shift = torch.tensor([1, 1 + 3 / 128]).reshape(1, 2, 1, 1), torch.tensor([4.0, 0.0]).reshape(1, 2, 1, 1)
    mean, var = torch.zeros(1, 2, 1, 1), torch.full((1, 2, 1, 1), 0.25)
    a, mean, var, weight, bias = (put(value, device)[0] for value in (x, mean, var, scale, shift))
    config = ttnn.init_device_compute_kernel_config(
        device.arch(), math_fidelity=getattr(ttnn.MathFidelity, fidelity), fp32_dest_acc_en=wide
    )
    parameters = {"running_mean": mean, "running_var": var, "weight": weight, "bias": bias}
    result = ttnn.to_torch(ttnn.batch_norm(a, **parameters, eps=0.0, compute_kernel_config=config))
    assert torch.equal(result[:, 1].float(), 2 * _leading_bits(scale[:, 1], weight_bits).expand(1, 4, 32))
    total = 4 + 2 * _leading_bits(x[:, 0], bits)
    assert torch.equal(result[:, 0].float(), (total * 32 + 0.5).floor() / 32)  # from 4 to 8: ties away


@pytest.mark.parametrize("dtype", [ttnn.bfloat16, ttnn.float32])
def test_batch_norm_in_training_with_a_16_bit_register(device, dtype):
    a, x = put(random((2, 3, 32, 32), 1), device, dtype)
    (mean, m), (var, v) = (put(random((1, 3, 1, 1), seed, 0.5, 2), device, dtype) for seed in (2, 3))
    config = ttnn.init_device_compute_kernel_config(
        device.arch(), math_fidelity=ttnn.MathFidelity.HiFi4, fp32_dest_acc_en=False
    )
    running = {"running_mean": mean, "running_var": var, "momentum": 0.25}
    result = ttnn.batch_norm(a, **running, training=True, compute_kernel_config=config)
    average, variance = x.mean((0, 2, 3), True), x.var((0, 2, 3), keepdim=True)
    assert_close(result, (x - average) / variance.sqrt(), 0.05)
    assert_close(mean, 0.75 * m + 0.25 * average, 0.02)
    assert_close(var, 0.75 * v + 0.25 * variance, 0.02)
    for kept in (result, mean, var):
        assert torch.equal(ttnn.to_torch(kept), ttnn.to_torch(kept).bfloat16().to(ttnn.to_torch(kept).dtype))


def test_batch_norm_cuts_float32_for_a_16_bit_register(device):
    x = 1 + torch.arange(1024).reshape(1, 1, 32, 32) / 1024
    a, mean, var = (
        put(value, device, ttnn.float32)[0] for value in (x, torch.zeros(1, 1, 1, 1), torch.ones(1, 1, 1, 1) / 4)
    )
    config = ttnn.init_device_compute_kernel_config(
        device.arch(), math_fidelity=ttnn.MathFidelity.LoFi, fp32_dest_acc_en=False
    )
    result = ttnn.batch_norm(a, running_mean=mean, running_var=var, eps=0.0, compute_kernel_config=config)
    assert torch.equal(ttnn.to_torch(result), 2 * _leading_bits(x, 8))


def test_batch_norm_in_training_updates_the_running_statistics(device):
    a, x = put(random((2, 3, 4, 8), 1), device, ttnn.float32)
    (mean, m), (var, v) = (put(random((1, 3, 1, 1), seed, 0.5, 2), device, ttnn.float32) for seed in (2, 3))
    result = ttnn.batch_norm(a, running_mean=mean, running_var=var, training=True, momentum=0.25, eps=1e-5)
    average, variance = (x.mean((0, 2, 3), True), x.var((0, 2, 3), unbiased=False, keepdim=True))
    assert_close(result, (x - average) / (variance + 1e-5).sqrt(), 1e-4)
    assert_close(mean, 0.75 * m + 0.25 * average)
    assert_close(var, 0.75 * v + 0.25 * variance * 64 / 63)


@examples
@given(
    rows=st.integers(1, 70),
    width=st.sampled_from((32, 64, 160)),
    batch=st.integers(1, 3),
    layout=st.sampled_from((ttnn.TILE_LAYOUT, ttnn.ROW_MAJOR_LAYOUT)),
)
def test_embedding(device, rows, width, batch, layout):
    table, x = put(random((100, width), 1), device, layout=ttnn.ROW_MAJOR_LAYOUT)
    index = integers((batch, rows), 2, 0, 100)
    tokens, _ = put(index, device, ttnn.uint32, ttnn.ROW_MAJOR_LAYOUT)
    result = ttnn.embedding(tokens, table, layout=layout)
    assert_same(result, x[index].reshape(tuple(result.shape)))


@pytest.mark.parametrize("name", ["rms_norm", "layer_norm"])
@pytest.mark.parametrize("suffix", ["", "_pre_all_gather", "_post_all_gather"])
def test_the_older_reduction_is_refused_and_the_older_root_is_the_newer(device, name, suffix):
    """The library documents that `legacy_rsqrt` has no effect."""
    operation, a = getattr(ttnn, name + suffix), put(random((1, 1, 32, 64), 1), device)[0]
    first = getattr(ttnn, f"{name}_pre_all_gather")
    statistics = [first(a, dtype=ttnn.bfloat16)] if suffix == "_post_all_gather" else []

    def norm(**settings):
        return get(operation(a, *statistics, program_config=ttnn.LayerNormDefaultProgramConfig(**settings)))

    assert torch.equal(norm(legacy_rsqrt=True), norm())
    with pytest.raises(UnsupportedOperation, match="legacy_reduction"):
        norm(legacy_reduction=True)


@pytest.mark.parametrize("name", ["rms_norm", "layer_norm"])
def test_a_register_of_16_bits_sees_8_bits_of_float32(device, name):
    x = torch.randn(1, 1, 32, 64)
    compute = ttnn.init_device_compute_kernel_config(
        device.arch(), math_fidelity=ttnn.MathFidelity.HiFi4, fp32_dest_acc_en=False
    )

    def norm(value):
        tensor = ttnn.from_torch(value, dtype=ttnn.float32, layout=ttnn.TILE_LAYOUT, device=device)
        return ttnn.to_torch(getattr(ttnn, name)(tensor, compute_kernel_config=compute))

    assert torch.equal(norm(x), norm(truncate(x, 8)))


def test_a_mean_in_16_bits_is_cut(device):
    """The vector unit multiplies the sum by 1 / 96 and does not round before it stores 16 bits."""
    x = torch.randn(1, 1, 32, 96).bfloat16()
    compute = ttnn.init_device_compute_kernel_config(
        device.arch(), math_fidelity=ttnn.MathFidelity.HiFi4, fp32_dest_acc_en=False
    )
    tensor = ttnn.from_torch(x, layout=ttnn.TILE_LAYOUT, device=device)
    result = ttnn.to_torch(ttnn.rms_norm(tensor, epsilon=0.0, compute_kernel_config=compute))
    config = ComputeConfig("HiFi4", False)
    total = sum_of_products(products(x.float(), x.float(), config), torch.ones(96, 1), config)
    deviation = apply("rsqrt", truncate(total * torch.tensor(1 / 96), 8), False, on_blackhole())
    assert torch.equal(result, round_to_bfloat16(products(x.float(), deviation, config)))
