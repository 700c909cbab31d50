# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""Attention whose values are the first columns of its keys (multi-head latent attention)."""

from typing import Any

import torch

from ttnn_emulator.device.registry import value
from ttnn_emulator.device.step import Output
from ttnn_emulator.operations.attention import chunked_scaled_dot_product_attention, scaled_dot_product_attention
from ttnn_emulator.operations.attention_decode import (
    paged_scaled_dot_product_attention_decode,
    scaled_dot_product_attention_decode,
)


@value("transformer.flash_mla_prefill")
def flash_mla_prefill(
    input_tensor_q: torch.Tensor,
    input_tensor_k: torch.Tensor,
    head_dim_v: Any = None,
    *,
    input_tensor_v: torch.Tensor | None = None,
    attn_mask: torch.Tensor | None = None,
    is_causal: bool = True,
    scale: float | None = None,
    program_config: Any = None,
    compute_kernel_config: Any = None,
    outputs: list[Output],
) -> torch.Tensor:
    """Attend with q [B, heads, S, D] over k [B, kv heads, S, D] -> [B, heads, S, head_dim_v], or over given values."""
    values = head_dim_v if isinstance(head_dim_v, torch.Tensor) else input_tensor_v
    if values is None:
        values = input_tensor_k[..., :head_dim_v]
    return scaled_dot_product_attention(
        input_tensor_q,
        input_tensor_k,
        values,
        attn_mask=attn_mask,
        is_causal=is_causal,
        scale=scale,
        program_config=program_config,
        compute_kernel_config=compute_kernel_config,
        outputs=outputs,
    )


@value("transformer.chunked_flash_mla_prefill")
def chunked_flash_mla_prefill(
    input_tensor_q: torch.Tensor,
    input_tensor_k: torch.Tensor,
    head_dim_v: int,
    page_table_tensor: torch.Tensor,
    chunk_start_idx: int,
    *,
    scale: float | None = None,
    program_config: Any = None,
    compute_kernel_config: Any = None,
) -> torch.Tensor:
    """Attend with a part of a prompt over a paged cache."""
    result = chunked_scaled_dot_product_attention(
        input_tensor_q,
        input_tensor_k,
        input_tensor_k,
        page_table_tensor,
        chunk_start_idx,
        scale=scale,
        program_config=program_config,
        compute_kernel_config=compute_kernel_config,
    )
    return result[..., :head_dim_v]


@value("transformer.flash_multi_latent_attention_decode")
def flash_multi_latent_attention_decode(
    input_tensor_q: torch.Tensor,
    input_tensor_k: torch.Tensor,
    input_tensor_v: torch.Tensor | None = None,
    head_dim_v: int = 0,
    *,
    is_causal: bool = True,
    attn_mask: torch.Tensor | None = None,
    cur_pos: Any = (),
    cur_pos_tensor: torch.Tensor | None = None,
    attention_sink: torch.Tensor | None = None,
    scale: float | None = None,
    sliding_window_size: int | None = None,
    program_config: Any = None,
    compute_kernel_config: Any = None,
) -> torch.Tensor:
    """Attend with q [1, users, heads, D] over keys [users, kv heads, S, D] -> [1, users, heads, head_dim_v]."""
    values = _as_wide(input_tensor_v, input_tensor_k)
    result = scaled_dot_product_attention_decode(
        input_tensor_q,
        input_tensor_k,
        values,
        is_causal=is_causal,
        attn_mask=attn_mask,
        cur_pos=cur_pos,
        cur_pos_tensor=cur_pos_tensor,
        attention_sink=attention_sink,
        scale=scale,
        sliding_window_size=sliding_window_size,
        program_config=program_config,
        compute_kernel_config=compute_kernel_config,
    )
    return result[..., :head_dim_v]


@value("transformer.paged_flash_multi_latent_attention_decode")
def paged_flash_multi_latent_attention_decode(
    input_tensor_q: torch.Tensor,
    input_tensor_k: torch.Tensor,
    input_tensor_v: torch.Tensor | None = None,
    head_dim_v: int = 0,
    page_table_tensor: torch.Tensor | None = None,
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
    """Attend over a cache [blocks, kv heads, block, D] with a page table [users, blocks of a user]."""
    values = _as_wide(input_tensor_v, input_tensor_k)
    result = paged_scaled_dot_product_attention_decode(
        input_tensor_q,
        input_tensor_k,
        values,
        page_table_tensor,
        is_causal=is_causal,
        attn_mask=attn_mask,
        cur_pos_tensor=cur_pos_tensor,
        attention_sink=attention_sink,
        scale=scale,
        sliding_window_size=sliding_window_size,
        program_config=program_config,
        compute_kernel_config=compute_kernel_config,
    )
    return result[..., :head_dim_v]


def _as_wide(values: torch.Tensor | None, keys: torch.Tensor) -> torch.Tensor:
    """Return values with as many columns as the keys. The caller drops the added columns from the result."""
    if values is None:
        return keys
    return torch.nn.functional.pad(values, (0, keys.shape[-1] - values.shape[-1]))
