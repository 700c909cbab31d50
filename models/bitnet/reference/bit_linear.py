# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0

"""BitLinear: a linear layer with ternary weights and int8 activations, both with one scale a row or matrix.

    s = 127 / max(|x|)          one scale for each token (row of x)
    q = round(x * s)            int8
    y = (q @ W^T) * (w / s)     W in {-1, 0, +1}, w one positive number for the whole matrix

The product q @ W^T is a sum of integers and has one right answer, whatever the order of the additions. This is the
definition that every other implementation in the project is measured against.
"""

from collections.abc import Mapping

import torch


def quantise_activation(x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Quantise each row of x ([..., features], float32) to int8 with its own scale.

    Returns (q int8 of x's shape, s float32 of shape [..., 1]); x is approximately q / s. Halves round to even.
    """
    x = x.float()
    s = 127.0 / x.abs().amax(dim=-1, keepdim=True).clamp(min=1e-5)
    q = (x * s).round().clamp(-128, 127).to(torch.int8)
    return q, s


def quantise_weight(master: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Quantise a full-precision matrix [out, in] to ternary int8 and its scale w (float32, 0-d).

    The master is approximately ternary * w. It is multiplied by 1 / w, not divided by w, as the model was trained:
    on a value that falls next to a rounding boundary the two can differ.
    """
    master = master.float()
    w = master.abs().mean().clamp(min=1e-5)
    ternary = (master * (1.0 / w)).round().clamp(-1, 1).to(torch.int8)
    return ternary, w


def integer_matmul(q: torch.Tensor, ternary: torch.Tensor) -> torch.Tensor:
    """q [..., in] int8 times ternary [out, in] int8, transposed: exact int32 [..., out].

    The product is taken in float32, which torch has fast routines for. Every partial sum is an integer of at most
    128 * in < 2^24, float32 holds all of those, and so no addition rounds.
    """
    assert 128 * q.shape[-1] < 2**24, "the sums would not fit float32 exactly"
    return (q.float() @ ternary.float().T).to(torch.int32)


class BitLinear:
    """One projection, from `<prefix>.weight`: either full precision [out, in], quantised here, or already ternary
    int8 [out, in] with `<prefix>.weight_scale`, which multiplies."""

    def __init__(self, state: Mapping[str, torch.Tensor], prefix: str) -> None:
        weight = state[f"{prefix}.weight"]
        if weight.dtype == torch.int8:
            self.ternary, self.scale = weight, state[f"{prefix}.weight_scale"].float().reshape(())
        else:
            self.ternary, self.scale = quantise_weight(weight)

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        """x: [..., in] float32 -> [..., out] float32."""
        q, s = quantise_activation(x)
        return integer_matmul(q, self.ternary).float() * (self.scale / s)
