# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0

"""The bit and row work on ternary matrices: quantising, two-bit packing, and the row orders the device wants."""

import torch


def ternarise(master: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """A full-precision matrix [out, in] -> (int8 in {-1, 0, +1}, float32 0-d scale that multiplies it).

    The scale is the mean magnitude. Multiplying by its reciprocal, as in training, decides values next to a boundary.
    """
    master = master.float()
    scale = master.abs().mean().clamp(min=1e-5)
    return (master * (1.0 / scale)).round_().clamp_(-1, 1).to(torch.int8), scale


def is_ternary(weight: torch.Tensor) -> bool:
    """True if every value is -1, 0 or +1 (NaN is none of these)."""
    return bool(((weight == 0) | (weight.abs() == 1)).all())


def pack_ternary(weight: torch.Tensor) -> torch.Tensor:
    """Ternary int8 [out, in] -> uint8 [out / 4, in], four values a byte, as in the published checkpoints.

    Bits 2i and 2i+1 of row r hold row i * out / 4 + r, as its value plus one.
    """
    if weight.shape[0] % 4 != 0:
        raise ValueError(f"{weight.shape[0]} rows do not pack four to a byte")
    if not is_ternary(weight):
        raise ValueError("values other than -1, 0 and +1 do not pack")
    a, b, c, d = (weight + 1).to(torch.uint8).chunk(4)
    return a | b << 2 | c << 4 | d << 6


def unpack_ternary(packed: torch.Tensor) -> torch.Tensor:
    """uint8 [out / 4, in] -> ternary int8 [out, in]; the inverse of pack_ternary."""
    if (packed & packed >> 1 & 0b01010101).any():
        raise ValueError("packed data contains code 3, which stands for no ternary value")
    return torch.cat([packed >> shift & 3 for shift in (0, 2, 4, 6)]).to(torch.int8) - 1


def permute_rows_for_device_rope(weight: torch.Tensor, num_heads: int, head_dim: int) -> torch.Tensor:
    """Reorder the rows of Q or K, [num_heads * head_dim, ...], for a rotation of adjacent pairs.

    Hugging Face rotates feature i of a head with feature i + head_dim / 2; the device's kernel rotates 2i with 2i + 1.
    Applied to both Q and K (and to nothing else) this leaves every attention score as it was.
    """
    halves = weight.reshape(num_heads, 2, head_dim // 2, *weight.shape[1:])
    return halves.transpose(1, 2).reshape(weight.shape)


def fuse_qkv(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, kv_heads: int, chips: int = 1) -> torch.Tensor:
    """One matrix: for each chip its rows of q, then k, then v. Ternary values only: each part keeps a scale of its own.

    A chip has whole groups (a key and value head, and the query heads that read it), all chips as many; groups of zeros
    fill the last ones up, whose heads attend to nothing and give exactly zero.
    """
    groups = -(-kv_heads // chips) * chips

    def shares(rows: torch.Tensor) -> tuple[torch.Tensor, ...]:
        missing = (groups - kv_heads) * (len(rows) // kv_heads)
        return torch.nn.functional.pad(rows, (0, 0, 0, missing)).chunk(chips)

    return torch.cat([part for chip in zip(shares(q), shares(k), shares(v)) for part in chip])
