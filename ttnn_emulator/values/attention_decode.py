# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""Attention of one new token a user over a cache.

User by user, reading only the positions that the user needs: what is read then stays in the CPU's caches, and the
wheel's golden functions gather everything. Scores, softmax and sums are float32 whatever the compute configuration
says.
"""

from collections.abc import Callable
from typing import Any

import torch

from ttnn_emulator.errors import MemoryFault
from ttnn_emulator.registry import value
from ttnn_emulator.values.kv_cache import read_blocks, signed

_TILE = 32


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
) -> torch.Tensor:
    """q [1, users, heads, D], caches [users or 1, kv heads, S, D] -> [1, users, heads, D]."""
    caches = (input_tensor_k, input_tensor_v)
    alone = share_cache or input_tensor_k.shape[0] == 1

    def read(user: int, first: int, last: int) -> list[torch.Tensor]:
        return [cache[0 if alone else user, :, first:last].float() for cache in caches]

    positions = _positions(is_causal, cur_pos, cur_pos_tensor, input_tensor_q.shape[1], input_tensor_k.shape[2])
    return _decode(input_tensor_q, read, positions, attn_mask, attention_sink, scale, sliding_window_size)


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
) -> torch.Tensor:
    """The same over caches [blocks, kv heads, block, D] and a page table [users, blocks of a user]."""
    caches = (input_tensor_k, input_tensor_v)

    def read(user: int, first: int, last: int) -> list[torch.Tensor]:
        return [read_blocks(cache, page_table_tensor[user], first, last) for cache in caches]

    length = page_table_tensor.shape[-1] * input_tensor_k.shape[2]
    positions = _positions(is_causal, (), cur_pos_tensor, input_tensor_q.shape[1], length)
    if program_config is not None:  # else the library has chosen a chunk by the table's length
        _check_chunks(max(positions), length, program_config.k_chunk_size)
    return _decode(input_tensor_q, read, positions, attn_mask, attention_sink, scale, sliding_window_size)


def _check_chunks(position: int, length: int, chunk: int) -> None:
    """The kernel reads whole chunks of keys. Past the page table it takes what lies there for a block's number."""
    if not chunk:  # the kernel's choice: the power of two that holds all tiles, 8 at most
        chunk = _TILE * min(1 << (position // _TILE).bit_length(), 8)
    needed = -(-(position + 1) // chunk) * chunk
    if position >= 0 and needed > length:
        raise MemoryFault(
            f"position {position} is read in chunks of {chunk} keys, up to {needed}; the page table ends at {length}: "
            "give it columns for whole chunks, or choose a smaller k_chunk_size"
        )


def _positions(
    is_causal: bool, cur_pos: Any, cur_pos_tensor: torch.Tensor | None, users: int, length: int
) -> list[int]:
    """Each user's last position, or -1 to skip the user. Without a causal mask everything is read."""
    if is_causal and cur_pos_tensor is not None:
        return signed(cur_pos_tensor.flatten()[:users]).tolist()
    if is_causal and len(cur_pos):
        return list(cur_pos)[:users]
    return [length - 1] * users


def _decode(
    query: torch.Tensor,
    read: Callable[[int, int, int], list[torch.Tensor]],
    positions: list[int],
    mask: torch.Tensor | None,
    sink: torch.Tensor | None,
    scale: float | None,
    window: int | None,
) -> torch.Tensor:
    """`read(user, first, last)` gives keys and values. A skipped user gets zeros; a card leaves memory as it was."""
    heads, size = query.shape[2:]
    scale = size**-0.5 if scale is None else scale
    queries = query[0].float() * scale
    masks = None if mask is None else mask.reshape(-1, heads, mask.shape[-1])  # of each user, or one for all
    # one value a head, in the first column; it is a score before scaling
    sinks = None if sink is None else sink.reshape(-1, heads, sink.shape[-1])[..., :1].float() * scale
    result = torch.zeros(queries.shape)
    for user, position in enumerate(positions):
        if position < 0:
            continue
        first = 0 if window is None else max(0, position + 1 - window)
        key, val = read(user, first, position + 1)
        scores = (queries[user].unflatten(0, (len(key), -1)) @ key.mT).flatten(0, 1)  # [heads, keys]
        if masks is not None:
            scores = scores + masks[user % len(masks), :, first : position + 1].float()
        if sinks is not None:
            scores = torch.cat([scores, sinks[user % len(sinks)]], -1)
        weights = torch.softmax(scores, -1)[:, : key.shape[1]]
        result[user] = (weights.unflatten(0, (len(key), -1)) @ val).flatten(0, 1)
    return result.unsqueeze(0)
