# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""How the machine holds numbers: rounding into each data type, and the operand bits a matmul pass sees.

Values live on the CPU in the smallest torch type that holds them exactly: bfloat16 for bfloat16, bfloat8_b and
bfloat4_b (their 7 and 3 significant bits share its exponent range), float32 for float32, int64 for the integers.
"""

from collections.abc import Callable

import torch

import ttnn

FLOAT_DTYPES = (ttnn.bfloat16, ttnn.float32, ttnn.bfloat8_b, ttnn.bfloat4_b)
_INTEGER_BITS = {ttnn.uint8: (8, False), ttnn.uint16: (16, False), ttnn.int32: (32, True), ttnn.uint32: (32, False)}
_TORCH_DTYPES = {
    ttnn.bfloat16: torch.bfloat16,
    ttnn.float32: torch.float32,
    ttnn.bfloat8_b: torch.float32,
    ttnn.bfloat4_b: torch.float32,
    ttnn.uint8: torch.uint8,
    ttnn.uint16: torch.uint16,
    ttnn.int32: torch.int32,
    ttnn.uint32: torch.uint32,
}
_BLOCK_MANTISSA_BITS = {ttnn.bfloat8_b: 7, ttnn.bfloat4_b: 3}
_BLOCK = 16  # elements of a row that share one exponent
_CHUNK = 1 << 16


def is_float(dtype: ttnn.DataType) -> bool:
    return dtype in FLOAT_DTYPES


def storage_dtype(dtype: ttnn.DataType) -> torch.dtype:
    """The torch type that holds a device value of `dtype`."""
    if dtype == ttnn.float32:
        return torch.float32
    return torch.bfloat16 if is_float(dtype) else torch.int64


def host_dtype(dtype: ttnn.DataType) -> torch.dtype:
    """The torch type in which the library's `to_torch` returns `dtype`."""
    return _TORCH_DTYPES[dtype]


def round_to(value: torch.Tensor, dtype: ttnn.DataType) -> torch.Tensor:
    """`value` as a kernel's packer leaves it in a tensor of `dtype`."""
    if dtype == ttnn.bfloat16:
        return value if value.dtype == torch.bfloat16 else round_to_bfloat16(value.float())
    if dtype == ttnn.float32:
        return value.float()
    if dtype in _BLOCK_MANTISSA_BITS:
        return _pack_blocks(value.float(), dtype)
    return wrap_integer(value.long(), dtype)


def round_from_host(value: torch.Tensor, dtype: ttnn.DataType) -> torch.Tensor:
    """`value` as the host's converter leaves it (`from_torch`): ties go to even, block floats are rounded once."""
    if dtype == ttnn.bfloat16:
        return value.to(torch.bfloat16)
    if dtype == ttnn.float32:
        return value.float()
    if dtype in _BLOCK_MANTISSA_BITS:
        return round_to_block_float(value.float(), _BLOCK_MANTISSA_BITS[dtype])
    if value.is_floating_point() and dtype == ttnn.uint16:
        value = value.clamp(0, 65535)
    return wrap_integer(value.long(), dtype)


def round_to_bfloat16(value: torch.Tensor) -> torch.Tensor:
    """float32 -> bfloat16 as the packer does it: to nearest, ties away from zero; never a negative zero."""
    bits = value.contiguous().view(torch.int32)
    return (bits + 0x8000 >> 16).to(torch.int16).view(torch.bfloat16).add_(0)


def nearest_even(value: torch.Tensor) -> torch.Tensor:
    """float32 -> bfloat16 as the vector unit's kernels do it before the packer: ties to even; never a negative zero."""
    return value.to(torch.bfloat16).add_(0)


def round_to_tf32(value: torch.Tensor) -> torch.Tensor:
    """float32 to 11 significant bits, ties away from zero."""
    return (value.contiguous().view(torch.int32) + 0x1000 & -0x2000).view(torch.float32)


