# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""Convolutions against torch in float64.

The bound is of rounding: 8 significant bits for the operands, for the sums in the register and for the result.
"""

from typing import Any

import pytest
import torch
from torch.nn import functional

import ttnn
from ttnn_emulator.errors import TraceError, UnsupportedOperation
from ttnn_emulator.tests.tensors import get, integers, put, random

pytestmark = pytest.mark.parametrize("device_params", [{"l1_small_size": 32768}], indirect=True)
HEIGHT, BLOCK, WIDTH = (getattr(ttnn.TensorMemoryLayout, f"{name}_SHARDED") for name in ("HEIGHT", "BLOCK", "WIDTH"))


class Convolution:
    """The operands of a convolution, and what torch gives for them."""

    def __init__(self, device, inputs=32, outputs=64, size=8, kernel=3, batch=1, groups=1, whole=False, **options: Any):
        self.layout, self.dtype = options.pop("layout", ttnn.ROW_MAJOR_LAYOUT), options.pop("kind", ttnn.bfloat16)
        make = (lambda shape, seed: integers(shape, seed, -4, 4).float()) if whole else random
        rows, held = put(make((1, 1, batch * size * size, inputs), 1), device, self.dtype, self.layout)
        self.weight, self.bias = make((outputs, inputs // groups, kernel, kernel), 2).bfloat16(), make((outputs,), 3)
        self.images = held.reshape(batch, size, size, inputs).permute(0, 3, 1, 2)
        self.geometry = {"stride": [1, 1], "padding": [1, 1], "dilation": [1, 1]} | options
        self.groups = groups
        self.call = self.geometry | {
            "input_tensor": rows,
            "weight_tensor": ttnn.from_torch(self.weight),
            "device": device,
            "in_channels": inputs,
            "out_channels": outputs,
            "batch_size": batch,
            "input_height": size,
            "input_width": size,
            "kernel_size": [kernel, kernel],
            "groups": groups,
        }
        self.host_bias = ttnn.from_torch(self.bias.bfloat16().reshape(1, 1, 1, -1))

    def expected(self, bias: bool = False) -> torch.Tensor:
        """Return torch's result as rows, [1, 1, N H' W', C]."""
        row = self.bias.bfloat16().double() if bias else None
        images, weight = self.images.double(), self.weight.double()
        images = functional.conv2d(images, weight, row, groups=self.groups, **self.geometry)
        return images.permute(0, 2, 3, 1).reshape(1, 1, -1, images.shape[1])


def config(**options: Any) -> ttnn.Conv2dConfig:
    return ttnn.Conv2dConfig(**{"weights_dtype": ttnn.bfloat16} | options)


def wide(device, fidelity: ttnn.MathFidelity = ttnn.MathFidelity.HiFi4) -> Any:
    """Return a compute config with float32 sums."""
    return ttnn.init_device_compute_kernel_config(device.arch(), math_fidelity=fidelity, fp32_dest_acc_en=True)


def assert_near(result: ttnn.Tensor, expected: torch.Tensor, error: float = 2**-5) -> None:
    """Compare with an error that is relative to the largest value, because sums cancel.

    Sums of 16 bits round 18 times or more in these tests, which takes the three lowest bits.
    """
    value = get(result)
    assert value.shape == expected.shape
    assert (value - expected).abs().max() <= error * expected.abs().max()


@pytest.mark.parametrize("shards", [None, HEIGHT, BLOCK, WIDTH])
@pytest.mark.parametrize("inputs", [20, 128])
def test_whole_numbers_are_exact_in_every_program(device, shards, inputs):
    asked = Convolution(device, inputs, whole=True)
    result = ttnn.conv2d(
        **asked.call,
        conv_config=config(shard_layout=shards),
        compute_config=wide(device, ttnn.MathFidelity.LoFi),
        dtype=ttnn.float32,
    )
    assert torch.equal(get(result), asked.expected())


