# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""Operations that change a tensor's shape or pick, repeat and reorder its elements."""

from collections.abc import Sequence
from typing import Any

import torch

import ttnn
from ttnn_emulator.arithmetic.formats import pack_precisely
from ttnn_emulator.device.registry import value
from ttnn_emulator.device.step import Output
from ttnn_emulator.errors import UnsupportedOperation
from ttnn_emulator.operations.support import goldens

goldens(
    {
        "tensors; dim groups": "concat",
        "input_tensor split_size; dim": "split",
        "input_tensor chunks dim": "chunk",
        "input_tensors dim": "stack",
        "input_tensor repeat_dims": "repeat",
        "input_tensor repeats dim": "repeat_interleave",
        "input_tensor output_shape": "expand",
        "input_tensor shifts; dim": "roll",
        "input_tensor dim start length": "narrow",
        "input dim index": "gather",
        "input dim index src": "scatter_add",
        "input dim index value": "index_fill",
        "batch_id input_tensor_a input_tensor_b; dim": "indexed_fill",
    }
)


@value("reshape", moves=True)
def reshape(
    input_tensor,
    shape=None,
    padded_shape=None,
    *,
    logical_shape=None,
    pad_value: float | None = None,
    skip_padding_fill: bool = False,
    outputs: list[Output],
):
    return input_tensor.reshape(outputs[0].shape)


@value("view", "experimental.view", moves=True)
def view(input_tensor, shape=None, *, outputs: list[Output]):
    return input_tensor.reshape(outputs[0].shape)


@value("reshape_on_device", moves=True)
def reshape_on_device(input_tensor, W, Z, Y, X, *, outputs: list[Output]):
    return input_tensor.reshape(outputs[0].shape)


@value("unsqueeze_to_4D", moves=True)
def unsqueeze_to_4d(tensor, *, outputs: list[Output]):
    return tensor.reshape(outputs[0].shape)


@value("squeeze", "unsqueeze", moves=True)
def squeeze(input_tensor, dim=None, *, outputs: list[Output]):
    return input_tensor.reshape(outputs[0].shape)


@value("permute", moves=True)
def permute(input_tensor, dims, pad_value: float = 0.0):
    return input_tensor.permute(*dims)


@value("transpose", moves=True)
def transpose(input_tensor, dim1, dim2, pad_value: float = 0.0):
    return input_tensor.transpose(dim1, dim2)


def _bounds_that_the_library_reads(args: tuple, kwargs: dict) -> tuple[tuple, dict]:
    """Move bounds to the host where the library would read them from the device: for row-major tensors and steps."""
    call = {**dict(zip(("input_tensor", "starts", "ends", "slice_step"), args)), **kwargs}
    bounds = {name: call[name] for name in ("starts", "ends") if isinstance(call.get(name), ttnn.Tensor)}
    served = call["input_tensor"].layout == ttnn.TILE_LAYOUT and all(step == 1 for step in call.get("slice_step") or ())
    if served or not bounds:
        return args, kwargs
    on_device = {name for name, bound in bounds.items() if bound.storage_type() == ttnn.DEVICE_STORAGE_TYPE}
    return (), {**call, **{name: bounds[name].cpu() for name in on_device}}


@value("slice", moves=True, host=True, padding="pad_value", prepare=_bounds_that_the_library_reads)
def slice_(
    input_tensor,
    starts=None,
    ends=None,
    steps=None,
    *,
    slice_start=None,
    slice_end=None,
    slice_step=None,
    pad_value: float | None = None,
    slice_dim: int | None = None,  # with `num_devices` it gives the library the result's shape for bounds in tensors
    num_devices: int | None = None,
):
    starts, ends = (slice_start if starts is None else starts), (slice_end if ends is None else ends)
    starts, ends = (x.flatten().tolist() if isinstance(x, torch.Tensor) else x for x in (starts, ends))
    steps = slice_step if steps is None else steps
    steps = steps if steps else [1] * len(starts)
    return input_tensor[tuple(slice(*bounds) for bounds in zip(starts, ends, steps))]


@value("pad")
def pad(input_tensor, padding=None, *rest: Any, output_padded_shape=None, input_tensor_start=None, value=None):
    sides = output_padded_shape if padding is None else padding
    rest = list(rest)
    if sides and not isinstance(sides[0], Sequence):
        start = rest.pop(0) if input_tensor_start is None else input_tensor_start
        sides = [(s, total - size - s) for total, size, s in zip(sides, input_tensor.shape, start)]
    fill = rest.pop(0) if value is None else value
    flat = [amount for side in reversed(list(sides)) for amount in side]
    if any(amount < 0 for amount in flat):
        raise UnsupportedOperation("ttnn.pad: negative padding is not emulated; use ttnn.slice")
    return torch.nn.functional.pad(input_tensor, flat, value=fill)


@value("scatter")
def scatter(input, dim, index, src, *, reduce: str | None = None):
    if reduce is None:
        return torch.scatter(input, dim, index, src)
    kinds = {"add": "sum", "multiply": "prod", "amax": "amax", "amin": "amin"}
    if reduce not in kinds:
        raise UnsupportedOperation(f"ttnn.scatter: the reduction {reduce!r} is not emulated")
    return torch.scatter_reduce(input.float(), dim, index, src.float(), kinds[reduce]).to(
        input.dtype if not input.is_floating_point() else torch.float32
    )


@value("sort")  # equal values keep their order here, and have an order of its own on the machine
def sort(input_tensor, dim: int = -1, descending: bool = False, stable: bool = False):
    values, indices = torch.sort(input_tensor, dim=dim, descending=descending, stable=True)
    return values, indices


@value("fill_implicit_tile_padding", operands=True, padding="fill_value")
def fill_implicit_tile_padding(input_tensor, fill_value):
    """Fill the padding, which changes values only where block floats share an exponent with the padding."""
    value = input_tensor.value
    if input_tensor.dtype != ttnn.bfloat8_b:
        return value
    width = value.shape[-1]
    return pack_precisely(torch.nn.functional.pad(value.float(), (0, -width % 16), value=fill_value))[..., :width]
