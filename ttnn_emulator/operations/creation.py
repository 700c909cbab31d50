# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""Operations that make tensors. The library decides their shape and dtype.

Random numbers are torch's, not the machine's. With a seed an operation gives the same numbers each time. Without a seed
it draws from torch's global generator, which `torch.manual_seed` makes repeatable.
"""

import torch

from ttnn_emulator.device.data_types import storage_dtype
from ttnn_emulator.device.memory import unwritten
from ttnn_emulator.device.registry import value
from ttnn_emulator.device.step import Output
from ttnn_emulator.operations.support import store


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


@value("empty", allocates=True)
def empty(shape, dtype=None, layout=None, device=None, memory_config=None, *, outputs: list[Output]):
    return unwritten(outputs[0].dtype, outputs[0].shape)


@value("empty_like", operands=True, allocates=True)  # operands, because `tensor` may not have been written yet
def empty_like(tensor, *, dtype=None, layout=None, outputs: list[Output]):
    return unwritten(outputs[0].dtype, outputs[0].shape)


@value("allocate_tensor_on_device", allocates=True)
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


@value("fill_rm", "fill_ones_rm")
def fill_rm(N, C, H, W, hOnes, wOnes, any, val_hi: float = 1.0, val_lo: float = 0.0, *, outputs: list[Output]):
    filled = _filled(outputs[0], val_lo)
    filled[..., :hOnes, :wOnes] = val_hi
    return filled


@value("arange")
def arange(*bounds, start: int = 0, end: int | None = None, step: int = 1, dtype=None, layout=None, outputs=None):
    if bounds:
        start, end, step = (start, bounds[0], step) if len(bounds) == 1 else (*bounds, step)[:3]
    return torch.arange(start, end, step).to(storage_dtype(outputs[0].dtype))


_DRAWN = {"compute_kernel_config": "the numbers are torch's, not the kernel's"}


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


@value("randn", without_effect=_DRAWN)
def randn(shape, device, *, dtype=None, layout=None, seed: int | None = None, outputs: list[Output]):
    return torch.randn(outputs[0].shape, generator=_generator(seed))


@value("uniform", without_effect=_DRAWN)  # `from` is a keyword of Python, so that bound comes by position
def uniform(input, *bounds, to: float = 1.0, seed: int = 0):
    low, high, seed = (*bounds, *(0.0, to, seed)[len(bounds) :])
    return torch.rand(input.shape, generator=_generator(seed)) * (high - low) + low


@value("bernoulli", without_effect=_DRAWN)
def bernoulli(input, seed: int = 0, *, dtype=None):
    return torch.bernoulli(input.float(), generator=_generator(seed))


@value("experimental.dropout", mesh=True)
def dropout(input_tensor, probability: float, scale: float, seed: int, *, use_per_device_seed: bool = True):
    """Scale the numbers that are kept. Each chip draws with a seed of its own, or all draw the same numbers."""
    seeds = [seed + chip if use_per_device_seed else seed for chip in range(len(input_tensor))]
    return [_drop(*each, probability, scale) for each in zip(input_tensor, seeds)]


def _drop(x: torch.Tensor, seed: int, probability: float, scale: float) -> torch.Tensor:
    kept = torch.rand(x.shape, generator=torch.Generator().manual_seed(seed)) >= probability
    return torch.where(kept, store(x.float() * scale, "dropout", x.dtype == torch.float32), 0.0)
