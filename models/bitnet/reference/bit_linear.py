# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0

"""BitLinear: a linear layer with ternary weights and int8 activations.

    s = 127 / max(|x|)          one scale for each token (row of x)
    q = round(x * s)            int8
    y = (q @ W^T) * (w / s)     W in {-1, 0, +1}, w one positive number for the whole matrix

The product q @ W^T is a sum of integers. It has one right answer, whatever the order of the additions. Every other
implementation in the project is measured against this definition.
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

    `master` is approximately ternary * w. `master` is multiplied by 1 / w, as in training, and not divided by w: the
    two can differ for a value next to a rounding boundary.
    """
    master = master.float()
    w = master.abs().mean().clamp(min=1e-5)
    ternary = (master * (1.0 / w)).round().clamp(-1, 1).to(torch.int8)
    return ternary, w


def integer_matmul(q: torch.Tensor, ternary: torch.Tensor) -> torch.Tensor:
    """q [..., in] int8 times ternary [out, in] int8, transposed: exact int32 [..., out].

    The product is computed in float32, for which torch has fast routines. Every partial sum is an integer of at most
    128 * in < 2^24. float32 holds all these integers, so no addition rounds.
    """
    assert 128 * q.shape[-1] < 2**24, "the sums would not fit float32 exactly"
    return (q.float() @ ternary.float().T).to(torch.int32)


class BitLinear:
    """One projection with the weight `<prefix>.weight` [out, in].

    A full-precision weight is quantised here. An int8 weight is already ternary, and `<prefix>.weight_scale` multiplies
    it.
    """

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
