# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""Reductions, scans and searches along a dimension.

The matrix unit computes sum and mean, dimension by dimension. The vector unit computes them for float32 tensors, unless
a program asks for 16-bit sums or the fast mode. The vector unit's sums, and those of all other operations here, are
torch's sums in float32.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from ttnn_emulator.arithmetic.compute_config import ComputeConfig
from ttnn_emulator.arithmetic.formats import round_to_bfloat16, truncate
from ttnn_emulator.arithmetic.sums import products, sum_of_products
from ttnn_emulator.device.registry import value
from ttnn_emulator.device.step import Output
from ttnn_emulator.operations.support import VECTOR, compute_config, convert, goldens, loaded, on_blackhole, widen

_TILE, _FACE = 32, 16

goldens({"input_tensor; dim keepdim scalar correction": "std var"}, only=VECTOR)
goldens(
    {
        "input_tensor; dim keepdim enable_secondary_dm": "argmax",
        "input_tensor": "std_hw var_hw",
        "input_tensor dim; dtype reverse_order": "cumprod",
        "input dim; dtype reverse_order disable_compensated_sum": "cumsum",
    }
)


@dataclass(frozen=True)
class _Unit:
    """The unit that reduces: the matrix unit, or the vector unit, which sees all bits of a float32."""

    compute: ComputeConfig
    vector: bool

    @classmethod
    def of(cls, x: torch.Tensor, compute: Any, fast: bool) -> "_Unit":
        """Return the settings as configured, or the library's choice."""
        config = compute_config(compute, "HiFi4" if on_blackhole() else "HiFi3", wide=True)
        return cls(config, x.dtype == torch.float32 and config.wide and not fast)

    def load(self, x: torch.Tensor) -> torch.Tensor:
        return x.float() if self.vector else loaded(x, self.compute.wide)

    def sum(self, x: torch.Tensor, dims: list[int], leading_first: bool, factor: float) -> torch.Tensor:
        """Sum over one dimension after the other, and keep them.

        The last step multiplies by the factor. Without `leading_first` the first step does, if there is a leading one.
        """
        if self.vector:
            return x.sum(dims, keepdim=True) * torch.tensor(factor)
        leading = [dim for dim in reversed(dims) if dim < x.ndim - 2]
        own = [dim for dim in reversed(dims) if dim >= x.ndim - 2]
        order = leading + own if leading_first else own + leading
        place = len(order) - 1 if leading_first or not leading else 0
        for step, dim in enumerate(order):
            x = self._sum_one(x, dim, factor if step == place else 1.0, leading_first)
        return x

    def _sum_one(self, x: torch.Tensor, dim: int, factor: float, leading_first: bool) -> torch.Tensor:
        unwritten = x.isnan().any(dim, keepdim=True)
        factors = torch.full((1, x.shape[dim]), factor)
        if dim == x.ndim - 1:
            result = sum_of_products(x, self._keep(factors).mT, self.compute)
        elif dim == x.ndim - 2 or not leading_first:  # the library transposes a leading dimension
            rows = x.transpose(dim, -2)
            result = sum_by_faces(self._keep(factors), rows, self.compute).transpose(dim, -2)
        else:
            result = add_in_turn(x, dim, self.compute.wide) * factor
        return torch.where(unwritten, torch.nan, result)

    def _keep(self, factors: torch.Tensor) -> torch.Tensor:
        """Return factors as they lie in a tile of bfloat16: truncated."""
        return truncate(factors, 8)


def sum_by_faces(factors: torch.Tensor, rows: torch.Tensor, compute: ComputeConfig) -> torch.Tensor:
    """Return factors @ rows. A sum over rows takes all phases of one face before the next face, unlike a product."""
    total = None
    for some, face in zip(factors.split(_FACE, -1), rows.split(_FACE, -2)):
        total = sum_of_products(some, face, compute, before=total)
    return total


def add_in_turn(x: torch.Tensor, dim: int, wide: bool) -> torch.Tensor:
    """Sum over one dimension and keep it. Tile after tile is added to the register."""
    first, *others = x.split(1, dim)
    for other in others:
        first = first + other if wide else round_to_bfloat16(first + other).float()
    return first


def _places(dim: int | Sequence[int] | None, x: torch.Tensor) -> list[int]:
    dims = range(x.ndim) if dim is None else [dim] if isinstance(dim, int) else dim
    return sorted(each % x.ndim for each in dims)


