# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0

"""Rotary position embedding, in Hugging Face's order: feature i is paired with feature i + head_dim / 2."""

from typing import Any

import torch


def rope_tables(config: Any, start: int, length: int) -> tuple[torch.Tensor, torch.Tensor]:
    """The cosines and sines of the positions start .. start + length - 1, each [length, head_dim] float32.

    Pair i is rotated by position * rope_theta ** (-2i / head_dim). Both halves of a row hold the same angles.
    """
    exponent = torch.arange(0, config.head_dim, 2, dtype=torch.float32) / config.head_dim
    inverse_frequency = 1.0 / (config.rope_theta**exponent)
    angle = torch.arange(start, start + length, dtype=torch.float32)[:, None] * inverse_frequency
    angle = torch.cat([angle, angle], dim=-1)
    return angle.cos(), angle.sin()


def apply_rope(x: torch.Tensor, cos: torch.Tensor, sin: torch.Tensor) -> torch.Tensor:
    """Rotate x [batch, heads, length, head_dim] by the tables of its positions ([length, head_dim])."""
    first, second = x.chunk(2, dim=-1)
    return x * cos + torch.cat([-second, first], dim=-1) * sin
