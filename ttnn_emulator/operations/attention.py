# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""Scaled dot product attention over whole sequences, and the softmax of attention.

This file decides which keys a query sees (masks, windows). `prefill` has the arithmetic. Joint attention with 16-bit
sums and the softmax of attention are computed in float32.
"""

import functools
from typing import Any

import torch

import ttnn
from ttnn_emulator.device.registry import value
from ttnn_emulator.device.step import Output
from ttnn_emulator.errors import UnsupportedOperation
from ttnn_emulator.operations.flash import AttentionConfig
from ttnn_emulator.operations.kv_cache import read_blocks
from ttnn_emulator.operations.prefill import Mask, prefill

_joint = ttnn.get_golden_function(ttnn.transformer.joint_scaled_dot_product_attention)
_TILE = 32
_JOINT_FIDELITY = "HiFi2"  # the library's choice


@value("transformer.scaled_dot_product_attention")
def scaled_dot_product_attention(
    input_tensor_q: torch.Tensor,
    input_tensor_k: torch.Tensor,
    input_tensor_v: torch.Tensor,
    *,
    attn_mask: torch.Tensor | None = None,
    is_causal: bool = True,
    scale: float | None = None,
    sliding_window_size: int | None = None,
    attention_sink: torch.Tensor | None = None,
    cu_window_seqlens: torch.Tensor | None = None,
    windowed_q_token_offset: int = 0,
    windowed_q_token_offset_tensor: torch.Tensor | None = None,
    output_concat_heads: bool = False,
    program_config: Any = None,
    compute_kernel_config: Any = None,
    outputs: list[Output],
) -> torch.Tensor:
    """Attend with q [B, heads, S, D] over k and v [B, kv heads, S, D] -> [B, heads, S, D] or [B, 1, S, heads D]."""
    offset = windowed_q_token_offset_tensor
    first = windowed_q_token_offset if offset is None else int(offset.flatten()[0])
    config = AttentionConfig.of(input_tensor_q.shape[-1], scale, program_config, compute_kernel_config)
    if attn_mask is None:
        length, window = input_tensor_k.shape[2], sliding_window_size or 0
        visible = functools.partial(_visible, length, first, is_causal, window, cu_window_seqlens)
    else:
        # the library divides the mask by the scale, because the kernel adds the mask before it scales the scores
        visible = functools.partial(_given, attn_mask * torch.tensor(1 / config.scale).bfloat16())
    start = first if is_causal else None
    tensors = (input_tensor_q, input_tensor_k, input_tensor_v)
    result = _prefill(*tensors, visible, attention_sink, start, program_config, config)
    return result.transpose(1, 2).reshape(outputs[0].shape) if output_concat_heads else result


@value("transformer.chunked_scaled_dot_product_attention")
def chunked_scaled_dot_product_attention(
    input_tensor_q: torch.Tensor,
    input_tensor_k: torch.Tensor,
    input_tensor_v: torch.Tensor,
    page_table_tensor: torch.Tensor,
    chunk_start_idx: int | None = None,
    *,
    chunk_start_idx_tensor: torch.Tensor | None = None,
    scale: float | None = None,
    sliding_window_size: int | None = None,
    attention_sink: torch.Tensor | None = None,
    program_config: Any = None,
    compute_kernel_config: Any = None,
) -> torch.Tensor:
    """Attend with a part of a prompt, q [B, heads, S, D] from position `chunk_start_idx` on, over a paged cache."""
    start = int(chunk_start_idx_tensor.flatten()[0]) if chunk_start_idx_tensor is not None else chunk_start_idx
    keys = start + input_tensor_q.shape[2]  # causal, so later blocks are never read
    key, val = (
        torch.stack([read_blocks(cache, row, 0, keys) for row in page_table_tensor[: input_tensor_q.shape[0]]])
        for cache in (input_tensor_k, input_tensor_v)
    )
    config = AttentionConfig.of(input_tensor_q.shape[-1], scale, program_config, compute_kernel_config)
    visible = functools.partial(_visible, keys, start, True, sliding_window_size or 0, None)
    return _prefill(input_tensor_q, key, val, visible, attention_sink, start, program_config, config)


@value("transformer.joint_scaled_dot_product_attention")
def joint_scaled_dot_product_attention(
    input_tensor_q: torch.Tensor,
    input_tensor_k: torch.Tensor,
    input_tensor_v: torch.Tensor,
    joint_tensor_q: torch.Tensor,
    joint_tensor_k: torch.Tensor,
    joint_tensor_v: torch.Tensor,
    *,
    joint_strategy: str,
    scale: float | None = None,
    program_config: Any,
    compute_kernel_config: Any = None,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Attend with two sequences over the keys of both, without a mask, and return a result for each."""
    config = AttentionConfig.of(input_tensor_q.shape[-1], scale, program_config, compute_kernel_config)
    if not config.compute.wide:
        if config.compute.fidelity != _JOINT_FIDELITY:
            raise UnsupportedOperation(f"joint attention in {config.compute.fidelity} with 16-bit sums is not emulated")
        tensors = (input_tensor_q, input_tensor_k, input_tensor_v, joint_tensor_q, joint_tensor_k, joint_tensor_v)
        return _joint(*(tensor.float() for tensor in tensors), joint_strategy=joint_strategy, scale=scale)
    length, padding = input_tensor_k.shape[2], -input_tensor_k.shape[2] % program_config.k_chunk_size
    key, val = (
        torch.cat([torch.nn.functional.pad(first, (0, 0, 0, padding)), second], 2)  # a chunk has keys of one of them
        for first, second in ((input_tensor_k, joint_tensor_k), (input_tensor_v, joint_tensor_v))
    )
    visible = functools.partial(_outside, (length, length + padding), key.shape[2])
    queries = (input_tensor_q, joint_tensor_q)
    return tuple(_prefill(query, key, val, visible, None, None, program_config, config) for query in queries)