def _register(name: str, floats: Callable, integers: Callable) -> None:
    # the golden functions make float32 of integers, because of `scalar`
    @value(name)
    def reduce(
        input_tensor,
        dim: int | Sequence[int] | None = None,
        keepdim: bool = False,
        *,
        scalar: float = 1.0,
        correction: Any = None,
        compute_kernel_config: Any = None,
        fast_and_approximate_mode: bool = False,
        outputs: list[Output],
    ):
        x = widen(input_tensor)
        dims = _places(dim, x)
        if not dims:
            result = x * scalar
        elif x.is_floating_point():
            unit = _Unit.of(input_tensor, compute_kernel_config, fast_and_approximate_mode)
            result = floats(unit, unit.load(x), dims, scalar)
        else:
            result = integers(x, dims)
            result = result if scalar == 1.0 else result * scalar
        return convert(result, outputs[0].dtype).reshape(outputs[0].shape)


def _mean(unit: _Unit, x: torch.Tensor, dims: list[int], scalar: float) -> torch.Tensor:
    return unit.sum(x, dims, False, scalar / math.prod(x.shape[dim] for dim in dims))


_register("sum", lambda unit, x, dims, scalar: unit.sum(x, dims, True, scalar), torch.sum)
_register("mean", _mean, lambda x, dims: torch.mean(x.float(), dims))
_register("max", lambda _, x, dims, scalar: torch.amax(x, dims) * scalar, torch.amax)
_register("min", lambda _, x, dims, scalar: torch.amin(x, dims) * scalar, torch.amin)


@value("prod")  # not the golden function: it ignores keepdim where no dimension is given
def prod(input_tensor, dim: int | None = None, keepdim: bool = False, *, dims: Any = None, outputs: list[Output]):
    x = widen(input_tensor)
    for dimension in range(x.ndim) if dim is None and dims is None else dims or [dim]:
        x = torch.prod(x, dim=dimension, keepdim=True)
    return x.reshape(outputs[0].shape)


@value("topk")  # not the golden function: it compares each value with each other, too slow for a vocabulary
def topk(
    input_tensor,
    k: int = 32,
    dim: int = -1,
    largest: bool = True,
    sorted: bool = True,
    *,
    indices_tensor=None,
    stable: bool = False,
):
    values, indices = torch.sort(input_tensor, dim=dim, descending=largest, stable=True)
    values, indices = values.narrow(dim, 0, k), indices.narrow(dim, 0, k)
    return values, indices if indices_tensor is None else torch.gather(indices_tensor, dim, indices)


@value("plus_one")
def plus_one(input_tensor, sub_core_grids=None, skip_negative_entries: bool = False):
    if skip_negative_entries:
        return torch.where(input_tensor >= 0, input_tensor + 1, input_tensor)
    return input_tensor + 1


@value("ema", only=VECTOR)
def ema(input_tensor: torch.Tensor, alpha: float) -> torch.Tensor:
    """Return the exponential moving average along the last dimension; `alpha` is the weight of the past."""
    columns = list(input_tensor.float().unbind(-1))
    for place in range(1, len(columns)):
        columns[place] = alpha * columns[place - 1] + (1 - alpha) * columns[place]
    return torch.stack(columns, -1)


@value("experimental.intimg")
def intimg(input_tensor: torch.Tensor) -> torch.Tensor:
    """Return the sums over all rectangles from the first corner on, for each channel of [1, W, H, C]."""
    return input_tensor.float().cumsum(1).cumsum(2)


@value("moreh_dot")
def moreh_dot(
    input_tensor_a: torch.Tensor,
    input_tensor_b: torch.Tensor,
    *,
    dtype: Any = None,
    compute_kernel_config: Any = None,
    outputs: list[Output],
):
    """Add the products of tile after tile to the register."""
    config = compute_config(compute_kernel_config)
    terms = products(input_tensor_a.float().reshape(1, -1), input_tensor_b.float().reshape(1, -1), config)
    total = torch.zeros(1, 1)
    for tile in terms.split(_TILE, -1):
        total = sum_of_products(truncate(tile, 11), torch.ones(tile.shape[-1], 1), config, total)
    return total.reshape(outputs[0].shape)
