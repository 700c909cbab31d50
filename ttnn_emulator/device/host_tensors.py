# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""This module makes host tensors of a device tensor's values, with its memory config, tile shape and tile padding."""

import torch

import ttnn
from ttnn_emulator.device.data_types import host_dtype, storage_dtype
from ttnn_emulator.device.memory import unwritten
from ttnn_emulator.errors import UnsupportedOperation


def host_part(
    values: list[torch.Tensor], like: ttnn.Tensor, padding: float | None, chips: tuple[int, ...]
) -> ttnn.Tensor:
    """Return the host tensor of some chips of a mesh.

    A mapper places the values, and a mapper begins at the first chip. So the chips must form a rectangle from there.
    """
    width = like.device().shape[1]
    shape = (chips[-1] // width + 1, chips[-1] % width + 1)
    if chips != tuple(row * width + column for row in range(shape[0]) for column in range(shape[1])):
        raise UnsupportedOperation(
            f"the tensor {list(like.shape)} lies on the chips {list(chips)} of the mesh, which are no rectangle from "
            "the first one on; read it chip by chip (ttnn.get_device_tensors)"
        )
    each = ttnn.MeshMapperConfig([ttnn.PlacementShard(0), ttnn.PlacementShard(1)], ttnn.MeshShape(*shape))
    stack = torch.stack(values).reshape(*shape, *values[0].shape)
    return host_shard(stack, like, padding, ttnn.create_mesh_mapper(like.device(), each))


def host_shard(
    value: torch.Tensor, like: ttnn.Tensor, padding: float | None, mapper: ttnn.CppTensorToMesh | None = None
) -> ttnn.Tensor:
    """The host tensor of one chip, or of all those that `mapper` splits a stack of values over. The library fills up
    tiles with a float, and no further than it must: else they are filled up here, and then left out of the logical
    shape."""
    padded = tuple(like.padded_shape)
    fill = _unknown(like.dtype) if padding is None else padding
    filled = is_padded(like) and len(like.shape) == len(padded)
    if filled:
        whole = torch.full((*value.shape[: value.ndim - len(padded)], *padded), fill, dtype=value.dtype)
        whole[(..., *(slice(0, size) for size in like.shape))] = value
        value = whole
    host = ttnn.Tensor(
        value.to(host_dtype(like.dtype)),
        data_type=like.dtype,
        layout=like.layout,
        mem_config=like.memory_config(),
        tile=like.tile,
        pad_value=fill if is_padded(like) and not filled else None,  # a scalar or a row: the library makes it a tile
        mesh_mapper=mapper,
    )
    return ttnn.reshape(host, list(like.shape), list(padded)) if filled or mapper else host


def is_padded(tensor: ttnn.Tensor) -> bool:
    return tuple(tensor.padded_shape) != tuple(tensor.shape)


def _unknown(dtype: ttnn.DataType) -> float:
    """Return what stands for padding that is not known: what unwritten memory reads as, or 0 in a block float.

    NaN in a block float would spoil the values of the block.
    """
    return 0.0 if dtype in (ttnn.bfloat8_b, ttnn.bfloat4_b) else unwritten(dtype, ()).item()


def host_values(tensor: ttnn.Tensor) -> list[torch.Tensor]:
    """Return what each chip receives of a host tensor: one value where all receive the same."""
    parts = ttnn.get_device_tensors(tensor)
    if all(isinstance(placed, ttnn.PlacementReplicate) for placed in tensor.tensor_topology().placements()):
        parts = parts[:1]  # every chip's are the same: one value for all
    shards = [part.to_torch() for part in parts]
    values = [shard.to(torch.int64) if not shard.is_floating_point() else shard for shard in shards]
    return [value.to(storage_dtype(tensor.dtype)) for value in values]


def host_padding(tensor: ttnn.Tensor) -> float:
    """Return what fills up the tiles of a host tensor."""
    if not is_padded(tensor):
        return 0.0
    return ttnn.get_device_tensors(tensor)[0].to_torch_with_padded_shape().flatten()[-1].item()
