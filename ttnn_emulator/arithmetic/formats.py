# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""The number formats of the machine, and rounding into them.

Values live on the CPU in the smallest torch type that holds them exactly: bfloat16 for bfloat16, bfloat8_b and
bfloat4_b (their 7 and 3 significant bits share its exponent range), float32 for float32, int64 for the integers.
"""

import ctypes
from enum import Enum

import torch

from ttnn_emulator.arithmetic.native import Mantissa, Rounding, function


class Format(Enum):
    """The data types of a tensor."""

    BFLOAT16 = "bfloat16"
    FLOAT32 = "float32"
    BFLOAT8_B = "bfloat8_b"
    BFLOAT4_B = "bfloat4_b"
    UINT8 = "uint8"
    UINT16 = "uint16"
    INT32 = "int32"
    UINT32 = "uint32"


FLOATS = frozenset({Format.BFLOAT16, Format.FLOAT32, Format.BFLOAT8_B, Format.BFLOAT4_B})
FORMATS = (Format.FLOAT32, Format.BFLOAT16, Format.BFLOAT8_B, Format.BFLOAT4_B)  # as `native/formats.h` counts them
_INTEGER_BITS = {
    Format.UINT8: (8, False),
    Format.UINT16: (16, False),
    Format.INT32: (32, True),
    Format.UINT32: (32, False),
}
_BLOCK_MANTISSA_BITS = {Format.BFLOAT8_B: 7, Format.BFLOAT4_B: 3}


def round_to(value: torch.Tensor, format: Format) -> torch.Tensor:
    """Round `value` to `format` as a kernel's packer does."""
    if format == Format.BFLOAT16:
        return value if value.dtype == torch.bfloat16 else round_to_bfloat16(value.float())
    if format == Format.FLOAT32:
        return value.float()
    if format in _BLOCK_MANTISSA_BITS:
        return _round_rows("format_packed_block_float", value.float(), _BLOCK_MANTISSA_BITS[format])
    return wrap_integer(value.long(), format)


def round_from_host(value: torch.Tensor, format: Format) -> torch.Tensor:
    """Round `value` to `format` as the host's `from_torch` does: ties go to even, block floats are rounded once."""
    if format == Format.BFLOAT16:
        return value.to(torch.bfloat16)
    if format == Format.FLOAT32:
        return value.float()
    if format in _BLOCK_MANTISSA_BITS:
        return round_to_block_float(value.float(), _BLOCK_MANTISSA_BITS[format])
    if value.is_floating_point() and format == Format.UINT16:
        value = value.clamp(0, 65535)
    return wrap_integer(value.long(), format)


def round_to_bfloat16(value: torch.Tensor, rounding: Rounding = Rounding.TIES_AWAY) -> torch.Tensor:
    """Round float32 to bfloat16 as the packer writes it, without a negative zero.

    The packer rounds ties away from zero. Kernels of the vector unit may round in another way before the packer.
    """
    value = value.contiguous()
    result = torch.empty_like(value, dtype=torch.bfloat16)
    function("format_bfloat16")(value, result, value.numel(), rounding)
    return result


def nearest_even(value: torch.Tensor) -> torch.Tensor:
    """Round float32 to bfloat16 as kernels of the vector unit do before the packer: ties to even, no negative zero."""
    return round_to_bfloat16(value, Rounding.NEAREST_EVEN)


def round_to_block_float(value: torch.Tensor, mantissa_bits: int) -> torch.Tensor:
    """Round to a block float format as the host's converter does.

    The converter keeps 24 bits below the block's exponent, and rounds them to nearest, ties to even. It saturates
    where rounding would carry over.
    """
    return _round_rows("format_block_float", value, mantissa_bits, Mantissa.HOST)


def pack_precisely(value: torch.Tensor) -> torch.Tensor:
    """Round float32 to bfloat8_b by a packer that a program has told to round only once, as typecast does."""
    return _round_rows("format_block_float", value, _BLOCK_MANTISSA_BITS[Format.BFLOAT8_B], Mantissa.TIES_AWAY)


def _round_rows(name: str, value: torch.Tensor, *settings: int) -> torch.Tensor:
    """Round to a block float format, in which 16 neighbours of a row share an exponent."""
    value = value.contiguous()
    result = torch.empty_like(value, dtype=torch.bfloat16)
    width = value.shape[-1] if value.ndim else 1
    function(name)(value, result, value.numel() // width if width else 0, width, *settings)
    return result


def largest_if_whole(value: torch.Tensor) -> float:
    """Return the largest magnitude in a bfloat16 or float32 tensor of whole numbers, or infinity for other tensors."""
    value, largest = value.contiguous(), ctypes.c_float()
    function("format_largest_if_whole")(value, value.dtype == torch.float32, value.numel(), ctypes.byref(largest))
    return largest.value


def wrap_integer(value: torch.Tensor, format: Format) -> torch.Tensor:
    """Keep the bits that fit in `format`: integers wrap around."""
    bits, signed = _INTEGER_BITS[format]
    value = value & ((1 << bits) - 1)
    return torch.where(value >= 1 << (bits - 1), value - (1 << bits), value) if signed else value


def truncate(value: torch.Tensor, significant_bits: int) -> torch.Tensor:
    """Truncate a bfloat16 or float32 value to its leading `significant_bits`, the hidden one included."""
    if value.dtype == torch.bfloat16:
        return (value.contiguous().view(torch.int16) & -(1 << (8 - significant_bits))).view(torch.bfloat16)
    return (value.contiguous().view(torch.int32) & -(1 << (24 - significant_bits))).view(torch.float32)
