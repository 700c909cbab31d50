# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""Attention of one new token of each user over a cache.

Only the positions that a user needs are read. The wheel's golden functions gather the whole cache.
"""

from typing import Any

import torch

from ttnn_emulator.device.registry import value
from ttnn_emulator.errors import MemoryFault
from ttnn_emulator.operations.flash import AttentionConfig, Cache, Partial, attend, finish, join, merge
from ttnn_emulator.operations.kv_cache import signed

_TILE = 32
_HALF_TILE = 16  # rows
_LONGEST = 512  # keys of a chunk: the library's choice where there is no program config
_TILES_WIDE, _TILES_NARROW = 4, 8  # tiles of scores that the destination register holds, with 32 and with 16 bits


@value("transformer.scaled_dot_product_attention_decode")
def scaled_dot_product_attention_decode(
    input_tensor_q: torch.Tensor,
    input_tensor_k: torch.Tensor,
    input_tensor_v: torch.Tensor,
    *,
    is_causal: bool = True,
    attn_mask: torch.Tensor | None = None,
    cur_pos: Any = (),
    cur_pos_tensor: torch.Tensor | None = None,
    attention_sink: torch.Tensor | None = None,
    scale: float | None = None,
    sliding_window_size: int | None = None,
    share_cache: bool | None = None,
    program_config: Any = None,
    compute_kernel_config: Any = None,
) -> torch.Tensor:
    """Attend with q [1, users, heads, D] over caches [users or 1, kv heads, S, D] -> [1, users, heads, D]."""
    users = input_tensor_q.shape[1]
    own = torch.zeros(users, dtype=torch.int64) if share_cache or len(input_tensor_k) == 1 else torch.arange(users)
    cache = Cache(input_tensor_k, input_tensor_v, own.unsqueeze(1))  # one block for each user
    positions = _positions(is_causal, cur_pos, cur_pos_tensor, users, input_tensor_k.shape[2])
    config = _config(input_tensor_q, is_causal, scale, program_config, compute_kernel_config)
    return _decode(
        input_tensor_q, cache, positions, attn_mask, attention_sink, sliding_window_size, program_config, config
    )


@value("transformer.paged_scaled_dot_product_attention_decode")
def paged_scaled_dot_product_attention_decode(
    input_tensor_q: torch.Tensor,
    input_tensor_k: torch.Tensor,
    input_tensor_v: torch.Tensor,
    page_table_tensor: torch.Tensor,
    *,
    is_causal: bool = True,
    attn_mask: torch.Tensor | None = None,
    cur_pos_tensor: torch.Tensor | None = None,
    attention_sink: torch.Tensor | None = None,
    scale: float | None = None,
    sliding_window_size: int | None = None,
    program_config: Any = None,
    compute_kernel_config: Any = None,
) -> torch.Tensor:
    """Attend over caches [blocks, kv heads, block, D] with a page table [users, blocks of a user]."""
    length = page_table_tensor.shape[-1] * input_tensor_k.shape[2]
    positions = _positions(is_causal, (), cur_pos_tensor, input_tensor_q.shape[1], length)
    config = _config(input_tensor_q, is_causal, scale, program_config, compute_kernel_config)
    _check_chunks(max(positions), length, program_config, config.compute.wide)
    cache = Cache(input_tensor_k, input_tensor_v, page_table_tensor)
    return _decode(
        input_tensor_q, cache, positions, attn_mask, attention_sink, sliding_window_size, program_config, config
    )


def _positions(
    is_causal: bool, cur_pos: Any, cur_pos_tensor: torch.Tensor | None, users: int, length: int
) -> list[int]:
    """Return each user's last position, or -1 to skip the user. Attention that is not causal reads all positions."""
    if is_causal and cur_pos_tensor is not None:
        return signed(cur_pos_tensor.flatten().tolist())[:users]
    if is_causal and len(cur_pos):
        return list(cur_pos)[:users]
    return [length - 1] * users


