# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""ttnn's data types in terms of the arithmetic's formats, and the torch types that hold their values."""

import torch

import ttnn
from ttnn_emulator.arithmetic import formats
from ttnn_emulator.arithmetic.formats import Format

_FORMATS = {
    ttnn.bfloat16: Format.BFLOAT16,
    ttnn.float32: Format.FLOAT32,
    ttnn.bfloat8_b: Format.BFLOAT8_B,
    ttnn.bfloat4_b: Format.BFLOAT4_B,
    ttnn.uint8: Format.UINT8,
    ttnn.uint16: Format.UINT16,
    ttnn.int32: Format.INT32,
    ttnn.uint32: Format.UINT32,
}
_FLOATS = frozenset(dtype for dtype, format in _FORMATS.items() if format in formats.FLOATS)
_HOST = {ttnn.bfloat16: torch.bfloat16} | {
    getattr(ttnn, name): getattr(torch, name) for name in ("float32", "uint8", "uint16", "int32", "uint32")
}


def format_of(dtype: ttnn.DataType) -> Format:
    if dtype not in _FORMATS:
        raise NotImplementedError(f"{dtype} has no emulated number format")
    return _FORMATS[dtype]


def is_float(dtype: ttnn.DataType) -> bool:
    return dtype in _FLOATS


def storage_dtype(dtype: ttnn.DataType) -> torch.dtype:
    """Return the torch type that holds a device value of `dtype`."""
    if dtype == ttnn.float32:
        return torch.float32
    return torch.bfloat16 if is_float(dtype) else torch.int64


def host_dtype(dtype: ttnn.DataType) -> torch.dtype:
    """Return the torch type in which the library's `to_torch` returns `dtype`: float32 for block floats."""
    return torch.float32 if dtype in (ttnn.bfloat8_b, ttnn.bfloat4_b) else _HOST[dtype]


def round_to(value: torch.Tensor, dtype: ttnn.DataType) -> torch.Tensor:
    """Round `value` to `dtype` as a kernel's packer does."""
    return formats.round_to(value, format_of(dtype))


def round_from_host(value: torch.Tensor, dtype: ttnn.DataType) -> torch.Tensor:
    """Round `value` to `dtype` as the host's `from_torch` does."""
    return formats.round_from_host(value, format_of(dtype))
