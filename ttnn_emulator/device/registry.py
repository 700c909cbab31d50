# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""The table of value functions: what each operation computes, in torch.

A value function has the parameter names of its operation and takes one chip's torch tensors where the operation takes
device tensors; it returns the torch tensors for the operation's results. It need not name the parameters that only
place or schedule work (`PLACEMENT`): those decide where a value lies, never what it is. A parameter it does not name
and that is not in that list is refused when a program uses it, so nothing is ignored in silence.
"""

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from ttnn_emulator.errors import UnsupportedOperation

PLACEMENT = frozenset(
    """memory_config output_mem_config program_config core_grid sub_core_grids sub_core_grid sub_device_id
    subdevice_id queue_id cq_id output_tensor optional_output_tensor output_tensors preallocated_output_tensors
    optional_output_tensors optional_tensor output out use_multicore use_pack_untilize compute_kernel_config
    device_compute_kernel_config
    num_links topology fast_and_approximate_mode multi_device_global_semaphore barrier_semaphore
    persistent_output_buffer persistent_output_buffers persistent_intermediate_buffer chunks_per_sync
    num_workers_per_link num_buffers_per_channel intermediate_memory_config use_low_perf global_cb prefetcher_pipes
    output_tile output_layout tile reshape_tile_mode recreate_mapping_tensor use_legacy overlap_qk_coregrid
    device mesh_device
    barrier_semaphores rs_global_semaphores ag_global_semaphores use_l1_small_for_semaphores
    use_optimal_ccl_for_llama use_broadcast use_noc1_only fp32_dest_acc persistent_output_tensor buffer_tensor
    slice_dim_hint
    memory_config_ag memory_config_mm memory_config_rs intermediate_memory_config_rs output_memory_config
    all_gather_core_grid_offset strided_all_gather_core_grid_offset reduce_scatter_core_grid_offset
    neighbor_semaphore final_semaphore intermediate_tensor optional_output_mapping_tensor
    optional_output_reduced_tensor read_local_slice_from_input mm_cores_y mm_block_ht mm_block_wt
    config""".split()
)


@dataclass(frozen=True)
class ValueFunction:
    """One row of the table."""

    function: Callable
    accepts: frozenset[str]
    takes_all: bool  # has **kwargs
    operands: bool = False  # gets `Operand`s (value, dtype, buffer) instead of torch tensors
    mesh: bool = False  # gets every chip's tensors as a list, and returns such a list; may name `mesh_shape`
    moves: bool = False  # the result holds the same value: nothing to do where the library returns a view
    in_place: bool = False  # changes the memory of an operand itself (`Operand.own`) and returns nothing
    host: bool = False  # some operands may be host tensors
    parts: bool = False  # with `mesh`: may also run among the chips of a part of the mesh
    wants_outputs: bool = False  # has a parameter `outputs`: the results' shapes and dtypes
    padding: Callable[[list, dict], float] | None = None  # of the call's arguments: what it fills tiles up with

    def takes(self, option: str) -> bool:
        """Return whether the function is given this keyword of a call."""
        return option in self.accepts or (self.takes_all and option not in PLACEMENT)


VALUES: dict[str, ValueFunction] = {}


def value(
    *names: str,
    operands: bool = False,
    mesh: bool = False,
    moves: bool = False,
    in_place: bool = False,
    host: bool = False,
    padding: str | float | None = None,
    parts: bool = False,
) -> Callable[[Callable], Callable]:
    """Register a value function for the operations `names` (without the leading `ttnn.`). `padding` is what the
    operation fills up the tiles of its result with: a number, or the name of the parameter that says it."""

    def register(function: Callable) -> Callable:
        parameters = inspect.signature(function).parameters
        row = ValueFunction(
            function=function,
            accepts=frozenset(parameters),
            takes_all=any(p.kind is inspect.Parameter.VAR_KEYWORD for p in parameters.values()),
            operands=operands or in_place,
            mesh=mesh,
            moves=moves,
            in_place=in_place,
            host=host,
            parts=parts,
            wants_outputs="outputs" in parameters,
            padding=None if padding is None else _filling(parameters, padding),
        )
        for name in names:
            if f"ttnn.{name}" in VALUES:
                raise ValueError(f"ttnn.{name} has two value functions")
            VALUES[f"ttnn.{name}"] = row
        return function

    return register


def refuse_unknown_options(name: str, row: ValueFunction, kwargs: dict) -> None:
    """Nothing that a program asks for is ignored in silence."""
    if not row.takes_all:
        for key, argument in kwargs.items():
            if key not in row.accepts and key not in PLACEMENT and argument is not None:
                raise UnsupportedOperation(f"{name}: the option {key}={argument!r} is not emulated")


def _filling(parameters: Mapping[str, inspect.Parameter], name: str | float) -> Callable[[list, dict], float]:
    """What a call fills up tiles with."""
    if not isinstance(name, str):
        return lambda args, kwargs: name
    position, default = list(parameters).index(name), parameters[name].default
    return lambda args, kwargs: kwargs.get(name, args[position] if position < len(args) else default)