def _chunk(position: int, program_config: Any, wide: bool) -> int:
    """Return how many keys the kernel takes at a time."""
    size = _LONGEST if program_config is None else program_config.k_chunk_size
    most = _TILES_WIDE if wide else _TILES_NARROW
    return size or _TILE * min(1 << (position // _TILE).bit_length(), most)  # 0: the power of two that holds all tiles


def _check_chunks(position: int, length: int, program_config: Any, wide: bool) -> None:
    """Refuse chunks that reach past the page table: the kernel would take other memory there for block numbers."""
    if position < 0 or program_config is None:  # then the library has chosen a chunk by the table's length
        return
    chunk = _chunk(position, program_config, wide)
    needed = -(-(position + 1) // chunk) * chunk
    if needed > length:
        raise MemoryFault(
            f"position {position} is read in chunks of {chunk} keys, up to {needed}; the page table ends at {length}: "
            "give it columns for whole chunks, or choose a smaller k_chunk_size"
        )


def _config(
    query: torch.Tensor, is_causal: bool, scale: float | None, program_config: Any, compute: Any
) -> AttentionConfig:
    heads, size = query.shape[2:]
    half_tile = is_causal and heads <= _HALF_TILE and query.dtype == torch.bfloat16
    return AttentionConfig.of(size, scale, program_config, compute, always_fast=half_tile)


def _decode(
    query: torch.Tensor,
    cache: Cache,
    positions: list[int],
    mask: torch.Tensor | None,
    sink: torch.Tensor | None,
    window: int | None,
    program_config: Any,
    config: AttentionConfig,
) -> torch.Tensor:
    """Attend over the chunks of all users, then join the chunks of each user one after the other.

    The kernel joins the chunks of its cores as a tree. A skipped user gets zeros, where a card leaves memory as it was.
    """
    heads, length = query.shape[2], cache.table.shape[1] * cache.keys.shape[2]
    if max(positions) >= length:
        raise MemoryFault(f"position {max(positions)} lies beyond the cache's {length}")
    chunks = {user: _spans(position, window, program_config, config) for user, position in enumerate(positions)}
    busy = [user for user, own in chunks.items() if own]
    if not busy:
        return torch.zeros(query.shape)
    # the kernel counts users along the mask's first dimension, so a mask [1, users, heads, S] has one user's for all
    masks = None if mask is None else mask[:, 0]
    most = max(map(len, chunks.values()))
    steps = [[(user, *chunks[user][number]) for user in busy if number < len(chunks[user])] for number in range(most)]
    read = attend(query[0], cache, [span for step in steps for span in step], masks, config)
    part, *others = read.split([len(step) for step in steps])
    for step, other in zip(steps[1:], others):
        rows = [busy.index(user) for user, _, _ in step]
        part.put(rows, join(part.of(rows), other, config))
    if sink is not None:  # the first column has one value for each head: a score before scaling
        sinks = sink.reshape(-1, heads, sink.shape[-1])[..., :1].float()
        score = sinks[[user % len(sinks) for user in busy]]
        part = merge(part, Partial(score, torch.ones_like(score), torch.zeros_like(part.values)), config)
    finished = finish(part, config)
    if len(busy) == len(positions):
        return finished.unsqueeze(0)
    result = torch.zeros(query.shape)
    result[0, busy] = finished
    return result


def _spans(position: int, window: int | None, program_config: Any, config: AttentionConfig) -> list[tuple[int, int]]:
    """Return the first position and the end (exclusive) of each chunk that the kernel takes."""
    if position < 0:
        return []
    chunk = _chunk(position, program_config, config.compute.wide)
    first = 0 if window is None else max(0, position + 1 - window)
    starts = range(first - first % chunk, position + 1, chunk)
    return [(max(first, start), min(start + chunk, position + 1)) for start in starts]
