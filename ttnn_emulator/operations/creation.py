# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""Operations that make tensors. The library decides their shape and dtype; random ones are seeded as torch is.

A random operation with a seed gives the same numbers each time, not the machine's own; without one it draws from
torch's generator, so `torch.manual_seed` makes a program repeatable.
"""

from typing import Any

import torch

from ttnn_emulator.device.data_types import storage_dtype
from ttnn_emulator.device.memory import unwritten
from ttnn_emulator.device.registry import value
from ttnn_emulator.device.step import Output


def _filled(output: Output, fill_value: float) -> torch.Tensor:
    return torch.full(output.shape, fill_value, dtype=storage_dtype(output.dtype))


@value("zeros")
def zeros(shape, dtype=None, layout=None, device=None, memory_config=None, *, outputs: list[Output]):
    return _filled(outputs[0], 0)


@value("ones")
def ones(shape, dtype=None, layout=None, device=None, memory_config=None, *, outputs: list[Output]):
    return _filled(outputs[0], 1)


@value("full")
def full(
    shape,
    fill_value,
    dtype=None,
    layout=None,
    device=None,
    memory_config=None,
    optional_tensor=None,
    *,
    outputs: list[Output],
):
    return _filled(outputs[0], fill_value)


@value("zeros_like")
def zeros_like(
    tensor, dtype=None, layout=None, device=None, memory_config=None, optional_tensor=None, *, outputs: list[Output]
):
    return _filled(outputs[0], 0)


@value("ones_like")
def ones_like(
    tensor, dtype=None, layout=None, device=None, memory_config=None, optional_tensor=None, *, outputs: list[Output]
):
    return _filled(outputs[0], 1)


@value("full_like")
def full_like(
    tensor,
    fill_value,
    dtype=None,
    layout=None,
    device=None,
    memory_config=None,
    optional_tensor=None,
    *,
    outputs: list[Output],
):
    return _filled(outputs[0], fill_value)


@value("moreh_full_like")
def moreh_full_like(input, fill_value, dtype=None, layout=None, memory_config=None, *, outputs: list[Output]):
    return _filled(outputs[0], fill_value)


@value("moreh_full")
def moreh_full(shape, fill_value, device, *, dtype=None, layout=None, outputs: list[Output]):
    return _filled(outputs[0], fill_value)


@value("empty")
def empty(shape, dtype=None, layout=None, device=None, memory_config=None, *, outputs: list[Output]):
    return unwritten(outputs[0].dtype, outputs[0].shape)


@value("empty_like", operands=True)  # operands: the tensor it is like may hold nothing yet
def empty_like(tensor, *, dtype=None, layout=None, outputs: list[Output]):
    return unwritten(outputs[0].dtype, outputs[0].shape)


@value("allocate_tensor_on_device")
def allocate_tensor_on_device(
    shape=None,
    dtype=None,
    layout=None,
    mesh_device=None,
    memory_config=None,
    *,
    tensor_spec=None,
    outputs: list[Output],
):
    return unwritten(outputs[0].dtype, outputs[0].shape)


@value("arange")
def arange(*bounds, start: int = 0, end: int | None = None, step: int = 1, dtype=None, layout=None, outputs=None):
    if bounds:
        start, end, step = (start, bounds[0], step) if len(bounds) == 1 else (*bounds, step)[:3]
    return torch.arange(start, end, step).to(storage_dtype(outputs[0].dtype))


def _generator(seed: int | None) -> torch.Generator | None:
    return torch.Generator().manual_seed(seed) if seed else None


@value("rand")
def rand(
    shape,
    device,
    *,
    dtype=None,
    layout=None,
    low: float = 0.0,
    high: float = 1.0,
    seed: int = 0,
    outputs: list[Output],
):
    numbers = torch.rand(outputs[0].shape, generator=_generator(seed)) * (high - low) + low
    return numbers.to(storage_dtype(outputs[0].dtype))


@value("randn")
def randn(shape, device, *, dtype=None, layout=None, seed: int | None = None, outputs: list[Output]):
    return torch.randn(outputs[0].shape, generator=_generator(seed))


@value("uniform")  # "from" is no name in Python, hence the options
def uniform(input, *bounds, **options: Any):
    names = dict(zip(("from", "to", "seed"), bounds), **options)
    low, high = names.get("from", 0.0), names.get("to", 1.0)
    return torch.rand(input.shape, generator=_generator(names.get("seed", 0))) * (high - low) + low


@value("bernoulli")
def bernoulli(input, seed: int = 0, *, dtype=None):
    return torch.bernoulli(input.float(), generator=_generator(seed))
