# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""Rotary position embeddings: x cos + rotate(x) sin.

The products are rounded to the operands' own precision before they are added, as in the kernels' buffers. The wheel
has a golden function for `rotary_embedding` only, and that one fails without a token index.
"""

import torch

from ttnn_emulator.arithmetic.sums import products
from ttnn_emulator.arithmetic.units import matrix_add
from ttnn_emulator.device.registry import value
from ttnn_emulator.device.step import Output

_TILE = 32


@value("experimental.rotary_embedding_llama")
def rotary_embedding_llama(
    input_tensor: torch.Tensor,
    cos_cache: torch.Tensor,
    sin_cache: torch.Tensor,
    trans_mat: torch.Tensor,
    *,
    is_decode_mode: bool = False,
) -> torch.Tensor:
    """Rotates by a matrix of one tile, so neighbours form the pairs.

    Prefill: x [B, heads, S, D], cos and sin [1, 1 or heads, S', D]; rows of x after the last of cos become zero.
    Decode: x [1, users, heads, D], cos and sin [1, users, 1, D] (of a taller one the first row counts).
    """
    if is_decode_mode:
        return _rotate_users(input_tensor, cos_cache, sin_cache, trans_mat)
    rows = input_tensor.shape[-2]
    known = min(rows, -(-cos_cache.shape[-2] // _TILE) * _TILE)
    x = input_tensor[..., :known, :]
    result = _combine(x, _by_matrix(x, trans_mat), _rows(cos_cache, 0, known), _rows(sin_cache, 0, known))
    return torch.nn.functional.pad(result, (0, 0, 0, rows - known))


@value("experimental.rotary_embedding_llama_fused_qk")
def rotary_embedding_llama_fused_qk(
    q_input_tensor: torch.Tensor,
    k_input_tensor: torch.Tensor,
    cos_cache: torch.Tensor,
    sin_cache: torch.Tensor,
    trans_mat: torch.Tensor,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Decode form for query and key at once: cos and sin hold the users twice, first for q, then for k."""
    users = q_input_tensor.shape[1]
    return (
        _rotate_users(q_input_tensor, cos_cache[:, :users], sin_cache[:, :users], trans_mat),
        _rotate_users(k_input_tensor, cos_cache[:, users:], sin_cache[:, users:], trans_mat),
    )


@value("experimental.rotary_embedding")
def rotary_embedding(
    input_tensor: torch.Tensor,
    cos_cache: torch.Tensor,
    sin_cache: torch.Tensor,
    token_index: int | None = None,
    *,
    outputs: list[Output],
) -> torch.Tensor:
    """Pairs x[i] with x[i + D/2]. Row s is rotated by row s of the caches, or every row by row `token_index`."""
    rows = input_tensor.shape[-2]
    first, count = (0, rows) if token_index is None else (token_index, 1)
    result = _combine(
        input_tensor, _by_halves(input_tensor), _rows(cos_cache, first, count), _rows(sin_cache, first, count)
    )
    return torch.nn.functional.pad(result, (0, 0, 0, outputs[0].shape[-2] - rows))  # it returns whole tiles


@value("experimental.rotary_embedding_hf")
def rotary_embedding_hf(
    input_tensor: torch.Tensor, cos_cache: torch.Tensor, sin_cache: torch.Tensor, *, is_decode_mode: bool = False
) -> torch.Tensor:
    """`rotary_embedding` with `rotary_embedding_llama`'s shapes."""
    count = 1 if is_decode_mode else input_tensor.shape[-2]
    return _combine(input_tensor, _by_halves(input_tensor), _rows(cos_cache, 0, count), _rows(sin_cache, 0, count))


def _rotate_users(x: torch.Tensor, cos: torch.Tensor, sin: torch.Tensor, matrix: torch.Tensor) -> torch.Tensor:
    return _combine(x, _by_matrix(x, matrix), cos[..., :1, :], sin[..., :1, :])


def _combine(x: torch.Tensor, rotated: torch.Tensor, cos: torch.Tensor, sin: torch.Tensor) -> torch.Tensor:
    """The unit's own products and sum: three programs' worth of buffers in the operands' dtype lie between."""
    terms = [products(a.float(), b.float(), "HiFi4", wide=False) for a, b in ((x, cos), (rotated, sin))]
    return matrix_add(*terms, wide=False)


def _by_matrix(x: torch.Tensor, matrix: torch.Tensor) -> torch.Tensor:
    """Every tile of a row times the transformation matrix (each core holds the same copy of it)."""
    tile = matrix.reshape(-1, matrix.shape[-1])[:_TILE]
    return (x.unflatten(-1, (-1, _TILE)) @ tile.to(x.dtype)).flatten(-2)


def _by_halves(x: torch.Tensor) -> torch.Tensor:
    first, second = x.chunk(2, -1)
    return torch.cat([-second, first], -1)


def _rows(cache: torch.Tensor, first: int, count: int) -> torch.Tensor:
    """`count` rows of a cos or sin cache, with zeros (its tile padding) after the last."""
    rows = cache[..., first : first + count, :]
    return torch.nn.functional.pad(rows, (0, 0, 0, count - rows.shape[-2]))
