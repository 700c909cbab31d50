# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""Attention of one new token a user over a cache.

The wheel's golden functions loop over the users and gather the whole cache; these read the positions that are needed,
for all users at once. Scores, softmax and sums are float32 whatever the compute configuration says.
"""

from typing import Any

import torch

from ttnn_emulator.registry import value
from ttnn_emulator.values.kv_cache import gather_blocks, signed


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
    users, length = input_tensor_q.shape[1], input_tensor_k.shape[2]
    positions = _positions(is_causal, cur_pos, cur_pos_tensor, users, length)
    keys = int(positions.max()) + 1
    key, val = (cache[:, :, :keys].float() for cache in (input_tensor_k, input_tensor_v))
    if share_cache:
        key, val = key[:1], val[:1]
    return _decode(input_tensor_q, key, val, positions, attn_mask, attention_sink, scale, sliding_window_size)


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
) -> torch.Tensor:
    """The same over caches [blocks, kv heads, block, D] and a page table [users, blocks of a user]."""
    users, length = input_tensor_q.shape[1], page_table_tensor.shape[-1] * input_tensor_k.shape[2]
    positions = _positions(is_causal, (), cur_pos_tensor, users, length)
    keys = int(positions.max()) + 1
    table = page_table_tensor[:users].where((positions >= 0)[:, None], 0)  # a skipped user may have no blocks
    key, val = (gather_blocks(cache, table, keys, positions) for cache in (input_tensor_k, input_tensor_v))
    return _decode(input_tensor_q, key, val, positions, attn_mask, attention_sink, scale, sliding_window_size)


def _positions(
    is_causal: bool, cur_pos: Any, cur_pos_tensor: torch.Tensor | None, users: int, length: int
) -> torch.Tensor:
    """Each user's last position, or -1 to skip the user. Without a causal mask everything is read."""
    if is_causal and cur_pos_tensor is not None:
        return signed(cur_pos_tensor.flatten()[:users])
    if is_causal and len(cur_pos):
        return torch.tensor(list(cur_pos)[:users])
    return torch.full((users,), length - 1)


def _decode(
    query: torch.Tensor,
    key: torch.Tensor,
    val: torch.Tensor,
    positions: torch.Tensor,
    mask: torch.Tensor | None,
    sink: torch.Tensor | None,
    scale: float | None,
    window: int | None,
) -> torch.Tensor:
    """A skipped user's rows are zero: a card leaves them as its memory was."""
    users, heads, size = query.shape[1:]
    kv_heads, keys = key.shape[1], key.shape[2]
    q = query[0].float().unflatten(1, (kv_heads, -1)) * (size**-0.5 if scale is None else scale)
    scores = (q @ key.mT).flatten(1, 2)  # [users, heads, keys]
    if mask is not None:
        scores = scores + mask.reshape(-1, *mask.shape[-2:])[..., :keys].float()
    number = torch.arange(keys)
    hidden = number > positions[:, None]
    if window is not None:
        hidden |= number <= positions[:, None] - window
    scores = scores.masked_fill(hidden[:, None], float("-inf"))
    if sink is not None:
        # one value a head, in the first column; it is a score before scaling
        column = sink.reshape(-1, heads, sink.shape[-1])[..., :1] if sink.ndim < 4 else sink.reshape(-1, heads, 1)
        column = column.float() * (size**-0.5 if scale is None else scale)
        scores = torch.cat([scores, column.expand(users, heads, 1)], -1)
    weights = torch.softmax(scores, -1)[..., :keys]
    result = (weights.unflatten(1, (kv_heads, -1)) @ val).flatten(1, 2)
    return result.masked_fill((positions < 0)[:, None, None], 0.0).unsqueeze(0)
