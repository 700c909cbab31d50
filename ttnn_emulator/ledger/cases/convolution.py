# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""Cases of convolutions, in each way of sharding, with each width of sums, and of images of another size."""

from typing import Any

import ttnn
from ttnn_emulator.ledger.cases.eltwise import unary
from ttnn_emulator.ledger.cases.table import TYPES, case
from ttnn_emulator.ledger.cases.tensor import compute
from ttnn_emulator.ledger.inputs import Inputs

_SIZE = 8  # the height and width of the images


def _convolutions() -> None:
    for shards in ("HEIGHT", "BLOCK", "WIDTH"):
        for wide in (True, False):
            case(
                f"convolution/{shards} {'fp32' if wide else 'bf16'} sums",
                lambda x, s=shards, w=wide: _convolve(x, shards=s, compute_config=compute(x, "HiFi4", w)),
            )
    for weight, result, fidelity in (("bf16", "bfp8", "HiFi2"), ("bfp8", "bf16", "LoFi"), ("fp32", "fp32", "HiFi4")):
        case(
            f"convolution/{weight} to {result} {fidelity}",
            lambda x, w=TYPES[weight], r=TYPES[result], f=fidelity: _convolve(
                x, weight=w, dtype=r, compute_config=compute(x, f), bias=True
            ),
        )
    case("convolution/bias and RELU", lambda x: _convolve(x, bias=True, activation=unary("RELU")))
    case("convolution/20 channels by default", lambda x: _convolve(x, inputs=20, shards=None))
    case("convolution/one pixel", lambda x: _convolve(x, kernel=1, padding=0, bias=True))
    case("convolution/patches that do not overlap", lambda x: _convolve(x, kernel=2, stride=2, padding=0, shards=None))
    case(
        "convolution/float32 sums go back to the register",
        lambda x: _convolve(x, weight=ttnn.float32, compute_config=_without_adding(x)),
    )
    case("convolution/of one dimension", _of_one_dimension)
    case("convolution/transposed", _transposed)
    case("convolution/groups", lambda x: _convolve(x, inputs=32, outputs=32, groups=8))


def _convolve(
    x: Inputs,
    shards: str | None = "HEIGHT",
    inputs: int = 64,
    outputs: int = 64,
    kernel: int = 3,
    stride: int = 1,
    padding: int = 1,
    groups: int = 1,
    weight: ttnn.DataType = ttnn.bfloat16,
    bias: bool = False,
    activation: ttnn.UnaryWithParam | None = None,
    **rest: Any,
) -> ttnn.Tensor:
    first = ttnn.float32 if weight == ttnn.float32 else ttnn.bfloat16
    config = ttnn.Conv2dConfig(weights_dtype=weight, activation=activation)
    if shards is not None:
        config.shard_layout = getattr(ttnn.TensorMemoryLayout, f"{shards}_SHARDED")
    return ttnn.conv2d(
        input_tensor=x.normal(first, (1, 1, _SIZE * _SIZE, inputs), layout=ttnn.ROW_MAJOR_LAYOUT),
        weight_tensor=_on_host(x, (outputs, inputs // groups, kernel, kernel)),
        bias_tensor=_on_host(x, (1, 1, 1, outputs)) if bias else None,
        device=x.device,
        in_channels=inputs,
        out_channels=outputs,
        batch_size=1,
        input_height=_SIZE,
        input_width=_SIZE,
        kernel_size=[kernel, kernel],
        stride=[stride, stride],
        padding=[padding, padding],
        groups=groups,
        conv_config=config,
        **rest,
    )


def _without_adding(x: Inputs) -> Any:
    """Return a config with float32 sums that the packer does not add."""
    how = compute(x)
    how.packer_l1_acc = False
    return how


def _of_one_dimension(x: Inputs) -> ttnn.Tensor:
    return ttnn.conv1d(
        input_tensor=x.normal(shape=(1, 64, 32), layout=ttnn.ROW_MAJOR_LAYOUT),
        weight_tensor=_on_host(x, (32, 32, 3)),
        device=x.device,
        in_channels=32,
        out_channels=32,
        batch_size=1,
        input_length=64,
        kernel_size=3,
        padding=1,
        conv_config=ttnn.Conv2dConfig(weights_dtype=ttnn.bfloat16),
    )


def _transposed(x: Inputs) -> ttnn.Tensor:
    return ttnn.conv_transpose2d(
        input_tensor=x.normal(shape=(1, 1, _SIZE * _SIZE, 32), layout=ttnn.ROW_MAJOR_LAYOUT),
        weight_tensor=_on_host(x, (32, 32, 3, 3)),
        bias_tensor=_on_host(x, (1, 1, 1, 32)),
        device=x.device,
        in_channels=32,
        out_channels=32,
        batch_size=1,
        input_height=_SIZE,
        input_width=_SIZE,
        kernel_size=[3, 3],
        stride=[2, 2],
        padding=[1, 1],
        output_padding=[1, 1],
        conv_config=ttnn.Conv2dConfig(weights_dtype=ttnn.bfloat16),
    )


def _resampling() -> None:
    for fidelity in ("HiFi4", "LoFi"):
        case(
            f"resampling/bilinear {fidelity}",
            lambda x, f=fidelity: ttnn.upsample(
                _images(x), [2, 3], mode="bilinear", compute_kernel_config=compute(x, f, False)
            ),
        )
    case("resampling/nearest", lambda x: ttnn.upsample(_images(x), 2))
    case("resampling/nearest by a fraction", lambda x: ttnn.upsample(_images(x), [1.5, 2.25]))
    for kind in ("bf16", "fp32"):
        case(
            f"resampling/at places in {kind}",
            lambda x, k=TYPES[kind]: ttnn.grid_sample(
                _images(x), x.normal(k, (1, 4, 8, 2), 0.6, layout=ttnn.ROW_MAJOR_LAYOUT)
            ),
        )
    case("resampling/fold", lambda x: ttnn.fold(_images(x), 2, 2))


def _images(x: Inputs) -> ttnn.Tensor:
    return x.normal(shape=(1, 4, 4, 32), layout=ttnn.ROW_MAJOR_LAYOUT)


def _on_host(x: Inputs, shape: tuple[int, ...]) -> ttnn.Tensor:
    """Return a float32 tensor that was not uploaded."""
    return ttnn.from_torch(ttnn.to_torch(x.normal(ttnn.float32, shape, layout=ttnn.ROW_MAJOR_LAYOUT)))


_convolutions()
_resampling()
