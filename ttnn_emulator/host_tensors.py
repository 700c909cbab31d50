# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""Host tensors that are all that a device tensor is: its place, its tile shape, and what fills up its tiles."""

import torch
import ttnn

from ttnn_emulator.memory import unwritten
from ttnn_emulator.numerics import host_dtype


def host_shard(value: torch.Tensor, like: ttnn.Tensor, padding: float | None) -> ttnn.Tensor:
    """The host tensor of one chip. The library fills up tiles with a float, and no further than it must: else they are
    filled up here, and then left out of the logical shape."""
    padded = tuple(like.padded_shape)
    fill = _unknown(like.dtype) if padding is None else padding
    filled = is_padded(like) and len(like.shape) == len(padded)
    if filled:
        whole = torch.full(padded, fill, dtype=value.dtype)
        whole[tuple(slice(0, size) for size in value.shape)] = value
        value = whole
    host = ttnn.Tensor(
        value.to(host_dtype(like.dtype)),
        data_type=like.dtype,
        layout=like.layout,
        mem_config=like.memory_config(),
        tile=like.tile,
        pad_value=fill if is_padded(like) and not filled else None,  # a scalar or a row: the library makes it a tile
    )
    return ttnn.reshape(host, list(like.shape), list(padded)) if filled else host


def is_padded(tensor: ttnn.Tensor) -> bool:
    return tuple(tensor.padded_shape) != tuple(tensor.shape)


def _unknown(dtype: ttnn.DataType) -> float:
    """Stands for padding that is not known: as unwritten memory, but in block floats, where it would spoil a block."""
    return 0.0 if dtype in (ttnn.bfloat8_b, ttnn.bfloat4_b) else unwritten(dtype, ()).item()


def host_padding(tensor: ttnn.Tensor) -> float:
    """What fills up the tiles of a host tensor."""
    if not is_padded(tensor):
        return 0.0
    return ttnn.get_device_tensors(tensor)[0].to_torch_with_padded_shape().flatten()[-1].item()
