# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""Experts spread over the chips of a mesh: tokens are sent to their experts, and results are sent back.

The mapping tensor [1, 1, experts, chips] says which chip has which expert. The rows of tokens that no chip sent are NaN
here. On a card these rows keep what the memory held before.
"""

import torch

from ttnn_emulator.device.registry import value
from ttnn_emulator.device.step import Output
from ttnn_emulator.operations.ccl import Chips, all_gather, lines, reduce_scatter


@value("all_to_all_dispatch", mesh=True)
def all_to_all_dispatch(
    input_tensor: Chips,
    expert_indices_tensor: Chips,
    expert_mapping_tensor: Chips,
    *,
    cluster_axis: int | None = None,
    output_concat_dim: int | None = 1,
    mesh_shape: tuple[int, int],
) -> tuple[Chips, Chips]:
    """Send tokens [1, B, S, H] to the chips of a line whose experts they chose, and all choices to all chips."""
    tokens, choices = (
        all_gather(
            [tensor.flatten(1, 2).unsqueeze(0) for tensor in chips],
            output_concat_dim,
            cluster_axis=cluster_axis,
            mesh_shape=mesh_shape,
        )
        for chips in (input_tensor, expert_indices_tensor)
    )
    sent = []
    for chip, mapping in enumerate(expert_mapping_tensor):
        wanted = mapping[0, 0, :, chip].bool()[choices[chip].long()].any(-1, keepdim=True)
        sent.append(torch.where(wanted, tokens[chip], float("nan")))
    return sent, choices


@value("all_to_all_combine", mesh=True)
def all_to_all_combine(
    input_tensor: Chips,
    expert_metadata_tensor: Chips,
    expert_mapping_tensor: Chips,
    *,
    local_reduce: bool = False,
    output_shard_dim: int | None = 1,
    cluster_axis: int | None = None,
    mesh_shape: tuple[int, int],
) -> Chips:
    """Combine [own experts, B, S, H] of the chips of a line to the k results of each token, [k, B, S, H], split again.

    With `local_reduce` a chip has one result for all its experts of a token, which becomes that of the first choice.
    """
    results: list = [None] * len(input_tensor)
    for line in lines(mesh_shape, cluster_axis):
        choices = expert_metadata_tensor[line[0]].reshape(*input_tensor[line[0]].shape[1:3], -1)
        combined = input_tensor[line[0]].new_full((choices.shape[-1], *input_tensor[line[0]].shape[1:]), float("nan"))
        for chip in line:
            experts = expert_mapping_tensor[chip][0, 0, :, chip].nonzero().flatten()
            free = torch.ones(choices.shape[:2], dtype=torch.bool)  # tokens without a result of this chip
            for place, expert in enumerate(experts):
                chosen = choices == expert
                if local_reduce:
                    chosen = chosen & free.unsqueeze(-1)
                    free &= ~chosen.any(-1)
                batch, position, k = chosen.nonzero(as_tuple=True)
                combined[k, batch, position] = input_tensor[chip][0 if local_reduce else place, batch, position]
        for chip, part in zip(line, combined.chunk(len(line), output_shard_dim)):
            results[chip] = part
    return results


@value("moe_expert_token_remap", mesh=True)
def moe_expert_token_remap(
    topk_tensor: Chips,
    expert_mapping_tensor: Chips,
    expert_metadata_tensor: Chips,
    *,
    reduction_size: int = 16,
    outputs: list[Output],
) -> tuple[Chips, Chips]:
    """Return the scores of each chip's own experts, and which of them each group of `reduction_size` tokens uses.

    The score of an expert that a token did not choose is zero.
    """
    scores, used = [], []
    for chip, mapping in enumerate(expert_mapping_tensor):
        experts = mapping[0, 0, :, chip].nonzero().flatten()
        chosen = (expert_metadata_tensor[chip].unsqueeze(-1) == experts).any(-2)
        own = torch.where(chosen, topk_tensor[chip][..., experts], 0)
        scores.append(own.reshape(outputs[0].shape))
        groups = (own != 0).reshape(-1, reduction_size, len(experts))
        used.append(groups.any(1).long().reshape(outputs[1].shape))
    return scores, used


@value("moe_routing_remap", mesh=True)
def moe_routing_remap(
    routing_weights_tensor: Chips,
    non_zero_weight_size: int,
    expert_parallel_size: int,
    cluster_axis: int,
    *,
    mesh_shape: tuple[int, int],
) -> Chips:
    """Keep on each chip of a line its share of the weights that are not zero, in order."""
    share = non_zero_weight_size // expert_parallel_size
    results: list = [None] * len(routing_weights_tensor)
    for line in lines(mesh_shape, cluster_axis):
        for place, chip in enumerate(line):
            weights = routing_weights_tensor[chip].flatten()
            kept = weights.nonzero().flatten()[place * share : (place + 1) * share]
            results[chip] = (
                torch.zeros_like(weights).index_copy(0, kept, weights[kept]).reshape(routing_weights_tensor[chip].shape)
            )
    return results


@value("experimental.deepseek_moe_reduce_scatter", mesh=True)
def deepseek_moe_reduce_scatter(
    input_tensors: list[Chips],
    output_memory_config: object,
    dim: int,
    *,
    cluster_axis: int | None = None,
    mesh_shape: tuple[int, int],
) -> Chips:
    """Join the pieces of each chip's tensor along `dim`, then sum over the chips and split as `reduce_scatter`."""
    whole = [torch.cat(pieces, dim) for pieces in zip(*input_tensors)]
    return reduce_scatter(whole, dim, cluster_axis=cluster_axis, mesh_shape=mesh_shape)
