# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""The arithmetic of the attention kernels: chunk after chunk of keys, with a running maximum.

Values between two steps are bfloat16, also where sums are float32. The exponential is either the vector unit's exact
one or a fast one with an error of 2 %. The program's `exp_approx_mode` asks for the fast one. The decode kernel always
takes the fast one for up to 16 query heads, because these fill only half a tile.
"""

import ctypes
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

import torch

from ttnn_emulator.arithmetic.compute_config import ComputeConfig
from ttnn_emulator.arithmetic.formats import nearest_even, round_to_bfloat16, truncate
from ttnn_emulator.arithmetic.native import function, numbers
from ttnn_emulator.arithmetic.sums import products, worth_threads
from ttnn_emulator.arithmetic.units import matrix_add
from ttnn_emulator.errors import MemoryFault
from ttnn_emulator.operations.support import compute_config, store

_SLOPE, _OFFSET = 369.329925537109375, 32500.818359375  # 256 / ln 2, and 256 times an exponent's bias less a correction
_NO_BLOCK = -(1 << 63)


@dataclass(frozen=True)
class AttentionConfig:
    """How an attention program computes: its compute configuration, the factor of the scores and the exponential."""

    compute: ComputeConfig
    scale: float
    fast_exponential: bool

    @classmethod
    def of(
        cls, size: int, scale: float | None, program_config: Any, compute: Any, always_fast: bool = False
    ) -> "AttentionConfig":
        """Read a call's configurations, for heads of `size` numbers."""
        exact = program_config is not None and program_config.exp_approx_mode is False
        return cls(
            compute_config(compute, "HiFi2", approximate=True),
            size**-0.5 if scale is None else scale,
            always_fast or not exact,
        )

    @property
    def short_scale(self) -> float:
        """The factor of the difference of two maxima: the upper 16 bits of the scale."""
        return truncate(torch.tensor(self.scale), 8).item()


@dataclass(frozen=True)
class Partial:
    """Attention over some of the keys: maxima and sums of weights [..., rows, 1], weighted values [..., rows, D].

    In decode the first dimension counts spans or users, and a row is a head.
    """

    maximum: torch.Tensor
    total: torch.Tensor
    values: torch.Tensor

    def of(self, rows: list[int]) -> "Partial":
        """Return the rows of the first dimension with these numbers."""
        return Partial(self.maximum[rows], self.total[rows], self.values[rows])

    def split(self, counts: list[int]) -> list["Partial"]:
        """Split the first dimension into parts of these sizes."""
        parts = zip(*(tensor.split(counts) for tensor in (self.maximum, self.total, self.values)))
        return [Partial(*part) for part in parts]

    def put(self, rows: list[int], part: "Partial") -> None:
        """Replace the rows of the first dimension with these numbers."""
        self.maximum[rows], self.total[rows], self.values[rows] = part.maximum, part.total, part.values


@dataclass(frozen=True)
class Cache:
    """A paged cache: keys and values [blocks, kv heads, block, D], and the page table [users, blocks of a user]."""

    keys: torch.Tensor
    values: torch.Tensor
    table: torch.Tensor


