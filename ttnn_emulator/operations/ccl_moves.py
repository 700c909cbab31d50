# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""Collectives that move values: from one chip to others, between neighbours, or from one dimension to another."""

from collections.abc import Sequence
from typing import Any

import torch

import ttnn
from ttnn_emulator.device.memory import unwritten
from ttnn_emulator.device.registry import value
from ttnn_emulator.device.step import Output
from ttnn_emulator.operations.ccl import Chips, all_gather, each_line, lines


@value("broadcast", mesh=True)
def broadcast(
    input_tensor: Chips,
    sender_coord: ttnn.MeshCoordinate,
    *,
    cluster_axis: int | None = None,
    mesh_shape: tuple[int, int],
) -> Chips:
    """Send the sender's tensor to all chips of its line. The other lines keep their tensors."""
    sender, results = _number(sender_coord, mesh_shape), list(input_tensor)
    for line in lines(mesh_shape, cluster_axis):
        if sender in line:
            for chip in line:
                results[chip] = input_tensor[sender]
    return results


@value("point_to_point", mesh=True)
def point_to_point(
    input_tensor: Chips,
    sender_coord: ttnn.MeshCoordinate,
    receiver_coord: ttnn.MeshCoordinate,
    *,
    output_tensor: Chips | None = None,
    mesh_shape: tuple[int, int],
    outputs: list[Output],
) -> Chips:
    """Send the sender's tensor to the receiver. The other chips' memory stays as it was."""
    if output_tensor is None:
        output_tensor = [unwritten(outputs[0].dtype, outputs[0].shape)] * len(input_tensor)
    results = list(output_tensor)
    results[_number(receiver_coord, mesh_shape)] = input_tensor[_number(sender_coord, mesh_shape)]
    return results


@value("experimental.all_to_all_async_generic", mesh=True)
def all_to_all_async_generic(
    input_tensor: Chips, in_dim: int, out_dim: int, *, cluster_axis: int | None = None, mesh_shape: tuple[int, int]
) -> Chips:
    """Split over the chips in dimension `out_dim` what was split over them in dimension `in_dim`."""

    def exchange(group: Chips) -> Chips:
        pieces = [tensor.chunk(len(group), out_dim) for tensor in group]
        return [torch.cat([piece[chip] for piece in pieces], in_dim) for chip in range(len(group))]

    return each_line(exchange, input_tensor, cluster_axis, mesh_shape)


@value("experimental.all_to_all_async", mesh=True)
def all_to_all_async(
    input_tensor: Chips,
    persistent_intermediate_buffer: Chips,
    persistent_output_buffer: Chips,
    in_dim: int,
    out_dim: int,
    multi_device_global_semaphore: Any = None,
    *,
    mesh_shape: tuple[int, int],
) -> Chips:
    return all_to_all_async_generic(input_tensor, in_dim, out_dim, mesh_shape=mesh_shape)


@value("experimental.strided_all_gather_async", mesh=True)
def strided_all_gather_async(
    input_tensor: Chips,
    persistent_output_buffer: Chips | None,
    dim: int,
    multi_device_global_semaphore: Any = None,
    *,
    cluster_axis: int | None = None,
    mesh_shape: tuple[int, int],
) -> Chips:
    """Gather as `all_gather`. The card gathers tiles in the order in which a matmul takes them."""
    return all_gather(input_tensor, dim, cluster_axis=cluster_axis, mesh_shape=mesh_shape)


@value("experimental.ring_attention_all_gather_async", mesh=True)
def ring_attention_all_gather_async(
    input_tensor: list[Chips],
    persistent_output_buffer: list[Chips],
    dim: int,
    *,
    cluster_axis: int,
    mesh_shape: tuple[int, int],
) -> tuple[Chips, ...]:
    """Gather the other chips' parts. A chip's own part of its buffer stays as it was: attention does not read it."""

    def gather(chips: Chips, buffers: Chips) -> Chips:
        results: list = [None] * len(chips)
        for line in lines(mesh_shape, cluster_axis):
            for place, chip in enumerate(line):
                size = chips[chip].shape[dim]
                parts = [chips[other] for other in line]
                parts[place] = buffers[chip].narrow(dim, place * size, size)
                results[chip] = torch.cat(parts, dim)
        return results

    return tuple(gather(*pair) for pair in zip(input_tensor, persistent_output_buffer))


@value("experimental.slice_reshard_async", mesh=True)
def slice_reshard_async(
    input_tensor: Chips,
    dim: int,
    output_dim_offset: int,
    output_dim_shape: int,
    cluster_axis: int,
    final_semaphore: Any = None,
    barrier_semaphore: Any = None,
    *,
    mesh_shape: tuple[int, int],
) -> Chips:
    """Split a part of a dimension evenly over the chips, with zeros beyond the end."""

    def reshard(group: Chips) -> Chips:
        whole = torch.cat(group, dim)
        found = min(output_dim_shape, whole.shape[dim] - output_dim_offset)
        part = whole.narrow(dim, output_dim_offset, found)
        beyond = list(part.shape)
        beyond[dim] = output_dim_shape - found
        return list(torch.cat([part, part.new_zeros(beyond)], dim).chunk(len(group), dim))

    return each_line(reshard, input_tensor, cluster_axis, mesh_shape)


@value("experimental.neighbor_pad_async", mesh=True)
def neighbor_pad_async(
    input_tensor: Chips,
    dim: Sequence[int],
    padding_left: Sequence[int],
    padding_right: Sequence[int],
    padding_mode: str,
    cluster_axis: Sequence[int],
    neighbor_semaphore: Any = None,
    barrier_semaphore: Any = None,
    *,
    mesh_shape: tuple[int, int],
) -> Chips:
    """Pad each chip's tensor with the edges of its neighbours, one dimension after the other."""
    chips = input_tensor
    for one_dim, left, right, axis in zip(dim, padding_left, padding_right, cluster_axis):

        def pad(group: Chips, d: int = one_dim, left: int = left, right: int = right) -> Chips:
            before = [_outside(group[0].narrow(d, 0, 1), d, left, padding_mode)]
            before += [tensor.narrow(d, tensor.shape[d] - left, left) for tensor in group[:-1]]
            after = [tensor.narrow(d, 0, right) for tensor in group[1:]]
            after += [_outside(group[-1].narrow(d, group[-1].shape[d] - 1, 1), d, right, padding_mode)]
            return [torch.cat(parts, d) for parts in zip(before, group, after)]

        chips = each_line(pad, chips, axis, mesh_shape)
    return chips


def _outside(edge: torch.Tensor, dim: int, size: int, mode: str) -> torch.Tensor:
    """Return what lies beyond the first or the last chip: zeros, or copies of the edge."""
    return (edge if mode == "replicate" else torch.zeros_like(edge)).repeat_interleave(size, dim)


def _number(coordinate: ttnn.MeshCoordinate, mesh_shape: tuple[int, int]) -> int:
    return coordinate[0] * mesh_shape[1] + coordinate[1]