@value("transformer.attention_softmax", "transformer.attention_softmax_")
def attention_softmax(
    tensor: torch.Tensor,
    *,
    head_size: int | None = None,
    attention_mask: torch.Tensor | None = None,
    causal_mask: bool | None = False,
) -> torch.Tensor:
    """Return softmax(x / sqrt(head_size) + mask). The first row of a mask that is not causal applies to all queries."""
    scores = tensor.float() * (1.0 if head_size is None else head_size**-0.5)
    if attention_mask is not None:
        mask = attention_mask if causal_mask else attention_mask[..., :1, :]
        scores = scores + mask.float()
    return torch.softmax(scores, -1)


def _prefill(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    mask: Mask,
    sink: torch.Tensor | None,
    start: int | None,
    program_config: Any,
    config: AttentionConfig,
) -> torch.Tensor:
    chunks = (_TILE, _TILE) if program_config is None else (program_config.q_chunk_size, program_config.k_chunk_size)
    sinks = None if sink is None else sink.float().reshape(1, -1, 1, 1)
    padding = (0, 0, 0, -key.shape[2] % _TILE)
    key, value = (torch.nn.functional.pad(each.float(), padding) for each in (key, value))
    return prefill(query.float(), key, value, mask, sinks, start, chunks, config)


def _visible(
    length: int,
    start: int,
    causal: bool,
    window: int,
    starts: torch.Tensor | None,
    queries: slice,
    keys: slice,
) -> torch.Tensor | None:
    """Return a mask by positions. `start` is the first query's position, `starts` those of separate sequences."""
    row = torch.arange(start + queries.start, start + queries.stop)[:, None]
    column = torch.arange(keys.start, keys.stop)
    hidden = (column >= length) | (column > row if causal else torch.zeros_like(row, dtype=torch.bool))
    if window and causal:
        hidden |= column <= row - window
    elif window:
        hidden |= (column - row).abs() > window // 2
    if starts is not None:
        hidden |= torch.bucketize(row, starts, right=True) != torch.bucketize(column, starts, right=True)
    return torch.where(hidden, -torch.inf, 0.0) if bool(hidden.any()) else None


def _outside(gap: tuple[int, int], length: int, queries: slice, keys: slice) -> torch.Tensor | None:
    """Return a mask that hides the keys in `gap` and those past `length`."""
    column = torch.arange(keys.start, keys.stop)
    hidden = (column >= length) | (column >= gap[0]) & (column < gap[1])
    rows = torch.where(hidden, -torch.inf, 0.0).expand(queries.stop - queries.start, -1)
    return rows if bool(hidden.any()) else None


def _given(mask: torch.Tensor, queries: slice, keys: slice) -> torch.Tensor:
    """Return a part of a caller's mask, which hides the keys that fill up a tile."""
    part = mask[:, :, queries, keys].float()
    return torch.nn.functional.pad(part, (0, keys.stop - keys.start - part.shape[-1]), value=-torch.inf)
