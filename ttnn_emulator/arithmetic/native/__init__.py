# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""The arithmetic of the chip in C++, called with torch tensors.

`interface.cpp` has the functions, and the headers beside it have the arithmetic. `matmul_*`, `ternary_*` and `fpu_*`
are the matrix unit's functions, `sfpu_*` the vector unit's, and `format_*` round into number formats. Other Python
threads run during a call.
"""

import ctypes
import functools
from collections.abc import Callable, Sequence
from enum import IntEnum
from typing import Any

import torch

from ttnn_emulator.arithmetic.native import library


class Rounding(IntEnum):
    """The ways to round a number to fewer bits (`formats.h`)."""

    NEAREST_EVEN = 0
    TIES_AWAY = 1
    TRUNCATE = 2


class Mantissa(IntEnum):
    """The ways to round a block float's mantissa to a whole number (`formats.h`)."""

    HOST = 0
    TIES_AWAY = 1


class Function(IntEnum):
    """The functions of the vector unit (`vector_functions.h`)."""

    EXP = 0
    LOG = 1
    SQRT = 2
    RSQRT = 3
    RECIP = 4
    SIGMOID = 5
    SILU = 6
    TANH = 7
    ERFC = 8


class Operation(IntEnum):
    """The operations of two operands in `eltwise.h`: first those of the matrix unit, then those of the vector unit."""

    FPU_ADD = 0
    FPU_SUBTRACT = 1
    FPU_RSUB = 2
    FPU_MULTIPLY = 3
    ADD = 4
    SUBTRACT = 5
    RSUB = 6
    MULTIPLY = 7
    DIVIDE = 8
    MAXIMUM = 9
    MINIMUM = 10


# The steps of one operand in `eltwise.h`: the functions of the vector unit, then plain functions.
Step = IntEnum("Step", [*Function.__members__, "RELU", "SQUARE", "MUL_UNARY_SFPU", "ROUND"], start=0)


MOST_STEPS = 8  # on each operand, and on the result


def _array(dtype: torch.dtype) -> type:
    """Return the type of a parameter that is a contiguous tensor of `dtype`."""

    class Array:
        @staticmethod
        def from_param(tensor: torch.Tensor) -> ctypes.c_void_p:
            if tensor.dtype is not dtype or not tensor.is_contiguous():
                raise TypeError(f"a contiguous tensor of {dtype} is wanted, not {tensor.dtype}, {tensor.stride()}")
            return ctypes.c_void_p(tensor.data_ptr())

    return Array


_MATRIX_TYPES = frozenset((torch.bfloat16, torch.float32))


class _Matrices:
    """The type of a parameter that is a tensor of bfloat16 or float32, whose steps are other parameters."""

    @staticmethod
    def from_param(tensor: torch.Tensor) -> ctypes.c_void_p:
        if tensor.dtype not in _MATRIX_TYPES:
            raise TypeError(f"a tensor of bfloat16 or float32 is wanted, not of {tensor.dtype}")
        return ctypes.c_void_p(tensor.data_ptr())


class _Optional:
    """The type of a parameter that is a contiguous tensor of bfloat16 or float32, or None."""

    @staticmethod
    def from_param(tensor: torch.Tensor | None) -> ctypes.c_void_p:
        if tensor is None:
            return ctypes.c_void_p(None)
        if not tensor.is_contiguous():
            raise TypeError(f"a contiguous tensor is wanted, not {tensor.stride()}")
        return _Matrices.from_param(tensor)


_TYPES = {
    "f": _array(torch.float32),
    "b": _array(torch.bfloat16),
    "q": _array(torch.int64),
    "w": _array(torch.int8),
    "u": _array(torch.uint8),
    "h": _array(torch.int16),
    "s": _array(torch.int32),
    "m": _Matrices,
    "l": ctypes.c_int64,
    "i": ctypes.c_int32,
    "o": _Optional,
    "d": ctypes.c_float,
    "r": ctypes.POINTER(ctypes.c_float),
    "n": ctypes.POINTER(ctypes.c_int64),
}
_BROADCAST = "f l l  f l l  f l l"  # the result, its rows and columns; each operand, its steps between rows and columns
_ROWS = "m i l l l"  # an operand of rotary embeddings, and its steps in three dimensions
_PRODUCT = "f  m i l l l  m i l l l  l l l l  i i i"
_SIGNATURES = {
    "format_bfloat16": "f b l i",
    "format_block_float": "f b l l i i",
    "format_packed_block_float": "f b l l i",
    "format_largest_if_whole": "m i l r",
    "matmul_product": _PRODUCT,
    "matmul_product_in_blocks": f"{_PRODUCT} l i l",
    "ternary_pack_columns": "m i l l l l u l n",
    "ternary_pack_panels": "m i l l l l h l n",
    "ternary_whole_product": "s w l u l l i",
    "ternary_lofi_product": "f m i l l l l h l l l i",
    "fpu_add": f"{_BROADCAST} i",
    "fpu_multiply": f"{_BROADCAST} i i",
    "sfpu_store": "f f l i i",
    "sfpu_apply": "i f f l i i",
    "sfpu_divide": f"{_BROADCAST} i i",
    "sfpu_remainder": f"{_BROADCAST} i",
    "norm_rows": "f l l  o i o i o i  d i l l i i i",
    "attention_scores": "f f n  o i l  o i l l l l  q l n l l  o i l l  i i i",
    "attention_values": "f f b l  o i l l l  q l n l l  i i i",
    "attention_fast_exponential": "f f l d d",
    "rotary_rotate": f"f l l l l  {_ROWS} {_ROWS} {_ROWS}  o i i i",
    "cache_write_rows": "o i l l l  m i l l n l i",
    "eltwise_unary": "m i m l i i i",
    "eltwise_binary": "m i l l  m i l l  m i l l  i r r r i i",
}


