# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""Weights that were prepared for a convolution.

The library reorders a convolution's weights for the program that will read them, and writes them to the device. Only
convolutions read them afterwards. Here they have one form for all programs: [kernel height, kernel width, inputs,
outputs], with zeros between groups. The library runs a transposed convolution as another one, in whose form its weights
are kept.
"""

from collections.abc import Callable
from typing import NamedTuple

import torch

import ttnn
from ttnn_emulator.device.data_types import round_from_host


class Prepared(NamedTuple):
    """A result that is prepared weights."""

    weights: torch.Tensor


def filters(weight: torch.Tensor, groups: int, dtype: ttnn.DataType) -> torch.Tensor:
    """Return the form of weights [outputs, inputs of a group, height, width]. The height may be missing."""
    weight = weight.unsqueeze(-2) if weight.ndim == 3 else weight
    outputs, inputs, height, width = weight.shape
    whole = weight.new_zeros(height, width, groups, inputs, groups, outputs // groups)
    group = torch.arange(groups)
    whole[:, :, group, :, group] = weight.permute(2, 3, 1, 0).unflatten(-1, (groups, -1)).permute(3, 0, 1, 2, 4)
    return round_from_host(whole.reshape(height, width, groups * inputs, outputs), dtype)


def transposed_filters(weight: torch.Tensor, groups: int, dtype: ttnn.DataType, mirror: bool = True) -> torch.Tensor:
    """Return the form of a transposed convolution's weights [inputs, outputs of a group, height, width]."""
    weight = weight.flip((-2, -1)) if mirror else weight
    of_groups = weight.unflatten(0, (groups, -1)).transpose(1, 2).flatten(0, 1)
    return filters(of_groups, groups, dtype)


def bias_row(bias: torch.Tensor, dtype: ttnn.DataType) -> torch.Tensor:
    """Return the form of a bias [1, 1, 1, outputs]."""
    return round_from_host(bias.flatten(), dtype)


# the functions that prepare weights, with what each gives from a host tensor and the call's options
FORMS: dict[str, Callable[[torch.Tensor, dict], torch.Tensor]] = {
    "prepare_conv_weights": lambda weight, call: filters(weight, call["groups"], call["dtype"]),
    "prepare_conv_bias": lambda bias, call: bias_row(bias, call["dtype"]),
    "prepare_conv_transpose2d_weights": lambda weight, call: transposed_filters(
        weight, call["groups"], call["dtype"], call.get("mirror_kernel", True)
    ),
    "prepare_conv_transpose2d_bias": lambda bias, call: bias_row(bias, call["dtype"]),
}
