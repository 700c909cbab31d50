# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""This module says which part of a sharded tensor lies on which core."""

import math

import torch

import ttnn
from ttnn_emulator.errors import UnsupportedOperation

Core = tuple[int, int]


def parts_by_core(tensor: ttnn.Tensor) -> dict[Core, tuple[slice, slice]]:
    """Return the rows and columns of each core's shard, in the order of the shards.

    The rows and columns are those of the padded tensor seen as a matrix: all dimensions but the last are its rows.
    """
    config = tensor.memory_config()
    spec = config.shard_spec
    if spec is None:
        raise UnsupportedOperation(f"the tensor {list(tensor.shape)} has no shards in two dimensions; it has {config}")
    by_rows = spec.orientation == ttnn.ShardOrientation.ROW_MAJOR
    cores = [(core.x, core.y) for core in ttnn.corerange_to_cores(spec.grid, row_wise=by_rows)]
    rows, columns = math.prod(tuple(tensor.padded_shape)[:-1]), tensor.padded_shape[-1]
    down, across = -(-rows // spec.shape[0]), -(-columns // spec.shape[1])
    if config.memory_layout == ttnn.TensorMemoryLayout.BLOCK_SHARDED:
        left, top = cores[0]
        places = [(y, x) if by_rows else (x, y) for x, y in ((x - left, y - top) for x, y in cores)]
    else:
        places = [divmod(number, across) for number in range(len(cores))]
    return {
        core: (
            slice(row * spec.shape[0], (row + 1) * spec.shape[0]),
            slice(column * spec.shape[1], (column + 1) * spec.shape[1]),
        )
        for core, (row, column) in zip(cores, places)
        if row < down and column < across
    }


def mask_of(tensor: ttnn.Tensor, cores: ttnn.CoreRangeSet) -> torch.Tensor:
    """Return which elements of a sharded tensor lie on `cores`, in the tensor's shape."""
    wanted = {(core.x, core.y) for core in ttnn.corerange_to_cores(cores)}
    padded = tuple(tensor.padded_shape)
    mask = torch.zeros(math.prod(padded[:-1]), padded[-1], dtype=torch.bool)
    for core, part in parts_by_core(tensor).items():
        mask[part] = core in wanted
    padded = (1,) * (len(tensor.shape) - len(padded)) + padded
    return mask.reshape(padded)[tuple(slice(0, size) for size in tensor.shape)]