@functools.cache
def function(name: str) -> Callable[..., None]:
    """Return a function of `interface.cpp` by its name."""
    found = getattr(library.load(), name)
    found.argtypes, found.restype = [_TYPES[letter] for letter in _SIGNATURES[name].split()], None
    return found


def numbers(values: Sequence[int]) -> ctypes.Array:
    """Return whole numbers as an array for a function."""
    return (ctypes.c_int64 * len(values))(*values)


def unary(step: Step, x: torch.Tensor, blackhole: bool) -> torch.Tensor:
    """Apply a function to a bfloat16 or float32 tensor, and return what its kernel leaves for the packer."""
    x, wide = x.contiguous(), x.dtype == torch.float32
    result = torch.empty_like(x)
    function("eltwise_unary")(x, wide, result, x.numel(), step, wide, blackhole)
    return result


def binary(
    operation: Operation,
    a: torch.Tensor,
    b: torch.Tensor,
    steps: Sequence[tuple[tuple[Step, float], ...]],
    wide: bool,
    blackhole: bool,
    dtype: torch.dtype,
) -> torch.Tensor:
    """Apply an operation to two bfloat16 or float32 tensors, which are broadcast.

    `steps` are the steps on the first operand, on the second operand and on the result, each with a parameter. A result
    in bfloat16 is rounded to nearest even.
    """
    result, rows, columns, (a, *steps_of_a), (b, *steps_of_b) = _broadcast(a, b, dtype)
    function("eltwise_binary")(
        *(result, dtype is torch.float32, rows, columns),
        *(a, a.dtype is torch.float32, *steps_of_a),
        *(b, b.dtype is torch.float32, *steps_of_b),
        *(operation, *map(_pairs, steps), wide, blackhole),
    )
    return result


@functools.lru_cache(maxsize=1024)
def _pairs(steps: tuple[tuple[Step, float], ...]) -> ctypes.Array:
    """Return steps as an array for `eltwise_binary`, ended by 0."""
    flat = [number for step, parameter in steps for number in (step + 1, parameter)]
    return (ctypes.c_float * (len(flat) + 1))(*flat)


def elementwise(name: str, a: torch.Tensor, b: torch.Tensor, *settings: Any) -> torch.Tensor:
    """Apply a function to two float32 tensors, which are broadcast."""
    result, rows, columns, first, second = _broadcast(a, b, torch.float32)
    function(name)(result, rows, columns, *first, *second, *settings)
    return result


def _broadcast(
    a: torch.Tensor, b: torch.Tensor, dtype: torch.dtype
) -> tuple[torch.Tensor, int, int, tuple[torch.Tensor, int, int], tuple[torch.Tensor, int, int]]:
    """Return an empty result, its rows and columns, and each operand with its steps (see `_steps`)."""
    a, b = a.contiguous(), b.contiguous()
    if a.shape == b.shape:
        columns = a.numel()
        return torch.empty_like(a, dtype=dtype), 1, columns, (a, columns, 1), (b, columns, 1)
    shape = broadcast(a.shape, b.shape)
    result = torch.empty(shape, dtype=dtype)
    rows = result.numel() // shape[-1] if shape[-1] else 0
    return result, rows, shape[-1], _steps(a, shape, rows), _steps(b, shape, rows)


def broadcast(a: tuple[int, ...], b: tuple[int, ...]) -> tuple[int, ...]:
    """Return the common shape of two tensors, a hundred times as fast as `torch.broadcast_shapes`."""
    long, short = (a, b) if len(a) >= len(b) else (b, a)
    pairs = list(zip(long, (1,) * (len(long) - len(short)) + tuple(short)))
    if any(1 not in pair and pair[0] != pair[1] for pair in pairs):
        raise ValueError(f"shapes {list(a)} and {list(b)} do not fit together")
    return tuple(y if x == 1 else x for x, y in pairs)


def _steps(operand: torch.Tensor, shape: tuple[int, ...], rows: int) -> tuple[torch.Tensor, int, int]:
    """Return a contiguous operand, and its steps from one row and from one column of the result to the next."""
    columns = shape[-1]
    if operand.shape == shape:
        return operand, columns, 1
    count = operand.numel()
    if count == 1:
        return operand, 0, 0
    if count == columns and operand.shape[-1] == columns:
        return operand, 0, 1
    if count == rows and operand.shape[-1] == 1:
        return operand, 1, 0
    return operand.expand(shape).contiguous(), columns, 1
