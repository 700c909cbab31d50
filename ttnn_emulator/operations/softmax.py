# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""Softmax.

Softmax over rows takes the steps of its kernel. Exponentials and their sums are operands of the matrix unit, which keep
11 bits. The library's default for bfloat16 is an exponential with an error of 2 %. Another kernel serves the other
dimensions, and these are computed in float32.
"""

from collections.abc import Callable
from typing import Any

import torch

from ttnn_emulator.arithmetic.compute_config import ComputeConfig
from ttnn_emulator.arithmetic.formats import truncate
from ttnn_emulator.arithmetic.sums import products, sum_of_products
from ttnn_emulator.arithmetic.units import matrix_add
from ttnn_emulator.device.registry import value
from ttnn_emulator.operations.flash import fast_exponential, pack, short_exponential
from ttnn_emulator.operations.support import compute_config, on_blackhole

_BITS = 11


@value("softmax", "softmax_in_place")
def softmax(input_tensor, dim: int = -1, *, numeric_stable: bool = True, compute_kernel_config: Any = None):
    if dim not in (-1, input_tensor.ndim - 1):
        return _in_float32(input_tensor.float(), dim, numeric_stable)
    return _rows(input_tensor.float(), numeric_stable, _config(input_tensor, compute_kernel_config))


@value("scale_mask_softmax", "scale_mask_softmax_in_place")
def scale_mask_softmax(
    input_tensor,
    scale: float | None = None,
    mask=None,
    *,
    is_causal_mask: bool = False,
    numeric_stable: bool = False,
    compute_kernel_config: Any = None,
):
    if mask is not None and not is_causal_mask:
        mask = mask.reshape(mask.shape[0], 1, -1, input_tensor.shape[-1])[:, :, :1]  # the first row is for all rows
    return _masked(input_tensor, scale, mask, numeric_stable, compute_kernel_config)


@value("scale_causal_mask_hw_dims_softmax_in_place")
def scale_causal_mask_hw_dims_softmax_in_place(
    input_tensor,
    scale: float | None = None,
    mask=None,
    *,
    numeric_stable: bool = False,
    compute_kernel_config: Any = None,
):
    return _masked(input_tensor, scale, mask, numeric_stable, compute_kernel_config)


def _masked(x: torch.Tensor, scale: float | None, mask: torch.Tensor | None, stable: bool, compute: Any):
    config = _config(x, compute)
    kept = _keeper(config)
    scaled = x.float()
    if scale is not None:
        scaled = kept(products(scaled, torch.tensor(scale).bfloat16().float(), config))
    if mask is not None:
        scaled = kept(matrix_add(scaled, mask.float(), config.wide))
    return _rows(scaled, stable, config)


def _config(x: torch.Tensor, compute: Any) -> ComputeConfig:
    """Return the compute configuration, in which `approximate` selects the fast exponential."""
    return compute_config(compute, "HiFi4" if on_blackhole() else "HiFi3", True, x.dtype != torch.float32)


def _rows(x: torch.Tensor, stable: bool, config: ComputeConfig) -> torch.Tensor:
    if stable:
        x = matrix_add(x, -truncate(x.amax(-1, keepdim=True), _BITS), config.wide)
    if config.approximate:
        powers = fast_exponential(x.clamp_min(-88.5), 1.0)
    else:
        powers = torch.exp(x) if config.wide else short_exponential(x)
    powers = truncate(_keeper(config)(powers), _BITS)
    total = sum_of_products(powers, torch.ones(x.shape[-1], 1), config)
    # a sum that overflows has the reciprocal 0, and to the matrix unit 0 times infinity is 0
    reciprocal = total.reciprocal() if config.wide else pack(pack(total).reciprocal())
    return torch.where(reciprocal == 0, 0.0, products(powers, reciprocal, config))


def _keeper(config: ComputeConfig) -> Callable[[torch.Tensor], torch.Tensor]:
    """Return what rounds between two steps. Float32 stays only if sums are float32 and the exponential is exact."""
    return (lambda value: value) if config.wide and not config.approximate else pack


def _in_float32(x: torch.Tensor, dim: int, stable: bool) -> torch.Tensor:
    result = torch.softmax(x, dim)
    return result if stable else torch.where(x.exp().sum(dim, keepdim=True).isinf(), 0.0, result)
