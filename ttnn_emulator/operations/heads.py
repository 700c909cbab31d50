# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""Splitting a fused projection into attention heads, and joining heads again.

The wheel's golden functions cover the `transformer.*` forms only, without GQA. All forms are a few reshapes and share
functions here. `experimental.concatenate_heads` has no value function, because it places kernels on a grid 12 cores
wide, and no board has one. `experimental.split_query_key_value_and_split_heads` does so where its input is not sharded.
"""

from typing import Any

import torch

from ttnn_emulator.device.registry import value
from ttnn_emulator.device.step import Operand, Output

Heads = tuple[torch.Tensor, torch.Tensor, torch.Tensor]


@value("transformer.split_query_key_value_and_split_heads", operands=True)
def split_query_key_value_and_split_heads(
    input_tensor: Operand,
    kv_input_tensor: Operand | None = None,
    *,
    num_heads: int,
    num_kv_heads: int | None = None,
    transpose_key: bool = True,
    use_falcon7b_backend: bool = False,  # another program splits the same columns
) -> Heads:
    """Split [B, S, (heads + 2 kv heads) D] into [B, heads, S, D], with a key [B, heads, D, S] if transposed.

    For a sharded input the library runs `create_qkv_heads`, whose columns have another order.
    """
    fused = input_tensor.value
    if input_tensor.sharded:
        return create_qkv_heads(
            fused.unsqueeze(1), num_heads=num_heads, num_kv_heads=num_kv_heads, transpose_k_heads=transpose_key
        )
    fused_kv = None if kv_input_tensor is None else kv_input_tensor.value
    return _split(fused, fused_kv, num_heads, num_kv_heads, transpose_key)


@value("experimental.split_query_key_value_and_split_heads", operands=True)
def split_sharded_heads(input_tensor: Operand, compute_with_storage_grid_size: Any, *, num_heads: int = 16) -> Heads:
    """Split [B, 1, S, 3 heads D]. Each core's columns are the queries of some heads, their keys and their values."""
    fused = input_tensor.value
    columns = fused.shape[-1] // input_tensor.shard[1]
    heads = fused.squeeze(1).unflatten(-1, (columns, 3, num_heads // columns, -1)).permute(3, 0, 2, 4, 1, 5)
    query, key, val = heads.flatten(2, 3)
    return query, key.mT, val


@value("experimental.nlp_create_qkv_heads")
def nlp_create_qkv_heads(
    input: torch.Tensor,
    input_kv: torch.Tensor | None = None,
    *,
    num_heads: int,
    num_kv_heads: int | None = None,
    transpose_k_heads: bool = True,
    kv_tied: bool = False,
) -> Heads:
    """Split [B, 1, S, (heads + 2 kv heads) D] into [B, heads, S, D]. With `kv_tied` the keys are also the values."""
    return _split(input, input_kv, num_heads, num_kv_heads, transpose_k_heads, kv_tied)


@value("experimental.nlp_create_qkv_heads_vit", "experimental.nlp_create_qkv_heads_segformer")
def equal_heads(input: torch.Tensor, *, outputs: list[Output]) -> Any:
    """Split query, key and value of equally many heads. Segformer's form splits one of them, and returns it 3 times."""
    heads, size = outputs[0].shape[1], outputs[0].shape[-1]
    parts = input.unflatten(-1, (-1, heads, size)).unbind(-3)
    chosen = parts if len(parts) == 3 else parts * 3
    return tuple(part.reshape(part.shape[0], -1, heads, size).transpose(1, 2) for part in chosen)


@value("experimental.nlp_create_qkv_heads_falcon7b")
def nlp_create_qkv_heads_falcon7b(input: torch.Tensor) -> Heads:
    return _split(input, None, 71, 1, False)


@value("experimental.create_qkv_heads")
def create_qkv_heads(
    input: torch.Tensor, *, num_heads: int, num_kv_heads: int | None = None, transpose_k_heads: bool = True
) -> Heads:
    """Split [B, 1, S, ...], whose columns are groups: the query heads of a key/value head, its key and its value."""
    kv_heads = num_heads if num_kv_heads is None else num_kv_heads
    group = num_heads // kv_heads
    heads = input.squeeze(1).unflatten(-1, (kv_heads, group + 2, -1)).permute(0, 2, 3, 1, 4)
    query = heads[:, :, :group].flatten(1, 2)
    key, val = heads[:, :, group], heads[:, :, group + 1]
    return query, key.mT if transpose_k_heads else key, val


@value("experimental.create_qkv_heads_from_separate_tensors")
def create_qkv_heads_from_separate_tensors(
    input: torch.Tensor,
    input_kv: torch.Tensor,
    *,
    num_heads: int,
    num_kv_heads: int | None = None,
    transpose_k_heads: bool = True,
) -> Heads:
    """Split a query tensor, and a tensor whose columns are the key and the value of each head in turn."""
    kv_heads = num_heads if num_kv_heads is None else num_kv_heads
    key, val = input_kv.squeeze(1).unflatten(-1, (kv_heads, 2, -1)).permute(3, 0, 2, 1, 4)
    return _to_heads(input, num_heads), key.mT if transpose_k_heads else key, val


@value("experimental.nlp_create_qkv_heads_decode")
def nlp_create_qkv_heads_decode(
    input_tensor: torch.Tensor,
    *,
    num_heads: int,
    num_kv_heads: int | None = None,
    batch_offset: torch.Tensor | None = None,
    slice_size: int | None = None,
) -> Heads:
    """Split [1, 1, users, (heads + 2 kv heads) D] into [1, users, heads, D].

    With `batch_offset` only `slice_size` users from there on are split.
    """
    kv_heads = num_heads if num_kv_heads is None else num_kv_heads
    users = input_tensor[0]
    if batch_offset is not None:
        first = int(batch_offset.flatten()[0])
        users = users[:, first : first + slice_size]
    heads = users.unflatten(-1, (num_heads + 2 * kv_heads, -1))
    return tuple(heads.split([num_heads, kv_heads, kv_heads], -2))


@value("transformer.concatenate_heads", "experimental.nlp_concat_heads")
def concatenate_heads(input_tensor: torch.Tensor, *, outputs: list[Output]) -> torch.Tensor:
    """Join [B, heads, S, D] to [B, (1,) S, heads D]."""
    return input_tensor.transpose(1, 2).reshape(outputs[0].shape)


@value("experimental.nlp_concat_heads_decode")
def nlp_concat_heads_decode(input_tensor: torch.Tensor, *, num_heads: int, outputs: list[Output]) -> torch.Tensor:
    """Join [1, users, heads (padded to a tile or not), D] to [1, 1, 32, heads D].

    The library always returns 32 rows. The rows without a user are zero here. A card leaves them as its memory was.
    """
    joined = input_tensor[:, :, :num_heads].flatten(-2)
    return torch.nn.functional.pad(joined, (0, 0, 0, outputs[0].shape[-2] - joined.shape[-2])).unsqueeze(0)


def _split(
    fused: torch.Tensor,
    fused_kv: torch.Tensor | None,
    num_heads: int,
    num_kv_heads: int | None,
    transpose_key: bool,
    tied: bool = False,
) -> Heads:
    """Split columns into query, key and value heads, in this order. A second tensor may hold the keys and values."""
    kv_heads = num_heads if num_kv_heads is None else num_kv_heads
    kv_parts = [kv_heads] if tied else [kv_heads, kv_heads]
    if fused_kv is None:
        parts = [num_heads, *kv_parts]
        query, *keys_values = _to_heads(fused, sum(parts)).split(parts, 1)
    else:
        query, keys_values = _to_heads(fused, num_heads), _to_heads(fused_kv, sum(kv_parts)).split(kv_parts, 1)
    key, val = keys_values[0], keys_values[-1]
    return query, key.mT if transpose_key else key, val


def _to_heads(fused: torch.Tensor, heads: int) -> torch.Tensor:
    """Split [B, (1,) S, heads D] into [B, heads, S, D]."""
    return fused.reshape(fused.shape[0], fused.shape[-2], heads, -1).transpose(1, 2)
