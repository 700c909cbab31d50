# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0

"""Transformations of ternary matrices: quantisation, two-bit packing, and the row orders of the device."""

import torch

I2_S_BLOCK = 128  # values of a block of the i2_s format


def ternarise(master: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """A full-precision matrix [out, in] -> (int8 in {-1, 0, +1}, float32 0-d scale that multiplies it).

    The scale is the mean magnitude. The matrix is multiplied by the reciprocal of the scale, as in training: a division
    by the scale could round a value next to a boundary the other way.
    """
    master = master.float()
    scale = master.abs().mean().clamp(min=1e-5)
    return (master * (1.0 / scale)).round_().clamp_(-1, 1).to(torch.int8), scale


def is_ternary(weight: torch.Tensor) -> bool:
    """Whether every value is -1, 0 or +1. A matrix with NaN is not ternary."""
    return bool(((weight == 0) | (weight.abs() == 1)).all())


def pack_ternary(weight: torch.Tensor) -> torch.Tensor:
    """Ternary int8 [out, in] -> uint8 [out / 4, in], four values a byte, as in the published checkpoints.

    Bits 2i and 2i+1 of packed row r hold the values of row i * out / 4 + r, each plus one.
    """
    if weight.shape[0] % 4 != 0:
        raise ValueError(f"{weight.shape[0]} rows cannot be packed four to a byte; give a multiple of 4")
    if not is_ternary(weight):
        raise ValueError("values other than -1, 0 and +1 cannot be packed")
    a, b, c, d = (weight + 1).to(torch.uint8).chunk(4)
    return a | b << 2 | c << 4 | d << 6


def unpack_ternary(packed: torch.Tensor) -> torch.Tensor:
    """uint8 [out / 4, in] -> ternary int8 [out, in]; the inverse of pack_ternary."""
    if (packed & packed >> 1 & 0b01010101).any():
        raise ValueError("packed data contains code 3, which stands for no ternary value")
    return torch.cat([packed >> shift & 3 for shift in (0, 2, 4, 6)]).to(torch.int8) - 1


def permute_rows_for_device_rope(weight: torch.Tensor, num_heads: int, head_dim: int) -> torch.Tensor:
    """Reorder the rows of Q or K, [num_heads * head_dim, ...], for a rotation of adjacent pairs.

    Hugging Face rotates feature i of a head with feature i + head_dim / 2. The device's kernel rotates feature 2i with
    feature 2i + 1. The same permutation of Q and K leaves every attention score unchanged. V must not be permuted.
    """
    halves = weight.reshape(num_heads, 2, head_dim // 2, *weight.shape[1:])
    return halves.transpose(1, 2).reshape(weight.shape)


def rows_in_halves(weight: torch.Tensor, num_heads: int) -> torch.Tensor:
    """The inverse of `permute_rows_for_device_rope`: the rows of adjacent pairs in Hugging Face's order."""
    pairs = weight.unflatten(0, (num_heads, -1, 2))
    return pairs.transpose(1, 2).reshape(weight.shape)


def fuse_qkv(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, kv_heads: int, chips: int = 1) -> torch.Tensor:
    """One ternary matrix for q, k and v: for each chip its rows of q, then of k, then of v.

    q, k and v keep separate scales, so the matrix holds ternary values only. A chip has whole groups: a key and value
    head with the query heads that read it. All chips have the same number of groups. Groups of zeros pad the last
    chips, and the heads of these groups give exactly zero.
    """
    groups = -(-kv_heads // chips) * chips

    def shards(rows: torch.Tensor) -> tuple[torch.Tensor, ...]:
        missing = (groups - kv_heads) * (len(rows) // kv_heads)
        return torch.nn.functional.pad(rows, (0, 0, 0, missing)).chunk(chips)

    return torch.cat([part for chip in zip(shards(q), shards(k), shards(v)) for part in chip])


def unpack_i2_s(packed: torch.Tensor, shape: tuple[int, int], block: int = I2_S_BLOCK) -> torch.Tensor:
    """The codes of a GGUF file's i2_s matrix, uint8 [out * in / 4] -> ternary int8 `shape`, [out, in].

    A block of values, in the order of the rows, lies in block / 4 bytes. A byte holds values of the four quarters of
    the block, the first in its highest bits. The code of a value is the value plus one.
    """
    if (packed & packed >> 1 & 0b01010101).any():
        raise ValueError("code 3 occurs, which stands for no ternary value")
    quarters = packed.reshape(-1, 1, block // 4) >> torch.tensor([[6], [4], [2], [0]], dtype=torch.uint8)
    return (quarters & 3).to(torch.int8).reshape(shape) - 1
