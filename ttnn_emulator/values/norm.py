# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""Normalisations and softmax. A weight or bias may be packed as rows of 32: [1, 1, D / 32, 32].

rms_norm takes the steps of its kernel, each in the matrix unit; the others are computed in float32.
"""

from typing import Any

import torch

from ttnn_emulator.errors import UnsupportedOperation
from ttnn_emulator.numerics import round_to_bfloat16, round_to_tf32
from ttnn_emulator.registry import value
from ttnn_emulator.sums import products, sum_of_products
from ttnn_emulator.units import matrix_add

_SUMMED_IN_ORDER = 512  # squares of a row; in 16 bits the order matters much (2 % of 2560), in float32 little


@value("rms_norm")
def rms_norm(
    input_tensor,
    *,
    epsilon: float = 1e-12,
    weight=None,
    bias=None,
    residual_input_tensor=None,
    compute_kernel_config: Any = None,
):
    fidelity = compute_kernel_config.math_fidelity.name if compute_kernel_config else "HiFi4"
    wide = bool(compute_kernel_config and compute_kernel_config.fp32_dest_acc_en)
    x = input_tensor.float()
    if residual_input_tensor is not None:
        x = matrix_add(x, residual_input_tensor.float(), wide)
    deviation = torch.rsqrt(matrix_add(_mean_of_squares(x, fidelity, wide), torch.tensor(epsilon), wide))
    if not wide:
        deviation = deviation.bfloat16().float()
    result = products(*_alike(x, deviation), fidelity, wide)
    if weight is not None:
        result = products(*_alike(result, weight.float().reshape(-1)[: x.shape[-1]]), fidelity, wide)
    if bias is not None:
        result = matrix_add(result, bias.float().reshape(-1)[: x.shape[-1]], wide)
    return result


def _mean_of_squares(x: torch.Tensor, fidelity: str, wide: bool) -> torch.Tensor:
    squares = products(x, x, fidelity, wide)
    if wide and x.shape[-1] > _SUMMED_IN_ORDER:
        return squares.mean(-1, keepdim=True)
    kept = round_to_tf32(squares).unsqueeze(-1)
    total = sum_of_products(torch.ones(1, x.shape[-1]), kept, fidelity, wide).squeeze(-1) / x.shape[-1]
    return total if wide else round_to_bfloat16(total).float()


def _alike(a: torch.Tensor, b: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    a, b = torch.broadcast_tensors(a, b)
    return a.contiguous(), b.contiguous()


@value("layer_norm")  # the golden function cannot take a weight packed as rows of 32, and changes its input
def layer_norm(
    input_tensor, *, epsilon: float = 1e-12, weight=None, bias=None, residual_input_tensor=None, recip_tensor=None
):
    x = input_tensor.float()
    if residual_input_tensor is not None:
        x = x + residual_input_tensor.float()
    width = x.shape[-1]
    affine = [None if part is None else part.float().reshape(-1)[:width] for part in (weight, bias)]
    return torch.nn.functional.layer_norm(x, (width,), *affine, eps=epsilon)


@value("softmax", "softmax_in_place")  # the golden function takes every softmax for a stable one
def softmax(input_tensor, dim: int = -1, *, numeric_stable: bool = True):
    x = input_tensor.float()
    result = torch.softmax(x, dim)
    if numeric_stable:
        return result
    # a sum that overflows has the reciprocal 0, and to the matrix unit 0 times infinity is 0
    return torch.where(x.exp().sum(dim, keepdim=True).isinf(), 0.0, result)


def _masked_softmax(
    x: torch.Tensor, scale: float | None, mask: torch.Tensor | None, numeric_stable: bool
) -> torch.Tensor:
    x = x.float() * (1.0 if scale is None else scale)
    return softmax(x if mask is None else x + mask.float(), numeric_stable=numeric_stable)


@value("scale_mask_softmax", "scale_mask_softmax_in_place")
def scale_mask_softmax(
    input_tensor,
    scale: float | None = None,
    mask=None,
    *,
    is_causal_mask: bool = False,
    numeric_stable: bool = False,
):
    if mask is not None and not is_causal_mask:
        mask = mask.reshape(mask.shape[0], 1, -1, input_tensor.shape[-1])[:, :, :1]  # its first row masks every row
    return _masked_softmax(input_tensor, scale, mask, numeric_stable)


@value("scale_causal_mask_hw_dims_softmax_in_place")
def scale_causal_mask_hw_dims_softmax_in_place(
    input_tensor, scale: float | None = None, mask=None, *, numeric_stable: bool = False
):
    return _masked_softmax(input_tensor, scale, mask, numeric_stable)


@value("batch_norm", operands=True)
def batch_norm(
    input,
    *,
    running_mean=None,
    running_var=None,
    training: bool = False,
    eps: float = 1e-05,
    momentum: float = 0.1,
    weight=None,
    bias=None,
):
    if not training and (running_mean is None or running_var is None):
        raise UnsupportedOperation("ttnn.batch_norm: inference without running_mean and running_var is not emulated")
    x = input.value.float()
    mean, var, scale, shift = (
        None if part is None else part.value.float().reshape(-1) for part in (running_mean, running_var, weight, bias)
    )
    if not training:
        return torch.nn.functional.batch_norm(x, mean, var, scale, shift, eps=eps)
    variance, average = torch.var_mean(x, (0, 2, 3))
    for running, of_batch in ((running_mean, average), (running_var, variance)):
        if running is not None:
            old = running.value.float()
            running.own().copy_(running.round(torch.lerp(old, of_batch.reshape(old.shape), momentum)))
    return torch.nn.functional.batch_norm(x, None, None, scale, shift, training=True, eps=eps)
