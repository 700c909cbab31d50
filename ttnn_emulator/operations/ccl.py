# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""Collectives: operations that move values between the chips of a mesh.

A value is a list of the chips' tensors, row by row of the mesh. The wheel's golden functions take one composed tensor,
so they are of no use here. Sums are float32 and rounded once. A card rounds after every hop. The math fidelity does not
change a sum. 16-bit sums change only sums of float32, and sums of more than two tensors in a register.
"""

from collections.abc import Callable
from typing import Any

import torch

import ttnn
from ttnn_emulator.device.registry import value
from ttnn_emulator.errors import UnsupportedOperation
from ttnn_emulator.operations.reduction import add_in_turn
from ttnn_emulator.operations.support import compute_config

Chips = list[torch.Tensor]


@value("all_gather", mesh=True, parts=True)
def all_gather(input_tensor: Chips, dim: int, *, cluster_axis: int | None = None, mesh_shape: tuple[int, int]) -> Chips:
    def gather(group: Chips) -> Chips:
        return [torch.cat(group, dim)] * len(group)

    return each_line(gather, input_tensor, cluster_axis, mesh_shape)


@value("reduce_scatter", mesh=True, parts=True)
def reduce_scatter(
    input_tensor: Chips,
    dim: int,
    *,
    cluster_axis: int | None = None,
    compute_kernel_config: Any = None,
    mesh_shape: tuple[int, int],
) -> Chips:
    if input_tensor[0].dtype == torch.float32 and not compute_config(compute_kernel_config, wide=True).wide:
        raise UnsupportedOperation("16-bit sums of the chips' float32 tensors are not emulated")

    def scatter(group: Chips) -> Chips:
        return list(_sum(group).chunk(len(group), dim))

    return each_line(scatter, input_tensor, cluster_axis, mesh_shape)


@value("all_reduce", mesh=True)
def all_reduce(input_tensor: Chips, *, cluster_axis: int | None = None, mesh_shape: tuple[int, int]) -> Chips:
    def reduce(group: Chips) -> Chips:
        return [_sum(group)] * len(group)

    return each_line(reduce, input_tensor, cluster_axis, mesh_shape)


@value("all_broadcast", mesh=True)
def all_broadcast(
    input_tensor: Chips, *, cluster_axis: int | None = None, mesh_shape: tuple[int, int]
) -> tuple[Chips, ...]:
    """Return one result for each chip of a group: that chip's tensor, on all chips of the group."""
    size = mesh_shape[0] * mesh_shape[1] if cluster_axis is None else mesh_shape[cluster_axis]

    def one(source: int) -> Chips:
        return each_line(lambda group: [group[source]] * len(group), input_tensor, cluster_axis, mesh_shape)

    return tuple(one(source) for source in range(size))


@value("mesh_partition", mesh=True)
def mesh_partition(
    input_tensor: Chips, dim: int, cluster_axis: int | None = None, *, mesh_shape: tuple[int, int]
) -> Chips:
    """Keep on each chip its part of its own tensor."""

    def partition(group: Chips) -> Chips:
        return [tensor.chunk(len(group), dim)[place] for place, tensor in enumerate(group)]

    return each_line(partition, input_tensor, cluster_axis, mesh_shape)


@value("experimental.all_gather_async", mesh=True, parts=True)
def all_gather_async(
    input_tensor: Chips,
    *places: Any,
    dim: int | None = None,
    cluster_axis: int | None = None,
    mesh_shape: tuple[int, int],
) -> Chips:
    """Gather as `all_gather`. Overloads have buffers, semaphores and the mesh between the dimension and the axis."""
    dim, cluster_axis = _numbers(places, dim, cluster_axis)
    return all_gather(input_tensor, dim, cluster_axis=cluster_axis, mesh_shape=mesh_shape)


@value("experimental.reduce_scatter_minimal_async", mesh=True, parts=True)
def reduce_scatter_minimal_async(
    input_tensor: Chips,
    *places: Any,
    dim: int | None = None,
    cluster_axis: int | None = None,
    compute_kernel_config: Any = None,
    mesh_shape: tuple[int, int],
) -> Chips:
    dim, cluster_axis = _numbers(places, dim, cluster_axis)
    return reduce_scatter(
        input_tensor,
        dim,
        cluster_axis=cluster_axis,
        compute_kernel_config=compute_kernel_config,
        mesh_shape=mesh_shape,
    )


@value("experimental.all_reduce_async", mesh=True)
def all_reduce_async(
    input_tensor: Chips,
    *places: Any,
    num_devices: int | None = None,
    cluster_axis: int | None = None,
    math_op: ttnn.ReduceType = ttnn.ReduceType.Sum,
    buffer_tensor: Chips | None = None,
    dtype: ttnn.DataType | None = None,
    fp32_dest_acc: bool = False,
    mesh_shape: tuple[int, int],
) -> Chips:
    """Reduce as `all_reduce`. In overloads without a mesh device the first number counts devices and is no axis.

    With a buffer each chip gathers all tensors, and adds them to a register in pairs.
    """
    operators = [place for place in places if isinstance(place, ttnn.ReduceType)] or [math_op]
    if operators[0] != ttnn.ReduceType.Sum:
        raise UnsupportedOperation(f"ttnn.experimental.all_reduce_async: {operators[0]} is not emulated")
    if any(isinstance(place, ttnn.MeshDevice) for place in places):
        cluster_axis = _numbers(places, None, None)[0]
    if buffer_tensor is not None or (places and isinstance(places[0], list) and torch.is_tensor(places[0][0])):
        if cluster_axis is None:
            cluster_axis = _numbers(places, None, None)[0]

        def add_pairs(group: Chips) -> Chips:
            if len(group) % 2:
                raise UnsupportedOperation(f"ttnn.experimental.all_reduce_async: {len(group)} chips make no pairs")
            pairs = [a.float() + b.float() for a, b in zip(group[::2], group[1::2])]
            return [add_in_turn(torch.stack(pairs), 0, fp32_dest_acc).squeeze(0)] * len(group)

        return each_line(add_pairs, input_tensor, cluster_axis, mesh_shape)
    return all_reduce(input_tensor, cluster_axis=cluster_axis, mesh_shape=mesh_shape)


def lines(mesh_shape: tuple[int, int], cluster_axis: int | None) -> list[list[int]]:
    """Return the numbers of the chips of each group: the chips along one axis of the mesh, or all chips."""
    numbers = torch.arange(mesh_shape[0] * mesh_shape[1]).reshape(tuple(mesh_shape))
    groups = numbers.reshape(1, -1) if cluster_axis is None else numbers.movedim(cluster_axis, -1).flatten(0, -2)
    return groups.tolist()


def each_line(
    function: Callable[[Chips], Chips], chips: Chips, cluster_axis: int | None, mesh_shape: tuple[int, int]
) -> Chips:
    """Apply `function` to the chips of each group: the chips along one axis of the mesh, or all chips."""
    results: list = [None] * len(chips)
    for line in lines(mesh_shape, cluster_axis):
        for chip, result in zip(line, function([chips[chip] for chip in line])):
            results[chip] = result
    return results


def _sum(group: Chips) -> torch.Tensor:
    whole = not group[0].is_floating_point()
    return sum(tensor if whole else tensor.float() for tensor in group)


def _numbers(places: tuple, dim: int | None, cluster_axis: int | None) -> tuple[Any, int | None]:
    """Return the dimension and the axis, which may be the numbers among the positional arguments."""
    given = [place for place in places if isinstance(place, int)]
    if dim is None and given:
        dim = given.pop(0)
    return dim, given[0] if given else cluster_axis
