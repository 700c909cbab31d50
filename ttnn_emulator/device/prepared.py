# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""Weights that were prepared for a convolution.

The library reorders a convolution's weights for the program that will read them, and writes them to the device. Only
convolutions read them afterwards. Here they have one form for all programs: [kernel height, kernel width, inputs of a
group, outputs]. The library runs a transposed convolution as another one, in whose form its weights
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


def are_taps(inputs: int, outputs: int, groups: int, image_height: int, kernel_height: int, is_biased: bool) -> bool:
    """Return whether a convolution is one of each channel in one dimension. Its program multiplies number by number."""
    return inputs == outputs == groups > 1 and image_height == kernel_height == 1 and not is_biased


def filters(weight: torch.Tensor, groups: int, dtype: ttnn.DataType, taps: bool = False) -> torch.Tensor:
    """Return the form of weights [outputs, inputs of a group, height, width]. The height may be missing."""
    weight = weight.unsqueeze(-2) if weight.ndim == 3 else weight
    form = weight.permute(2, 3, 1, 0)
    if taps or groups == 1 or dtype not in (ttnn.bfloat8_b, ttnn.bfloat4_b):
        return round_from_host(form.contiguous(), dtype)
    # but for taps, numbers share an exponent with their neighbours among the zeros between groups
    height, width, inputs, _ = form.shape
    rows = spread(form, groups).unflatten(2, (groups, inputs)).unflatten(-1, (groups, -1))
    kept = [round_from_host(rows[:, :, group].flatten(-2), dtype) for group in range(groups)]
    parts = [each.unflatten(-1, (groups, -1))[..., group, :] for group, each in enumerate(kept)]
    return torch.cat(parts, -1)


def spread(form: torch.Tensor, groups: int) -> torch.Tensor:
    """Return [height, width, inputs, outputs] of weights in their form, with zeros between groups."""
    if groups == 1:
        return form
    height, width, inputs, outputs = form.shape
    whole = form.new_zeros(height, width, groups, inputs, groups, outputs // groups)
    group = torch.arange(groups)
    whole[:, :, group, :, group] = form.unflatten(-1, (groups, -1)).permute(3, 0, 1, 2, 4)
    return whole.reshape(height, width, groups * inputs, outputs)


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
    "prepare_conv_weights": lambda weight, call: filters(
        weight,
        call["groups"],
        call["dtype"],
        are_taps(
            call["in_channels"],
            call["out_channels"],
            call["groups"],
            call["input_height"],
            call["kernel_size"][0],
            call["has_bias"],
        ),
    ),
    "prepare_conv_bias": lambda bias, call: bias_row(bias, call["dtype"]),
    "prepare_conv_transpose2d_weights": lambda weight, call: transposed_filters(
        weight, call["groups"], call["dtype"], call.get("mirror_kernel", True)
    ),
    "prepare_conv_transpose2d_bias": lambda bias, call: bias_row(bias, call["dtype"]),
}