def attend(
    query: torch.Tensor,
    cache: Cache,
    spans: Sequence[tuple[int, int, int]],
    mask: torch.Tensor | None,
    config: AttentionConfig,
) -> Partial:
    """Attend with a query [users, heads, D] over each span (`native/attention.h`).

    A span is a user, the first position and the one after the last. The mask [users or fewer, heads, positions] is
    added to the scores.
    """
    query, keys, values, table = (tensor.contiguous() for tensor in (query, cache.keys, cache.values, cache.table))
    heads, longest = query.shape[1], max(last - first for _, first, last in spans)
    threads = worth_threads(len(spans) * heads * longest * keys.shape[3])
    places = (table, table.shape[1], numbers(list(chain.from_iterable(spans))), len(spans), longest)
    settings = (config.compute.phases, config.compute.wide, threads)
    added = (None, False, 0, 0)
    if keys.shape[:3] != values.shape[:3] or len(table) < len(query) or heads % keys.shape[1]:
        raise ValueError(f"{len(query)} users' {heads} heads, and the cache {list(keys.shape)}, {list(values.shape)}")
    if mask is not None:
        if mask.shape[1] != heads or mask.shape[2] < max(last for _, _, last in spans):
            raise ValueError(f"the mask {list(mask.shape)} does not cover all heads and positions")
        mask = mask.contiguous()
        added = (mask, mask.dtype == torch.float32, mask.shape[0], mask.shape[-1])

    differences, missing = torch.empty(len(spans), heads, longest), ctypes.c_int64()
    maximum, total = torch.empty(len(spans), heads, 1), torch.empty(len(spans), heads, 1)
    function("attention_scores")(
        *(differences, maximum, ctypes.byref(missing), query, query.dtype == torch.float32, heads),
        *(keys, keys.dtype == torch.float32, *keys.shape, *places, *added, *settings),
    )
    if missing.value != _NO_BLOCK:
        raise MemoryFault(f"the page table names block {missing.value} of {keys.shape[0]}")
    weights = round_to_bfloat16(_exponential(differences, config))
    result = torch.empty(len(spans), heads, values.shape[3])
    function("attention_values")(
        *(total, result, weights, heads, values, values.dtype == torch.float32, *values.shape[1:]),
        *(*places, *settings),
    )
    return Partial(maximum, total, result)


def merge(first: Partial, second: Partial, config: AttentionConfig) -> Partial:
    """Merge attention over two sets of keys on one core: the matrix unit adds."""
    maximum = torch.maximum(first.maximum, second.maximum)
    parts = (first, second)
    factors = [
        pack(torch.exp(matrix_add(part.maximum, -maximum, config.compute.wide) * config.short_scale)) for part in parts
    ]
    totals = [_times(part.total, factor, config) for part, factor in zip(parts, factors)]
    values = [_times(part.values, factor, config) for part, factor in zip(parts, factors)]
    return Partial(
        maximum, pack(matrix_add(*totals, config.compute.wide)), pack(matrix_add(*values, config.compute.wide))
    )


def join(first: Partial, second: Partial, config: AttentionConfig) -> Partial:
    """Merge attention of two cores: the vector unit computes the sums of weights, and the packer rounds them once."""
    maximum = torch.maximum(first.maximum, second.maximum)
    parts = (first, second)
    factors = [
        store(torch.exp((part.maximum - maximum) * config.short_scale), "exp", config.compute.wide) for part in parts
    ]
    totals = [store(part.total * factor, "multiply", config.compute.wide) for part, factor in zip(parts, factors)]
    values = [_times(part.values, pack(factor), config) for part, factor in zip(parts, factors)]
    return Partial(maximum, pack(totals[0] + totals[1]), pack(matrix_add(*values, config.compute.wide)))


def finish(part: Partial, config: AttentionConfig) -> torch.Tensor:
    """Divide the weighted values by the sums of weights."""
    return _times(part.values, pack(part.total.reciprocal()), config)


def _exponential(difference: torch.Tensor, config: AttentionConfig) -> torch.Tensor:
    return fast_exponential(difference, config.scale) if config.fast_exponential else (difference * config.scale).exp()


def fast_exponential(difference: torch.Tensor, scale: float) -> torch.Tensor:
    """Return e ** (difference * scale) by the fast exponential (`native/attention.h`)."""
    difference = difference.contiguous()
    result = torch.empty_like(difference)
    function("attention_fast_exponential")(difference, result, result.numel(), _SLOPE * scale, _OFFSET + 0.5)
    return result


def short_exponential(x: torch.Tensor) -> torch.Tensor:
    """Return e ** x as the vector unit computes it for 16 bits: by a parabola, rounded to bfloat16."""
    binary = (x * 1.4426950216 + 127).clamp(0, 255)
    whole = binary.floor()
    rest = binary - whole
    power = torch.ldexp(1.0017248 + rest * (0.6576323 + rest * 0.33718944), whole - 127)
    return torch.where(whole == 0, 0.0, nearest_even(power).float())


def _times(value: torch.Tensor, factor: torch.Tensor, config: AttentionConfig) -> torch.Tensor:
    return pack(products(value, factor, config.compute))


def pack(value: torch.Tensor) -> torch.Tensor:
    """Return float32 values rounded to bfloat16 by the packer."""
    return round_to_bfloat16(value).float()
