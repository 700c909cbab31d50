# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""This module counts what an operation touches in DRAM where that is not all of its inputs and results.

A table look-up reads the rows it was asked for, a slice its own pages, a cache update one tile row a head, decode
attention the tiles up to each user's position. The rules use the values of the run (positions, indices), so they follow
a growing context.
"""

from dataclasses import dataclass
from typing import Any

import torch

import ttnn
from ttnn_emulator.device.slot import Slot
from ttnn_emulator.device.step import Step

_TILE = 32


@dataclass(frozen=True)
class Traffic:
    """The bytes and floating-point operations of one run of an operation."""

    dram_read: int
    dram_written: int
    flops: int = 0


def of(step: Step) -> Traffic | None:
    """Return the traffic of a step that was just run, or None where it is all inputs and all results."""
    rule = _RULES.get(step.name)
    return rule(_Arguments(step)) if rule else None


class _Arguments:
    """Finds a step's arguments by name or position."""

    def __init__(self, step: Step):
        self._step = step
        self.results = step.results

    def get(self, name: str, position: int | None = None) -> Any:
        if name in self._step.kwargs:
            return self._step.kwargs[name]
        args = self._step.args
        return args[position] if position is not None and position < len(args) else None


def _size(slot: Slot | None) -> int:
    return slot.size if isinstance(slot, Slot) and slot.buffer.key[1] == ttnn.BufferType.DRAM else 0


def _row_bytes(cache: Slot) -> float:
    """Return the bytes of one token's row of one head, block floats included, from the tensor's whole size."""
    return cache.size / torch.Size(cache.shape[:-1]).numel()


def _embedding(arguments: _Arguments) -> Traffic:
    indices, table = arguments.get("input_tensor", 0), arguments.get("weight", 1)
    rows = torch.Size(indices.shape).numel()
    read = _size(indices) + round(rows * _row_bytes(table))
    return Traffic(read, _size(arguments.results[0]))


def _slice(arguments: _Arguments) -> Traffic:
    """Count the pages that make up the result, as it is no larger in its source."""
    source, result = arguments.get("input_tensor", 0), arguments.results[0]
    return Traffic(min(_size(source), result.size), _size(result))


def _positions(arguments: _Arguments, cache: Slot, tensor: str, plain: str, users: int) -> list[int]:
    slot, listed = arguments.get(tensor), arguments.get(plain)
    if isinstance(slot, Slot):
        return [int(position) for position in slot.buffer.read(0, slot.shape).flatten()]
    return list(listed) if listed else [cache.shape[-2] - 1] * users


def _decode_attention(paged: bool):
    def rule(arguments: _Arguments) -> Traffic:
        query, key, value = (arguments.get(f"input_tensor_{n}", i) for i, n in enumerate("qkv"))
        positions = _positions(arguments, key, "cur_pos_tensor", "cur_pos", query.shape[1])
        tokens = sum(-(-(position + 1) // _TILE) * _TILE for position in positions if position >= 0)
        read = sum(round(tokens * cache.shape[1] * _row_bytes(cache)) for cache in (key, value))
        page_table = arguments.get("page_table_tensor", 3) if paged else None
        side = _size(page_table) + _size(arguments.get("cur_pos_tensor")) + _size(arguments.get("attn_mask"))
        flops = 4 * tokens * query.shape[-2] * query.shape[-1]
        return Traffic(read + side + _size(query), _size(arguments.results[0]), flops)

    return rule


def _update_cache(caches: tuple[tuple[str, int, str, int], ...]):
    def rule(arguments: _Arguments) -> Traffic:
        read = written = 0
        for cache_name, at, input_name, input_at in caches:
            cache, rows = arguments.get(cache_name, at), arguments.get(input_name, input_at)
            # a kernel reads the tile row that holds the position, changes one line, and writes it back
            touched = round(rows.shape[1] * cache.shape[1] * _TILE * _row_bytes(cache))
            read, written = read + touched + _size(rows), written + touched
        read += sum(_size(arguments.get(name)) for name in ("page_table", "update_idxs_tensor"))
        return Traffic(read, written)

    return rule


def _fill_cache(arguments: _Arguments) -> Traffic:
    cache, rows = arguments.get("cache_tensor", 0), arguments.get("input_tensor", 1)
    written = round(torch.Size(rows.shape[:-1]).numel() * _row_bytes(cache))
    return Traffic(_size(rows) + _size(arguments.get("page_table", 2)), written)


def _chunked_attention(arguments: _Arguments) -> Traffic:
    query, key, value = (arguments.get(f"input_tensor_{n}", i) for i, n in enumerate("qkv"))
    start = arguments.get("chunk_start_idx", 4) or 0
    tokens = query.shape[0] * (start + query.shape[2])
    read = sum(round(tokens * cache.shape[1] * _row_bytes(cache)) for cache in (key, value))
    flops = 4 * tokens * query.shape[1] * query.shape[2] * query.shape[3]
    return Traffic(read + _size(query), _size(arguments.results[0]), flops)


def _prefill_attention(arguments: _Arguments) -> Traffic:
    query, key, value = (arguments.get(f"input_tensor_{n}", i) for i, n in enumerate("qkv"))
    batch, heads, length, width = query.shape
    flops = 4 * batch * heads * length * key.shape[-2] * width
    return Traffic(_size(query) + _size(key) + _size(value), _size(arguments.results[0]), flops)


_ONE_CACHE = (("cache_tensor", 0, "input_tensor", 1),)
_TWO_CACHES = (("cache_tensor1", 0, "input_tensor1", 1), ("cache_tensor2", 2, "input_tensor2", 3))
_RULES = {
    "ttnn.embedding": _embedding,
    "ttnn.slice": _slice,
    "ttnn.transformer.scaled_dot_product_attention": _prefill_attention,
    "ttnn.transformer.chunked_scaled_dot_product_attention": _chunked_attention,
    "ttnn.transformer.scaled_dot_product_attention_decode": _decode_attention(paged=False),
    "ttnn.transformer.paged_scaled_dot_product_attention_decode": _decode_attention(paged=True),
    "ttnn.experimental.paged_update_cache": _update_cache(_ONE_CACHE),
    "ttnn.experimental.paged_fused_update_cache": _update_cache(_TWO_CACHES),
    "ttnn.experimental.paged_fill_cache": _fill_cache,
}