@pytest.mark.parametrize(
    "shape",
    [
        {"kernel": 1, "padding": [0, 0]},
        {"kernel": 1, "padding": [0, 0], "stride": [2, 2]},
        {"kernel": 7, "stride": [2, 2], "padding": [3, 3], "inputs": 3, "size": 16},
        {"dilation": [2, 2], "padding": [2, 2], "batch": 2},
        {"groups": 4, "outputs": 32},
        {"groups": 32, "outputs": 32},
        {"padding": [1, 0]},
        {"kernel": 2, "stride": [2, 2], "padding": [0, 0], "inputs": 16},
        {"layout": ttnn.TILE_LAYOUT},
        {"layout": ttnn.TILE_LAYOUT, "kind": ttnn.bfloat8_b},
    ],
    ids=str,
)
def test_geometry(device, shape):
    asked = Convolution(device, **shape)
    result = ttnn.conv2d(**asked.call, dtype=ttnn.bfloat16, compute_config=wide(device))
    assert_near(result, asked.expected(), 2**-6)


def test_padding_that_differs_between_sides(device):
    asked = Convolution(device)
    given = asked.call | {"padding": [0, 1, 2, 0]}
    asked.images = functional.pad(asked.images, (2, 0, 0, 1))
    asked.geometry["padding"] = [0, 0]
    assert_near(ttnn.conv2d(**given), asked.expected())


def test_padding_with_the_nearest_pixel(device):
    asked = Convolution(device)
    result = ttnn.conv2d(**asked.call, conv_config=config(padding_mode=ttnn.PaddingMode.Replicate))
    asked.images = functional.pad(asked.images, (1, 1, 1, 1), mode="replicate")
    asked.geometry["padding"] = [0, 0]
    assert_near(result, asked.expected())


@pytest.mark.parametrize("activation", [ttnn.UnaryOpType.RELU, ttnn.UnaryOpType.SILU])
def test_bias_and_activation(device, activation):
    asked = Convolution(device)
    fused = config(activation=ttnn.UnaryWithParam(activation))
    result, (height, width) = ttnn.conv2d(
        **asked.call, bias_tensor=asked.host_bias, conv_config=fused, return_output_dim=True
    )
    assert (height, width) == (8, 8)
    expected = asked.expected(bias=True)
    assert_near(result, expected.relu() if activation == ttnn.UnaryOpType.RELU else functional.silu(expected))


@pytest.mark.parametrize("dtype", [ttnn.bfloat16, ttnn.bfloat8_b])
def test_weights_that_a_call_returns(device, dtype):
    asked = Convolution(device)
    given = asked.call | {"conv_config": config(weights_dtype=dtype, shard_layout=HEIGHT)}
    if dtype == ttnn.bfloat8_b:
        given["weight_tensor"] = ttnn.from_torch(asked.weight.float())
        asked.host_bias = ttnn.from_torch(asked.bias.bfloat16().float().reshape(1, 1, 1, -1))
    first, (weight, bias) = ttnn.conv2d(**given, bias_tensor=asked.host_bias, return_weights_and_bias=True)
    again, _, _ = ttnn.conv2d(
        **given | {"weight_tensor": weight}, bias_tensor=bias, return_weights_and_bias=True, return_output_dim=True
    )
    assert torch.equal(get(first), get(again))
    assert_near(first, asked.expected(bias=True))
    with pytest.raises(UnsupportedOperation, match="prepared for a convolution"):
        ttnn.to_torch(weight)


def prepare(asked: Convolution, conv_config: ttnn.Conv2dConfig) -> tuple[ttnn.Tensor, ttnn.Tensor]:
    rows = asked.call["input_tensor"]
    about = {key: option for key, option in asked.call.items() if key not in ("input_tensor", "weight_tensor")}
    about |= {"input_memory_config": rows.memory_config(), "input_layout": rows.layout, "input_dtype": rows.dtype}
    about["conv_config"] = conv_config
    weight = ttnn.prepare_conv_weights(
        weight_tensor=asked.call["weight_tensor"], weights_format="OIHW", has_bias=True, **about
    )
    return weight, ttnn.prepare_conv_bias(bias_tensor=asked.host_bias, **about)


