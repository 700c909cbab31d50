# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""The attention kernels' arithmetic: chunk after chunk of keys, with a running maximum.

What lies between two steps is bfloat16, also where sums are float32. The exponential is either the vector unit's own
or a fast one that errs by 2 %: the program's `exp_approx_mode` asks for it, and the decode kernel takes it anyway for
up to 16 query heads, which it holds in half a tile.
"""

from dataclasses import dataclass

import torch

from ttnn_emulator.arithmetic.formats import nearest_even, round_to_bfloat16, truncate
from ttnn_emulator.arithmetic.sums import products, sum_of_products
from ttnn_emulator.arithmetic.units import matrix_add
from ttnn_emulator.operations.support import store

_SLOPE, _OFFSET = 369.329925537109375, 32500.818359375  # 256 / ln 2, and 256 times an exponent's bias less a correction
_INFINITY = 0x7F80_0000 >> 15


@dataclass(frozen=True)
class Arithmetic:
    """How a program computes: the unit's passes, the width of its sums, the exponential, the factor of the scores,
    and the reciprocal (`math_approx_mode`)."""

    fidelity: str
    wide: bool
    fast_exponential: bool
    scale: float
    short_reciprocal: bool = False

    @property
    def short_scale(self) -> float:
        """By which the kernels multiply the difference of two maxima: the upper 16 bits of the scale."""
        return truncate(torch.tensor(self.scale), 8).item()


@dataclass(frozen=True)
class Partial:
    """Attention over some of the keys: [..., rows, 1] maximum and sum of weights, [..., rows, D] weighted values."""

    maximum: torch.Tensor
    total: torch.Tensor
    values: torch.Tensor

    @staticmethod
    def empty(*shape: int) -> "Partial":
        """Room for partial results whose values have this shape."""
        return Partial(torch.zeros(*shape[:-1], 1), torch.zeros(*shape[:-1], 1), torch.zeros(*shape))

    def of(self, rows: list[int]) -> "Partial":
        return Partial(self.maximum[rows], self.total[rows], self.values[rows])

    def put(self, rows: list[int], part: "Partial") -> None:
        self.maximum[rows], self.total[rows], self.values[rows] = part.maximum, part.total, part.values


def attend(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    mask: torch.Tensor | None,
    how: Arithmetic,
    present: torch.Tensor,
) -> Partial:
    """Over one chunk. Float32 [..., rows, D] and [..., keys, D]; the mask is added to the scores. Keys that are not
    `present` (they fill up a tile) have no weight."""
    scores = pack(sum_of_products(query, key.mT, how.fidelity, how.wide))
    if mask is not None:
        scores = pack(matrix_add(scores, mask, how.wide))
    maximum = scores.where(present, -torch.inf).amax(-1, keepdim=True)
    weights = _exponential(matrix_add(scores, -maximum, how.wide), how).where(present, 0.0)
    # the weights are the first operand, of which HiFi2 multiplies 7 bits
    total = pack(sum_of_products(weights, torch.ones(weights.shape[-1], 1), how.fidelity, how.wide))
    return Partial(maximum, total, pack(sum_of_products(weights, value, how.fidelity, how.wide)))


def merge(first: Partial, second: Partial, how: Arithmetic) -> Partial:
    maximum = torch.maximum(first.maximum, second.maximum)
    parts = (first, second)
    factors = [pack(torch.exp(matrix_add(part.maximum, -maximum, how.wide) * how.short_scale)) for part in parts]
    totals = [_times(part.total, factor, how) for part, factor in zip(parts, factors)]
    values = [_times(part.values, factor, how) for part, factor in zip(parts, factors)]
    return Partial(maximum, pack(matrix_add(*totals, how.wide)), pack(matrix_add(*values, how.wide)))


def join(first: Partial, second: Partial, how: Arithmetic) -> Partial:
    """`merge` of what two cores have: the vector unit takes maxima and sums as they are, and the packer rounds once."""
    maximum = torch.maximum(first.maximum, second.maximum)
    parts = (first, second)
    factors = [store(torch.exp((part.maximum - maximum) * how.short_scale), "exp", how.wide) for part in parts]
    totals = [store(part.total * factor, "multiply", how.wide) for part, factor in zip(parts, factors)]
    values = [_times(part.values, pack(factor), how) for part, factor in zip(parts, factors)]
    return Partial(maximum, pack(totals[0] + totals[1]), pack(matrix_add(*values, how.wide)))


def finish(part: Partial, how: Arithmetic) -> torch.Tensor:
    return _times(part.values, pack(part.total.reciprocal()), how)


def _exponential(difference: torch.Tensor, how: Arithmetic) -> torch.Tensor:
    return pack(fast_exponential(difference, how.scale) if how.fast_exponential else (difference * how.scale).exp())


def fast_exponential(difference: torch.Tensor, scale: float) -> torch.Tensor:
    """A float's bits read as an integer are nearly its logarithm; the packer makes what falls below zero zero."""
    bits = torch.floor(difference * (_SLOPE * scale) + (_OFFSET + 0.5)).clamp(0, _INFINITY).to(torch.int32) << 15
    return bits.view(torch.float32)


def short_exponential(x: torch.Tensor) -> torch.Tensor:
    """e ** x as the vector unit computes it for 16 bits: a parabola, rounded to bfloat16."""
    binary = (x * 1.4426950216 + 127).clamp(0, 255)
    whole = binary.floor()
    rest = binary - whole
    power = torch.ldexp(1.0017248 + rest * (0.6576323 + rest * 0.33718944), whole - 127)
    return torch.where(whole == 0, 0.0, nearest_even(power).float())


def _times(value: torch.Tensor, factor: torch.Tensor, how: Arithmetic) -> torch.Tensor:
    return pack(products(value, factor, how.fidelity, how.wide))


def pack(value: torch.Tensor) -> torch.Tensor:
    return round_to_bfloat16(value).float()
