# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""Scaled dot product attention over whole sequences, and the softmax of attention.

The wheel's golden functions compute what the kernels compute (masks, windows, sinks, grouped heads); they are given
float32 operands, so scores, softmax and sums are float32 whatever the compute configuration says.
"""

from typing import Any

import torch
import ttnn

from ttnn_emulator.registry import value
from ttnn_emulator.step import Output
from ttnn_emulator.values.kv_cache import read_blocks

_prefill = ttnn.transformer.scaled_dot_product_attention.golden_function
_joint = ttnn.transformer.joint_scaled_dot_product_attention.golden_function


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
    outputs: list[Output],
) -> torch.Tensor:
    """q [B, heads, S, D], k and v [B, kv heads, S, D] -> [B, heads, S, D], or [B, 1, S, heads D]."""
    result = _prefill(
        input_tensor_q.float(),
        input_tensor_k.float(),
        input_tensor_v.float(),
        attn_mask=_float(attn_mask),
        is_causal=is_causal,
        scale=scale,
        sliding_window_size=sliding_window_size,
        attention_sink=attention_sink,
        cu_window_seqlens=cu_window_seqlens,
        windowed_q_token_offset=windowed_q_token_offset,
        windowed_q_token_offset_tensor=windowed_q_token_offset_tensor,
    )
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
) -> torch.Tensor:
    """A piece of a prompt, q [B, heads, S, D] from position `chunk_start_idx` on, over a paged cache that holds it."""
    start = int(chunk_start_idx_tensor.flatten()[0]) if chunk_start_idx_tensor is not None else chunk_start_idx
    keys = start + input_tensor_q.shape[2]  # causal, so later blocks are never read
    key, val = (
        torch.stack([read_blocks(cache, row, 0, keys) for row in page_table_tensor[: input_tensor_q.shape[0]]])
        for cache in (input_tensor_k, input_tensor_v)
    )
    # with fewer queries than keys, the golden function takes the queries to be the last positions
    return _prefill(
        input_tensor_q.float(),
        key,
        val,
        is_causal=True,
        scale=scale,
        sliding_window_size=sliding_window_size,
        attention_sink=attention_sink,
    )


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
) -> tuple[torch.Tensor, torch.Tensor]:
    """Two sequences that attend to each other, without a mask; their results apart."""
    tensors = (input_tensor_q, input_tensor_k, input_tensor_v, joint_tensor_q, joint_tensor_k, joint_tensor_v)
    return _joint(*(tensor.float() for tensor in tensors), joint_strategy=joint_strategy, scale=scale)


@value("transformer.attention_softmax", "transformer.attention_softmax_")
def attention_softmax(
    tensor: torch.Tensor,
    *,
    head_size: int | None = None,
    attention_mask: torch.Tensor | None = None,
    causal_mask: bool | None = False,
) -> torch.Tensor:
    """softmax(x / sqrt(head_size) + mask). Only a causal mask has a row a query, of another the first row counts."""
    scores = tensor.float() * (1.0 if head_size is None else head_size**-0.5)
    if attention_mask is not None:
        mask = attention_mask if causal_mask else attention_mask[..., :1, :]
        scores = scores + mask.float()
    return torch.softmax(scores, -1)


def _float(tensor: torch.Tensor | None) -> Any:
    return None if tensor is None else tensor.float()
