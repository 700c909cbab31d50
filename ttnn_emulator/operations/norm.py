# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""Normalisations. A weight or bias may be packed as rows of 32: [1, 1, D / 32, 32].

rms_norm and layer_norm take the steps of their kernel, all in the matrix unit. batch_norm with a 16-bit register takes
the steps of its kernels. Other norms are computed in float32.
"""

from collections.abc import Iterable
from typing import Any

import torch

import ttnn
from ttnn_emulator.arithmetic import vector_functions
from ttnn_emulator.arithmetic.compute_config import ComputeConfig
from ttnn_emulator.arithmetic.formats import round_to_bfloat16, truncate
from ttnn_emulator.arithmetic.native import function
from ttnn_emulator.arithmetic.sums import products
from ttnn_emulator.arithmetic.units import matrix_add
from ttnn_emulator.device.registry import value
from ttnn_emulator.device.step import Operand
from ttnn_emulator.errors import UnsupportedOperation
from ttnn_emulator.operations.support import compute_config, on_blackhole, store

_TILE = 32


@value("rms_norm")
def rms_norm(
    input_tensor,
    *,
    epsilon: float = 1e-12,
    weight=None,
    bias=None,
    residual_input_tensor=None,
    program_config: Any = None,
    compute_kernel_config: Any = None,
):
    parts = (residual_input_tensor, weight, bias)
    return _normalize(
        input_tensor, *parts, epsilon, False, sharding(program_config), compute_config(compute_kernel_config)
    )


@value("layer_norm")  # the golden function cannot take a weight packed as rows of 32, and changes its input
def layer_norm(
    input_tensor,
    *,
    epsilon: float = 1e-12,
    weight=None,
    bias=None,
    residual_input_tensor=None,
    recip_tensor=None,
    program_config: Any = None,
    compute_kernel_config: Any = None,
):
    parts, compute = (residual_input_tensor, weight, bias), compute_config(compute_kernel_config, wide=True)
    if not getattr(program_config, "use_welford", False):
        return _normalize(input_tensor, *parts, epsilon, True, sharding(program_config), compute)
    # Welford's method is another kernel, whose steps are not emulated: float32 from the rounded inputs
    x = input_tensor.float() if compute.wide else truncate(input_tensor.float(), 8)
    if residual_input_tensor is not None:
        x = matrix_add(x, residual_input_tensor.float(), compute.wide)
    affine = [None if part is None else _row(part, x.shape[-1]) for part in (weight, bias)]
    return torch.nn.functional.layer_norm(x, x.shape[-1:], *affine, eps=epsilon)


def sharding(program: Any) -> tuple[int, int]:
    """Return how many columns lie on each core, and how many cores a row of cores has, or zeros if not sharded.

    `legacy_reduction` is refused: it sums in another precision. The library says that `legacy_rsqrt` has no effect.
    """
    if getattr(program, "legacy_reduction", False):
        raise UnsupportedOperation("a norm's sums with legacy_reduction in its program config are not emulated")
    if not isinstance(program, ttnn.LayerNormShardedMultiCoreProgramConfig):
        return 0, 0
    return _TILE * program.block_w, program.compute_with_storage_grid_size.x


def _normalize(
    x: torch.Tensor,
    residual: torch.Tensor | None,
    weight: torch.Tensor | None,
    bias: torch.Tensor | None,
    epsilon: float,
    subtracts_mean: bool,
    columns_and_cores: tuple[int, int],
    compute: ComputeConfig,
) -> torch.Tensor:
    """Take the steps of the kernels of rms_norm and layer_norm (`arithmetic/native/norm.h`)."""
    result, width = x.to(torch.float32, copy=True, memory_format=torch.contiguous_format), x.shape[-1]
    operands = (
        None if residual is None else residual.contiguous(),
        *(None if part is None else part.reshape(-1)[:width] for part in (weight, bias)),
    )
    function("norm_rows")(
        *(result, result.numel() // width, width),
        *(setting for part in operands for setting in (part, part is not None and part.dtype == torch.float32)),
        *(epsilon, subtracts_mean, *columns_and_cores, compute.phases, compute.wide, on_blackhole()),
    )
    return result


def _row(part: torch.Tensor, width: int) -> torch.Tensor:
    return part.float().reshape(-1)[:width]


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
    compute_kernel_config: Any = None,
):
    if not training and (running_mean is None or running_var is None):
        raise UnsupportedOperation("ttnn.batch_norm: inference without running_mean and running_var is not emulated")
    operands = (input, running_mean, running_var, weight, bias)
    x, mean, var, scale, shift = (None if part is None else part.value.float() for part in operands)
    compute = compute_config(compute_kernel_config, wide=True)
    steps = None if compute.wide else _Steps16(operands, compute)
    if training:
        variance, average = torch.var_mean(x, (0, 2, 3), keepdim=True)
        for running, of_batch in ((running_mean, average), (running_var, variance)):
            if running is not None:
                old = running.value.float().reshape(of_batch.shape)
                new = steps.blend(old, of_batch, momentum) if steps else torch.lerp(old, of_batch, momentum)
                running.own().copy_(running.round(new.reshape(running.value.shape)))
        mean, var = average, x.var((0, 2, 3), unbiased=False, keepdim=True)
    if steps:
        return steps.normalize(x, mean, var, eps, scale, shift)
    mean, var, scale, shift = (None if part is None else part.flatten() for part in (mean, var, scale, shift))
    return torch.nn.functional.batch_norm(x, mean, var, scale, shift, eps=eps)


class _Steps16:
    """The steps of batch_norm's kernels with a 16-bit register.

    The vector unit takes them where a tensor is float32, and it has no math fidelity. Else the matrix unit takes them.
    """

    def __init__(self, operands: Iterable[Operand | None], compute: ComputeConfig):
        self._vector = any(operand is not None and operand.dtype == ttnn.float32 for operand in operands)
        self._compute = compute

    def normalize(self, x, mean, var, eps: float, scale, shift) -> torch.Tensor:
        shifted = self._add(self._load(var), self._load(torch.tensor(eps)))
        root = vector_functions.apply("rsqrt", shifted, wide=False, blackhole=on_blackhole())
        result = self._add(self._load(x), -self._load(mean))
        for factor in (root, scale):
            result = result if factor is None else self._multiply(result, self._load(factor))
        return result if shift is None else self._add(result, self._load(shift))

    def blend(self, old: torch.Tensor, new: torch.Tensor, momentum: float) -> torch.Tensor:
        share = self._load(torch.tensor(momentum))
        kept = self._multiply(self._add(torch.tensor(1.0), -share), self._load(old))
        return store(kept + self._multiply(share, self._load(new)), "add_unary_sfpu", wide=False)

    def _load(self, value: torch.Tensor) -> torch.Tensor:
        """Return a tensor as the register gets it: float32 is truncated, statistics in bfloat16 were rounded before."""
        return truncate(value, 8) if self._vector else round_to_bfloat16(value).float()

    def _add(self, a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
        return store(a + b, "add_unary_sfpu", wide=False) if self._vector else matrix_add(a, b, wide=False)

    def _multiply(self, a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
        if self._vector:
            return store(a * b, "mul", wide=False)
        return products(a, b, self._compute)
