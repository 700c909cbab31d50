# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""Images whose pixels are rows, [1, 1, N H W, C], or which have the shape [N, H, W, C]."""

import math
from collections.abc import Sequence

import torch

from ttnn_emulator.device.step import Output


def pixels(rows: torch.Tensor, batch: int, height: int, width: int, channels: int) -> torch.Tensor:
    """Return [N, H, W, C] of pixels that are rows. More rows and channels than these may fill up the tiles."""
    rows = rows.reshape(-1, rows.shape[-1])[: batch * height * width, :channels]
    return rows.reshape(batch, height, width, channels)


def sides(padding: Sequence[int]) -> tuple[int, int, int, int]:
    """Return (left, right, top, bottom) of [height, width] or of [top, bottom, left, right]."""
    top, bottom, left, right = padding if len(padding) == 4 else (padding[0], padding[0], padding[1], padding[1])
    return left, right, top, bottom


def as_rows(images: torch.Tensor, output: Output) -> torch.Tensor:
    """Return [N, H, W, C] in the shape of a result, with zeros in the rows and channels that the library adds."""
    rows = images.reshape(-1, images.shape[-1])
    short = (0, output.shape[-1] - rows.shape[1], 0, math.prod(output.shape[:-1]) - rows.shape[0])
    return torch.nn.functional.pad(rows, short).reshape(output.shape)
