# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""Reductions, scans and searches along a dimension. Sums are kept in float32, in torch's order."""

from collections.abc import Callable, Sequence
from typing import Any

import torch

from ttnn_emulator.device.registry import value
from ttnn_emulator.device.step import Output
from ttnn_emulator.operations.support import convert, goldens, widen

goldens(
    {
        "input_tensor; dim keepdim scalar correction": "std var",
        "input_tensor; dim keepdim enable_secondary_dm": "argmax",
        "input_tensor": "std_hw var_hw",
        "input_tensor dim; dtype reverse_order": "cumprod",
        "input dim; dtype reverse_order disable_compensated_sum": "cumsum",
    }
)


def _register(name: str, function: Callable) -> None:
    # the golden functions turn integers into float32 for the sake of `scalar`
    @value(name)
    def reduce(
        input_tensor,
        dim: int | Sequence[int] | None = None,
        keepdim: bool = False,
        *,
        scalar: float = 1.0,
        correction: Any = None,
        outputs: list[Output],
    ):
        x = widen(input_tensor)
        dims = tuple(range(x.ndim)) if dim is None else (dim,) if isinstance(dim, int) else tuple(dim)
        result = function(x, dims) if x.ndim else x
        if scalar != 1.0:
            result = result * scalar
        return convert(result, outputs[0].dtype).reshape(outputs[0].shape)


for _name, _function in {
    "sum": torch.sum,
    "mean": lambda x, dims: torch.mean(x.float(), dims),
    "max": torch.amax,
    "min": torch.amin,
}.items():
    _register(_name, _function)


@value("prod")  # the golden function ignores keepdim where no dimension is given
def prod(input_tensor, dim: int | None = None, keepdim: bool = False, *, dims: Any = None, outputs: list[Output]):
    x = widen(input_tensor)
    for dimension in range(x.ndim) if dim is None and dims is None else dims or [dim]:
        x = torch.prod(x, dim=dimension, keepdim=True)
    return x.reshape(outputs[0].shape)


@value("topk")  # the golden function compares every value with every other to mark ties: too slow for a vocabulary
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


@value("ema")
def ema(input_tensor: torch.Tensor, alpha: float) -> torch.Tensor:
    """The exponential moving average along the last dimension: alpha of what was, the rest of what comes."""
    columns = list(input_tensor.float().unbind(-1))
    for place in range(1, len(columns)):
        columns[place] = alpha * columns[place - 1] + (1 - alpha) * columns[place]
    return torch.stack(columns, -1)


@value("experimental.intimg")
def intimg(input_tensor: torch.Tensor) -> torch.Tensor:
    """Of each channel of [1, W, H, C], the sums over all rectangles from the first corner on."""
    return input_tensor.float().cumsum(1).cumsum(2)


@value("moreh_dot")
def moreh_dot(input_tensor_a: torch.Tensor, input_tensor_b: torch.Tensor, *, dtype: Any = None, outputs: list[Output]):
    return (input_tensor_a.float() * input_tensor_b.float()).sum().reshape(outputs[0].shape)
