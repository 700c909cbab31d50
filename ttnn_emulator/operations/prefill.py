# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""The arithmetic of attention over whole sequences: for each chunk of queries, chunk after chunk of keys.

Maxima, factors and weighted values are bfloat16 between two steps. Scores, weights and sums have the width of the
destination register. A sum of weights is kept as 32 partial sums, one for each column of a tile, until the end. With a
16-bit register another kernel runs, and its exponential is always the fast one.
"""

from collections.abc import Callable

import torch

from ttnn_emulator.arithmetic.formats import nearest_even, truncate
from ttnn_emulator.arithmetic.sums import products, sum_of_products
from ttnn_emulator.arithmetic.units import matrix_add
from ttnn_emulator.operations.flash import AttentionConfig, Partial, fast_exponential, pack, short_exponential

# (queries, keys) -> what is added to their scores, or None
Mask = Callable[[slice, slice], torch.Tensor | None]
_TILE = 32
_FIRST_ROWS, _KEYS_AT_ONCE = 2 * _TILE, 4 * _TILE  # in the kernel with a 16-bit register: see `_weigh`


def prefill(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    mask: Mask,
    sink: torch.Tensor | None,
    start: int | None,
    chunks: tuple[int, int],
    config: AttentionConfig,
) -> torch.Tensor:
    """Attend with a query [B, heads, S, D] over keys and values [B, kv heads, K, D], all float32, K a multiple of 32.

    `sink` is [1, heads, 1, 1]. `start` is the first query's position where attention is causal, else None. `chunks`
    are the numbers of queries and of keys that the kernel takes at a time.
    """
    rows, keys = chunks
    length = key.shape[2]
    results = []
    for first in range(0, query.shape[2], rows):
        queries = slice(first, min(first + rows, query.shape[2]))
        part = None
        for place in range(0, length if start is None else min(start + first + rows, length), keys):
            span = slice(place, min(place + keys, length))
            hidden = mask(queries, span)
            part = _attend(query[:, :, queries], key[:, :, span], value[:, :, span], hidden, part, config)
        results.append(_finish(part, sink, config))
    return torch.cat(results, 2)


def _attend(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    mask: torch.Tensor | None,
    before: Partial | None,
    config: AttentionConfig,
) -> Partial:
    scores = _hold(_product(query, key.mT, config), config)
    if mask is not None:
        scores = _add(scores, mask, config)
    maximum = truncate(scores.amax(-1, keepdim=True), 8)
    if before is not None:
        maximum = torch.maximum(maximum, before.maximum)
    weights = _exponential(matrix_add(scores, -maximum, config.compute.wide), config)
    total, *tiles = weights.split(_TILE, -1)
    for tile in tiles:
        total = total + tile if config.compute.wide else nearest_even(total + tile).float()
    values = _weigh(weights, value, config)
    if before is None:
        return Partial(maximum, total, values)
    factor = _factor(matrix_add(before.maximum, -maximum, config.compute.wide), config)
    total = _add(total, _hold(_times(before.total, factor, config), config), config)
    return Partial(maximum, total, nearest_even(values + pack(_times(before.values, factor, config))).float())


def _weigh(weights: torch.Tensor, value: torch.Tensor, config: AttentionConfig) -> torch.Tensor:
    """Multiply weights by values. With 16 bits the kernel adds products of 128 keys in memory for the first rows."""
    if config.compute.wide or weights.shape[-1] <= _KEYS_AT_ONCE:
        return pack(_product(weights, value, config))
    first, others = weights[:, :, :_FIRST_ROWS], weights[:, :, _FIRST_ROWS:]
    total, *steps = [
        pack(_product(part, keys, config))
        for part, keys in zip(first.split(_KEYS_AT_ONCE, -1), value.split(_KEYS_AT_ONCE, 2))
    ]
    for step in steps:
        total = nearest_even(total + step).float()
    return torch.cat([total, pack(_product(others, value, config))], 2)


def _finish(part: Partial, sink: torch.Tensor | None, config: AttentionConfig) -> torch.Tensor:
    total = _hold(sum_of_products(part.total, torch.ones(_TILE, 1), config.compute), config)
    values = part.values
    if sink is not None and config.compute.wide:
        maximum = torch.maximum(part.maximum, sink)
        factor = _factor(matrix_add(part.maximum, -maximum, True), config)
        more = _exponential(matrix_add(sink, -maximum, True), config)
        total = matrix_add(more, _times(total, factor, config), True)
        values = pack(_times(values, factor, config))
    elif sink is not None:
        total = truncate(total + _factor(matrix_add(sink, -part.maximum, False), config), 8)
    return pack(_times(values, _reciprocal(total, config), config))


def _exponential(difference: torch.Tensor, config: AttentionConfig) -> torch.Tensor:
    if config.compute.wide:
        return (
            fast_exponential(difference, config.scale)
            if config.fast_exponential
            else torch.exp(difference * config.scale)
        )
    return truncate(fast_exponential(difference, config.scale), 8)


def _factor(difference: torch.Tensor, config: AttentionConfig) -> torch.Tensor:
    """Return e ** (difference of maxima). A 16-bit register has one of two parabolas, which often differ by a bit."""
    exponent = difference * config.short_scale
    if config.compute.wide:
        return pack(torch.exp(exponent))
    if config.fast_exponential:
        return short_exponential(exponent)
    exponent = exponent.clamp_min(-87.0)
    whole = torch.round(exponent * 1.44269504)
    rest = exponent - whole * 0.69314718
    power = 0.9998487929 + rest * (1.015087601 + rest * 0.5062836706)
    return nearest_even(torch.ldexp(power, whole)).float()


def _reciprocal(total: torch.Tensor, config: AttentionConfig) -> torch.Tensor:
    total = truncate(total, 11)
    if not config.compute.approximate:
        return total.reciprocal() if config.compute.wide else nearest_even(total.reciprocal()).float()
    # one step of Newton's method from a parabola, not rounded
    mantissa, exponent = torch.frexp(total)
    mantissa = 2 * mantissa
    guess = 2.1212124825 - mantissa * (1.4545459747 - 0.3232325017 * mantissa)
    result = torch.ldexp(guess + guess * (1 - mantissa * guess), 1 - exponent)
    return result if config.compute.wide else truncate(result, 8)


def _product(a: torch.Tensor, b: torch.Tensor, config: AttentionConfig) -> torch.Tensor:
    """Return [B, heads, M, K] @ [B, kv heads, K, N], where each head of b serves a group of heads of a."""
    grouped = a.reshape(*b.shape[:2], -1, a.shape[-1])
    return sum_of_products(grouped, b, config.compute).reshape(*a.shape[:-1], -1)


def _add(a: torch.Tensor, b: torch.Tensor, config: AttentionConfig) -> torch.Tensor:
    """Add by the matrix unit. The kernel with a 16-bit register adds in memory."""
    return matrix_add(a, b, True) if config.compute.wide else nearest_even(a + b).float()


def _times(a: torch.Tensor, b: torch.Tensor, config: AttentionConfig) -> torch.Tensor:
    return products(a, b, config.compute)


def _hold(value: torch.Tensor, config: AttentionConfig) -> torch.Tensor:
    return value if config.compute.wide else pack(value)
