# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""Operations that change a tensor's shape or pick, repeat and reorder its elements."""

from collections.abc import Sequence
from typing import Any

import torch

from ttnn_emulator.errors import UnsupportedOperation
from ttnn_emulator.registry import value
from ttnn_emulator.step import Output
from ttnn_emulator.values.support import goldens

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


@value("slice", moves=True)
def slice_(
    input_tensor,
    starts=None,
    ends=None,
    steps=None,
    *,
    slice_start=None,
    slice_end=None,
    slice_step=None,
    slice_dim: int | None = None,
    num_devices: int | None = None,
    pad_value: float | None = None,
):
    starts, ends = (slice_start if starts is None else starts), (slice_end if ends is None else ends)
    steps = slice_step if steps is None else steps
    # bounds in tensors come with the dimension and the number of parts, from which the library knows the result's size
    starts, ends = (bound.flatten().tolist() if isinstance(bound, torch.Tensor) else bound for bound in (starts, ends))
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


@value("sort")  # ties in order: the machine's order among equal values is its own
def sort(input_tensor, dim: int = -1, descending: bool = False, stable: bool = False):
    values, indices = torch.sort(input_tensor, dim=dim, descending=descending, stable=True)
    return values, indices


@value("fill_implicit_tile_padding", moves=True)  # padding is outside the logical shape
def fill_implicit_tile_padding(input_tensor, fill_value):
    return input_tensor
