# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""Operations that move a tensor to another layout, memory or dtype. Only a change of dtype changes values."""

from typing import Any

import torch

import ttnn
from ttnn_emulator.arithmetic.formats import nearest_even, pack_precisely
from ttnn_emulator.device.registry import value
from ttnn_emulator.device.step import Operand, Output
from ttnn_emulator.errors import UnsupportedOperation
from ttnn_emulator.operations.support import compute_config, convert, loaded

_TILE = 32


def _moved(operand: Operand, output: Output) -> torch.Tensor:
    return convert(operand.value, output.dtype, operand.dtype)


@value("to_layout", moves=True, operands=True, padding="pad_value")
def to_layout(
    tensor, layout=None, dtype=None, memory_config=None, sub_core_grids=None, pad_value=0.0, *, outputs: list[Output]
):
    return _moved(tensor, outputs[0])


@value("to_memory_config", moves=True, operands=True)
def to_memory_config(tensor, memory_config=None, dtype=None, output_tensor=None, *, outputs: list[Output]):
    return _moved(tensor, outputs[0])


@value("to_dtype", operands=True)
def to_dtype(tensor, dtype=None, *, outputs: list[Output]):
    return _moved(tensor, outputs[0])


@value("typecast", "experimental.typecast", operands=True, moves=True)
def typecast(input_tensor, dtype=None, output_dtype=None, *, input_dtype=None, outputs: list[Output]):
    moved = _moved(input_tensor, outputs[0])
    if (input_tensor.dtype, outputs[0].dtype) == (ttnn.float32, ttnn.bfloat16):
        return nearest_even(moved)  # the vector unit rounds here; in other moves the packer rounds
    return pack_precisely(moved.float()) if outputs[0].dtype == ttnn.bfloat8_b else moved


@value(
    "tilize",
    moves=True,
    operands=True,
    without_effect={"use_low_perf": "the circular buffers are smaller, and the kernel moves the same values"},
)
def tilize(input_tensor, *, dtype=None, outputs: list[Output]):
    return _moved(input_tensor, outputs[0])


@value("tilize_with_zero_padding", moves=True, operands=True, padding=0.0)
def tilize_with_zero_padding(input_tensor, *, output_dtype=None, outputs: list[Output]):
    return _moved(input_tensor, outputs[0])


@value("tilize_with_val_padding", moves=True, operands=True, padding="pad_value")
def tilize_with_val_padding(input_tensor, output_tensor_shape=None, pad_value=0, *, dtype=None, outputs: list[Output]):
    moved = _moved(input_tensor, outputs[0])
    sides = [size - own for size, own in zip(outputs[0].shape, moved.shape)]
    return torch.nn.functional.pad(moved, [side for size in reversed(sides) for side in (0, size)], value=pad_value)


@value("untilize", moves=True, operands=True)
def untilize(input_tensor, *, outputs: list[Output]):
    return _moved(input_tensor, outputs[0])


@value("untilize_with_unpadding", moves=True, operands=True)
def untilize_with_unpadding(input_tensor, output_tensor_end=None, *, outputs: list[Output]):
    """Return values, with the tiles' padding where `output_tensor_end` reaches into it and the padding is known."""
    moved, shape = _moved(input_tensor, outputs[0]), outputs[0].shape
    own = moved.shape
    tiles = [size if place < moved.ndim - 2 else -(-size // _TILE) * _TILE for place, size in enumerate(own)]
    if any(size > whole for size, whole in zip(shape, tiles)):
        raise UnsupportedOperation(f"ttnn.untilize_with_unpadding: {list(shape)} ends past the tiles of {list(own)}")
    if any(size > held for size, held in zip(shape, own)):
        if input_tensor.buffer.padding is None:
            raise UnsupportedOperation(
                f"ttnn.untilize_with_unpadding: {list(shape)} takes in what fills up tiles of {list(own)}, which is "
                "not known here; ttnn.fill_implicit_tile_padding sets it"
            )
        sides = [side for size, held in zip(reversed(tiles), reversed(own)) for side in (0, size - held)]
        moved = torch.nn.functional.pad(moved, sides, value=input_tensor.buffer.padding)
    return moved[tuple(slice(0, size) for size in shape)]


@value("interleaved_to_sharded", moves=True, operands=True)
def interleaved_to_sharded(
    input_tensor,
    grid=None,
    shard_shape=None,
    shard_scheme=None,
    shard_orientation=None,
    output_dtype=None,
    *,
    sharded_memory_config=None,
    keep_l1_aligned=None,
    outputs: list[Output],
):
    return _moved(input_tensor, outputs[0])


@value("sharded_to_interleaved", moves=True, operands=True)
def sharded_to_interleaved(input_tensor, memory_config=None, output_dtype=None, *, outputs: list[Output]):
    return _moved(input_tensor, outputs[0])


@value("interleaved_to_sharded_partial", operands=True)
def interleaved_to_sharded_partial(
    input_tensor,
    grid,
    shard_shape,
    num_slices,
    slice_index,
    shard_scheme=None,
    shard_orientation=None,
    *,
    output_dtype=None,
    outputs: list[Output],
):
    rows = _moved(input_tensor, outputs[0]).flatten(0, -2)
    return rows.chunk(num_slices)[slice_index].reshape(outputs[0].shape)


@value("sharded_to_interleaved_partial", in_place=True)
def sharded_to_interleaved_partial(input_tensor, cache_tensor, num_slices, slice_index, *, output_dtype=None):
    rows = cache_tensor.own().flatten(0, -2).chunk(num_slices)[slice_index]
    rows.copy_(cache_tensor.round(input_tensor.value).reshape(rows.shape))


@value("reshard", moves=True, operands=True)
def reshard(input_tensor, output_memory_config=None, output_tensor=None, *, outputs: list[Output]):
    return _moved(input_tensor, outputs[0])


@value("clone", operands=True, moves=True)
def clone(input, *, dtype: Any = None, compute_kernel_config: Any = None, outputs: list[Output]):
    moved = _moved(input, outputs[0])
    if input.dtype == ttnn.float32 and outputs[0].dtype != ttnn.float32:  # a compute kernel copies here
        return loaded(moved, compute_config(compute_kernel_config).wide)
    return moved


@value("move", operands=True, moves=True)
def move(input_tensor, *, outputs: list[Output]):
    return _moved(input_tensor, outputs[0])


@value("reallocate", operands=True, moves=True)
def reallocate(tensor, memory_config=None, *, outputs: list[Output]):
    return _moved(tensor, outputs[0])


@value("copy", operands=True)
def copy(input_a, input_b, *, outputs: list[Output]):
    return _moved(input_a, outputs[0])


@value("assign", operands=True)
def assign(input_tensor=None, input_b=None, *, input_a=None, dtype: Any = None, outputs: list[Output]):
    return _moved(input_a if input_tensor is None else input_tensor, outputs[0])
