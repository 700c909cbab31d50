# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""Rotary position embeddings: x cos + rotate(x) sin.

`native/rotary.h` takes the kernels' steps. The wheel has a golden function for `rotary_embedding` only, which fails
without a token index.
"""

from typing import Any

import torch

from ttnn_emulator.arithmetic.native import function
from ttnn_emulator.device.registry import value
from ttnn_emulator.device.step import Output
from ttnn_emulator.operations.support import compute_config

_TILE = 32


@value("experimental.rotary_embedding_llama")
def rotary_embedding_llama(
    input_tensor: torch.Tensor,
    cos_cache: torch.Tensor,
    sin_cache: torch.Tensor,
    trans_mat: torch.Tensor,
    *,
    is_decode_mode: bool = False,
    compute_kernel_config: Any = None,
) -> torch.Tensor:
    """Rotate pairs of neighbours, by a transformation matrix of one tile.

    Prefill: x [B, heads, S, D], cos and sin [1, 1 or heads, S', D]. Rows of x after the last row of cos become zero.
    Decode: x [1, users, heads, D], cos and sin [1, users, 1, D]. Only the first row of taller cos and sin is used.
    """
    if is_decode_mode:
        return _rotate_users(compute_kernel_config, input_tensor, cos_cache, sin_cache, trans_mat)
    rows = input_tensor.shape[-2]
    known = min(rows, -(-cos_cache.shape[-2] // _TILE) * _TILE)
    x = input_tensor[..., :known, :]
    cos, sin = (_rows(cache, 0, known) for cache in (cos_cache, sin_cache))
    result = _rotate(compute_kernel_config, x, cos, sin, trans_mat)
    return torch.nn.functional.pad(result, (0, 0, 0, rows - known))


@value("experimental.rotary_embedding_llama_fused_qk")
def rotary_embedding_llama_fused_qk(
    q_input_tensor: torch.Tensor,
    k_input_tensor: torch.Tensor,
    cos_cache: torch.Tensor,
    sin_cache: torch.Tensor,
    trans_mat: torch.Tensor,
    *,
    compute_kernel_config: Any = None,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Rotate query and key in decode. cos and sin hold each user twice, first for the query, then for the key."""
    users, config = q_input_tensor.shape[1], compute_kernel_config
    return (
        _rotate_users(config, q_input_tensor, cos_cache[:, :users], sin_cache[:, :users], trans_mat),
        _rotate_users(config, k_input_tensor, cos_cache[:, users:], sin_cache[:, users:], trans_mat),
    )


@value("experimental.rotary_embedding")
def rotary_embedding(
    input_tensor: torch.Tensor,
    cos_cache: torch.Tensor,
    sin_cache: torch.Tensor,
    token_index: int | None = None,
    *,
    compute_kernel_config: Any = None,
    outputs: list[Output],
) -> torch.Tensor:
    """Rotate pairs x[i], x[i + D/2]: row s by row s of the caches, or every row by their row `token_index`."""
    rows = input_tensor.shape[-2]
    first, count = (0, rows) if token_index is None else (token_index, 1)
    cos, sin = (_rows(cache, first, count) for cache in (cos_cache, sin_cache))
    result = _rotate(compute_kernel_config, input_tensor, cos, sin)
    return torch.nn.functional.pad(result, (0, 0, 0, outputs[0].shape[-2] - rows))  # the library returns whole tiles


@value("experimental.rotary_embedding_hf")
def rotary_embedding_hf(
    input_tensor: torch.Tensor,
    cos_cache: torch.Tensor,
    sin_cache: torch.Tensor,
    *,
    is_decode_mode: bool = False,
    compute_kernel_config: Any = None,
) -> torch.Tensor:
    """Rotate the pairs of `rotary_embedding` in tensors of the shapes of `rotary_embedding_llama`."""
    count = 1 if is_decode_mode else input_tensor.shape[-2]
    cos, sin = (_rows(cache, 0, count) for cache in (cos_cache, sin_cache))
    return _rotate(compute_kernel_config, input_tensor, cos, sin)


def _rotate_users(
    config: Any, x: torch.Tensor, cos: torch.Tensor, sin: torch.Tensor, matrix: torch.Tensor
) -> torch.Tensor:
    return _rotate(config, x, cos[..., :1, :], sin[..., :1, :], matrix)


def _rotate(
    config: Any, x: torch.Tensor, cos: torch.Tensor, sin: torch.Tensor, matrix: torch.Tensor | None = None
) -> torch.Tensor:
    """Rotate by the first tile of the transformation matrix (each core holds the same copy of it), or by halves."""
    compute = compute_config(config)
    result = torch.empty(x.shape)
    tile = None if matrix is None else matrix.contiguous()
    function("rotary_rotate")(
        *(result, *x.shape),
        *(part for operand in (x, cos.expand(x.shape), sin.expand(x.shape)) for part in _steps(operand)),
        *(tile, tile is not None and tile.dtype == torch.float32, compute.phases, compute.wide),
    )
    return result


def _steps(x: torch.Tensor) -> tuple[torch.Tensor, bool, int, int, int]:
    """Return a tensor of four dimensions with contiguous rows, whether it is float32, and its steps."""
    x = x if x.stride(3) == 1 else x.contiguous()
    return x, x.dtype == torch.float32, *x.stride()[:3]


def _rows(cache: torch.Tensor, first: int, count: int) -> torch.Tensor:
    """Return `count` rows of a cos or sin cache, with zeros (its tile padding) after the last."""
    rows = cache[..., first : first + count, :]
    return torch.nn.functional.pad(rows, (0, 0, 0, count - rows.shape[-2]))