def round_to_block_float(value: torch.Tensor, mantissa_bits: int) -> torch.Tensor:
    """Round to a shared-exponent format: 16 neighbours of a row take the largest exponent among them."""
    # the host's converter keeps 24 bits below the block's exponent, rounds those to nearest, ties to even, and
    # saturates instead of carrying over
    kept = float(1 << 24 - mantissa_bits)
    return _scale_mantissas(value, mantissa_bits, lambda scaled: torch.round(torch.trunc(scaled * kept) / kept))


def _pack_blocks(value: torch.Tensor, dtype: ttnn.DataType) -> torch.Tensor:
    """The packer first rounds each number for itself to seven significant bits, then the block, ties away both times.
    bfloat4_b is what is left when the low bits of that are cut off."""
    seven = ((value.contiguous().view(torch.int32) >> 16) + 1 & -2) << 16
    eight = pack_precisely(seven.view(torch.float32))
    return eight if dtype == ttnn.bfloat8_b else _scale_mantissas(eight.float(), 3, torch.trunc)


def pack_precisely(value: torch.Tensor) -> torch.Tensor:
    """float32 -> bfloat8_b by a packer that a program has told to round only once (typecast does)."""
    return _scale_mantissas(value, 7, _ties_away)


def _ties_away(value: torch.Tensor) -> torch.Tensor:
    return torch.trunc(value + torch.copysign(value.new_tensor(0.5), value))


def _scale_mantissas(value: torch.Tensor, mantissa_bits: int, rounding: Callable) -> torch.Tensor:
    """Bring every mantissa to a whole number of its block's last bit by `rounding`. There is no negative zero."""
    if not value.numel():
        return value.to(torch.bfloat16)
    width = value.shape[-1] if value.ndim else 1
    rows = value.reshape(-1, width)
    result = torch.empty(rows.shape, dtype=torch.bfloat16)
    at_once = max(1, _CHUNK // width)  # rows: what fits the CPU's cache is several times faster
    for chunk, rounded in zip(rows.split(at_once), result.split(at_once)):
        blocks = torch.nn.functional.pad(chunk, (0, -width % _BLOCK)).unflatten(-1, (-1, _BLOCK)).contiguous()
        step, inverse = _block_step(blocks, mantissa_bits)
        scaled = rounding(blocks * inverse)
        scaled.clamp_(1 - (1 << mantissa_bits), (1 << mantissa_bits) - 1).mul_(step)
        rounded.copy_(scaled.flatten(-2)[..., :width])
    return result.add_(0).reshape(value.shape)


def _block_step(blocks: torch.Tensor, mantissa_bits: int) -> tuple[torch.Tensor, torch.Tensor]:
    """The weight of each block's last mantissa bit, and its inverse: both powers of two."""
    largest = (blocks.view(torch.int32) & 0x7FFFFFFF).amax(-1, keepdim=True)
    exponent = largest >> 23
    # written as bits: 2**(exponent - 127 - (bits - 1)); zero blocks keep a harmless step of 1
    biased = torch.where(exponent == 0, 127, (exponent - (mantissa_bits - 1)).clamp_min(1)).to(torch.int32)
    return (biased << 23).view(torch.float32), (254 - biased << 23).view(torch.float32)


def wrap_integer(value: torch.Tensor, dtype: ttnn.DataType) -> torch.Tensor:
    """Keep the bits that fit: integers wrap around."""
    if dtype not in _INTEGER_BITS:
        raise NotImplementedError(f"{dtype} has no emulated number format")
    bits, signed = _INTEGER_BITS[dtype]
    value = value & ((1 << bits) - 1)
    return torch.where(value >= 1 << (bits - 1), value - (1 << bits), value) if signed else value


def truncate(value: torch.Tensor, significant_bits: int) -> torch.Tensor:
    """Cut a bfloat16 or float32 value to its leading `significant_bits`, the hidden one included."""
    if value.dtype == torch.bfloat16:
        return (value.contiguous().view(torch.int16) & -(1 << (8 - significant_bits))).view(torch.bfloat16)
    return (value.contiguous().view(torch.int32) & -(1 << (24 - significant_bits))).view(torch.float32)