def test_prepared_weights_in_a_trace(device):
    asked = Convolution(device)
    chosen = config(shard_layout=HEIGHT)
    weight, bias = prepare(asked, chosen)
    weight = ttnn.to_device(weight, device)
    given = asked.call | {"weight_tensor": weight, "bias_tensor": bias, "conv_config": chosen}
    ttnn.conv2d(**given)
    trace = ttnn.begin_trace_capture(device)
    result = ttnn.conv2d(**given)
    ttnn.end_trace_capture(device, trace)
    ttnn.execute_trace(device, trace)
    assert_near(result, asked.expected(bias=True))
    ttnn.release_trace(device, trace)


def test_weights_of_the_host_in_a_capture_are_refused(device):
    asked = Convolution(device)
    ttnn.conv2d(**asked.call)
    trace = ttnn.begin_trace_capture(device)
    with pytest.raises(TraceError, match="a host write"):
        ttnn.conv2d(**asked.call)
    ttnn.end_trace_capture(device, trace)


def test_weights_of_another_order_are_refused(device):
    asked = Convolution(device)
    weight, _ = put(random((1, 1, 288, 64), 4), device)
    with pytest.raises(UnsupportedOperation, match="prepare_conv_weights"):
        ttnn.conv2d(**asked.call | {"weight_tensor": weight})


@pytest.mark.parametrize("slices", [ttnn.Conv2dDRAMSliceHeight, ttnn.Conv2dDRAMSliceWidth])
def test_slices(device, slices):
    asked = Convolution(device, size=64)
    parts = ttnn.Conv2dSliceConfig(slice_type=slices, num_slices=2)
    whole = ttnn.conv2d(
        **asked.call, slice_config=ttnn.Conv2dL1FullSliceConfig, conv_config=config(shard_layout=HEIGHT)
    )
    sliced = ttnn.conv2d(**asked.call, slice_config=parts, conv_config=config(shard_layout=HEIGHT))
    assert torch.equal(get(whole), get(sliced))


def test_images_of_the_host(device):
    asked = Convolution(device)
    images = ttnn.from_torch(asked.images.permute(0, 2, 3, 1).contiguous().bfloat16())
    assert_near(ttnn.conv2d(**asked.call | {"input_tensor": images}), asked.expected())


@pytest.mark.parametrize("kernel,stride,padding,groups", [(3, 1, 1, 1), (5, 2, 2, 1), (3, 1, (2, 0), 8), (1, 1, 0, 1)])
def test_conv1d(device, kernel, stride, padding, groups):
    rows, held = put(random((2, 40, 32), 1), device, layout=ttnn.ROW_MAJOR_LAYOUT)
    weight = random((64, 32 // groups, kernel), 2).bfloat16()
    result, length = ttnn.conv1d(
        input_tensor=rows,
        weight_tensor=ttnn.from_torch(weight),
        device=device,
        in_channels=32,
        out_channels=64,
        batch_size=2,
        input_length=40,
        kernel_size=kernel,
        stride=stride,
        padding=padding,
        groups=groups,
        return_output_dim=True,
    )
    sides = (padding, padding) if isinstance(padding, int) else padding
    images = functional.pad(held.mT, sides)
    expected = functional.conv1d(images, weight.double(), stride=stride, groups=groups)
    assert length == expected.shape[-1]
    assert_near(result, expected.mT.reshape(1, 1, -1, 64))


@pytest.mark.parametrize("stride,padding,more,groups", [(2, 1, 1, 1), (1, 1, 0, 1), (2, 0, 0, 2)])
@pytest.mark.parametrize("mirror", [True, False])
def test_conv_transpose2d(device, stride, padding, more, groups, mirror):
    asked = Convolution(device, 32, 32)
    weight = random((32, 32 // groups, 3, 3), 2).bfloat16()
    given = asked.call | {
        "weight_tensor": ttnn.from_torch(weight if mirror else weight.flip((-2, -1))),
        "stride": [stride] * 2,
        "padding": [padding] * 2,
        "output_padding": [more] * 2,
        "groups": groups,
    }
    result = ttnn.conv_transpose2d(**given, bias_tensor=asked.host_bias, mirror_kernel=mirror)
    row = asked.bias.bfloat16().double()
    expected = functional.conv_transpose2d(
        asked.images.double(), weight.double(), row, stride, padding, more, groups=groups
    )
    assert_near(result, expected.permute(0, 2, 3, 1).reshape(1, 1, -1, 32))
