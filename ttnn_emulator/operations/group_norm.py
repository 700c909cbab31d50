# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""Group normalization, computed in float32 from the rounded inputs.

Weight and bias come in rows of 32, as the library's own helpers prepare them: one column of cores after the other, each
with its channels padded to whole rows. The mask tensors hold no values: they say which channels belong to a group.
"""

from typing import Any

import torch

import ttnn
from ttnn_emulator.device.registry import value
from ttnn_emulator.device.step import Output
from ttnn_emulator.errors import UnsupportedOperation
from ttnn_emulator.operations.support import FULL


@value("group_norm", only=FULL)
def group_norm(
    input_tensor: torch.Tensor,
    *,
    num_groups: int,
    epsilon: float = 1e-12,
    input_mask: torch.Tensor | None = None,
    negative_mask: torch.Tensor | None = None,
    weight: torch.Tensor | None = None,
    bias: torch.Tensor | None = None,
    memory_config: Any = None,
    core_grid: Any = None,
    dtype: ttnn.DataType | None = None,
    inplace: bool | None = True,
    num_out_blocks: int | None = None,
    use_welford: bool = False,
    outputs: list[Output],
) -> torch.Tensor:
    """Normalize x [N, 1, H W, C] over each group of channels of each image."""
    channels = input_tensor.shape[-1]
    images = input_tensor.float().reshape(input_tensor.shape[0], -1, channels).mT
    scale, shift = (_unpack(rows, channels, num_groups, memory_config, core_grid) for rows in (weight, bias))
    return torch.nn.functional.group_norm(images, num_groups, scale, shift, epsilon).mT.reshape(outputs[0].shape)


def _unpack(
    rows: torch.Tensor | None, channels: int, groups: int, memory_config: Any, core_grid: Any
) -> torch.Tensor | None:
    """Return one number for each channel, without the padding of each column of cores."""
    if rows is None:
        return None
    if rows.numel() == channels:
        return rows.flatten().float()
    shards = None if memory_config is None else memory_config.shard_spec
    if shards is not None:
        columns = channels // shards.shape[1]
    elif core_grid is not None:
        columns = ttnn.operations.normalization.dram_group_norm_virtual_columns(core_grid, channels, groups)
    else:
        raise UnsupportedOperation(
            "ttnn.group_norm: weight and bias are padded by columns of cores; pass memory_config or core_grid"
        )
    return rows.reshape(columns, -1)[:, : channels // columns].flatten().float()
