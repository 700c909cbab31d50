# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""Operations that write parts of a tensor, expand a tensor, gather its rows, or reorder its dimensions."""

from collections.abc import Sequence

import torch

from ttnn_emulator.device.registry import value
from ttnn_emulator.device.step import Operand, Output


@value("experimental.slice_write", in_place=True)
def slice_write(
    input_tensor: Operand, output_tensor: Operand, start: Sequence[int], end: Sequence[int], step: Sequence[int]
) -> None:
    """Write the input into a part of `output_tensor`."""
    part = tuple(slice(*bounds) for bounds in zip(start, end, step))
    target = output_tensor.own()
    target[part] = output_tensor.round(input_tensor.value).reshape(target[part].shape)


@value("experimental.broadcast_to")
def broadcast_to(input: torch.Tensor, output_shape: Sequence[int]) -> torch.Tensor:
    return torch.broadcast_to(input, tuple(output_shape))


@value("experimental.convert_to_hwc")
def convert_to_hwc(input: torch.Tensor, *, dtype: object | None = None, outputs: list[Output]) -> torch.Tensor:
    """Reorder [1, B, C, H W] to [1, 1, B H W, C], with zeros in the channels that fill C up to a multiple of 8."""
    channels = input.transpose(-2, -1)
    return torch.nn.functional.pad(channels, (0, outputs[0].shape[-1] - channels.shape[-1])).reshape(outputs[0].shape)


@value("experimental.convert_to_chw")
def convert_to_chw(input: torch.Tensor, *, dtype: object | None = None, outputs: list[Output]) -> torch.Tensor:
    """Reorder [1, 1, H W, C] to [1, 1, C, H W]."""
    return input.transpose(-2, -1).reshape(outputs[0].shape)


@value("tosa_gather")
def tosa_gather(input: torch.Tensor, index: torch.Tensor) -> torch.Tensor:
    """Gather rows of [N, K, C] by an index [N, W]."""
    return torch.gather(input, 1, _rows(index, input))


@value("tosa_scatter")
def tosa_scatter(input: torch.Tensor, index: torch.Tensor, src: torch.Tensor) -> torch.Tensor:
    """Replace the rows of [N, K, C] that an index [N, W] names by the rows of src [N, W, C]."""
    return torch.scatter(input, 1, _rows(index, input), src)


def _rows(index: torch.Tensor, table: torch.Tensor) -> torch.Tensor:
    return index.long().unsqueeze(-1).expand(-1, -1, table.shape[-1])


@value("nonzero")
def nonzero(input_tensor: torch.Tensor, *, outputs: list[Output]) -> list[torch.Tensor]:
    """Return how many values are not zero, and their coordinates one after the other.

    The result continues with zeros. On a card it continues with numbers that the kernel left there.
    """
    found = input_tensor.nonzero().flatten()
    count, places = (torch.zeros(output.shape, dtype=torch.int64) for output in outputs)
    count.view(-1)[0] = len(found) // input_tensor.ndim
    places.view(-1)[: len(found)] = found
    return [count, places]
