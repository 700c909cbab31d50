# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""The table of value functions: what each operation computes, in torch.

A value function has the parameter names of its operation and takes one chip's torch tensors where the operation takes
device tensors; it returns the torch tensors for the operation's results. It need not name the parameters that only
place or schedule work (`PLACEMENT`): those decide where a value lies, never what it is. An option that chooses how the
units compute (`ARITHMETIC`) is named by the function, or `without_effect`, or `only` some of its settings are computed.
Any other option, and any other setting, is refused when a program uses it, so nothing is ignored in silence.
"""

import inspect
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ttnn_emulator.arithmetic.compute_config import ComputeConfig
from ttnn_emulator.errors import UnsupportedOperation

PLACEMENT = frozenset(
    """memory_config output_mem_config program_config core_grid sub_core_grids sub_core_grid sub_device_id
    subdevice_id queue_id cq_id output_tensor optional_output_tensor output_tensors preallocated_output_tensors
    optional_output_tensors optional_tensor output out use_multicore use_pack_untilize
    num_links topology multi_device_global_semaphore barrier_semaphore
    persistent_output_buffer persistent_output_buffers persistent_intermediate_buffer chunks_per_sync
    num_workers_per_link num_buffers_per_channel intermediate_memory_config global_cb prefetcher_pipes
    output_tile output_layout tile reshape_tile_mode recreate_mapping_tensor use_legacy overlap_qk_coregrid
    device mesh_device
    barrier_semaphores rs_global_semaphores ag_global_semaphores use_l1_small_for_semaphores
    use_optimal_ccl_for_llama use_broadcast use_noc1_only persistent_output_tensor buffer_tensor
    slice_dim_hint
    memory_config_ag memory_config_mm memory_config_rs intermediate_memory_config_rs output_memory_config
    all_gather_core_grid_offset strided_all_gather_core_grid_offset reduce_scatter_core_grid_offset
    neighbor_semaphore final_semaphore intermediate_tensor optional_output_mapping_tensor
    optional_output_reduced_tensor read_local_slice_from_input mm_cores_y mm_block_ht mm_block_wt
    config""".split()
)
ARITHMETIC = frozenset(
    """compute_kernel_config device_compute_kernel_config fp32_dest_acc fast_and_approximate_mode
    use_low_perf""".split()
)


@dataclass(frozen=True)
class ValueFunction:
    """One row of the table."""

    function: Callable
    accepts: frozenset[str]
    takes_all: bool = False  # has **kwargs: a golden function of a program's own may
    without_effect: Mapping[str, str] = field(default_factory=dict)  # options, and why they change no value
    only: Mapping[str, frozenset] = field(default_factory=dict)  # options, and their settings that are computed
    operands: bool = False  # gets `Operand`s (value, dtype, buffer) instead of torch tensors
    mesh: bool = False  # gets every chip's tensors as a list, and returns such a list; may name `mesh_shape`
    moves: bool = False  # the result holds the same value: nothing to do where the library returns a view
    in_place: bool = False  # changes the memory of an operand itself (`Operand.own`) and returns nothing
    host: bool = False  # some operands may be host tensors
    allocates: bool = False  # runs no program: a trace does not hold it, and a replay leaves the memory as it is
    parts: bool = False  # with `mesh`: may also run among the chips of a part of the mesh
    prepares: bool = False  # reads weights that were prepared for it, and prepares those that lie on the host
    wants_outputs: bool = False  # has a parameter `outputs`: the results' shapes and dtypes
    wants_programs: bool = False  # has a parameter `programs`: those that the library ran for the call
    planned: Callable[[dict], bool] | None = None  # of a call's options: whether the values depend on the programs
    prepare: Callable[[tuple, dict], tuple[tuple, dict]] | None = None  # the call's arguments as the library needs them
    padding: Callable[[list, dict], float] | None = None  # of the call's arguments: what it fills tiles up with

    def names(self, option: str) -> bool:
        """Return whether the function is given this keyword of a call."""
        return option in self.accepts or (self.takes_all and option not in PLACEMENT)

    def takes(self, option: str, argument: Any) -> bool:
        """Return whether the values of a call with this option are computed here."""
        named = self.takes_all or option in self.accepts
        if argument is None or named or option in PLACEMENT or option in self.without_effect:
            return True
        return setting_of(argument) in self.only.get(option, ())


def setting_of(argument: Any) -> Any:
    """Return what an option asks for: a `ComputeConfig` for a `compute_kernel_config`, else the argument itself."""
    fidelity = getattr(argument, "math_fidelity", None)
    if fidelity is None:
        return argument
    return ComputeConfig(fidelity.name, argument.fp32_dest_acc_en, argument.math_approx_mode)


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
    allocates: bool = False,
    prepares: bool = False,
    planned: Callable[[dict], bool] | None = None,
    prepare: Callable[[tuple, dict], tuple[tuple, dict]] | None = None,
    without_effect: Mapping[str, str] | None = None,
    only: Mapping[str, Iterable] | None = None,
) -> Callable[[Callable], Callable]:
    """Register a value function for the operations `names` (without the leading `ttnn.`). `padding` is what the
    operation fills up the tiles of its result with: a number, or the name of the parameter that says it. Of the options
    that the function does not name, `without_effect` gives those that change no value, with the reason, and `only` the
    settings of others that it computes (see `setting_of`). `prepare` changes a call's arguments where the library would
    read a tensor from the device itself. Where `planned` says so of a call's options, the function's parameter
    `plans` gets the programs that the library chose; a parameter `programs` always gets those that it ran. An operation
    that `prepares` weights takes them from the host too."""

    def register(function: Callable) -> Callable:
        parameters = inspect.signature(function).parameters
        row = ValueFunction(
            function=function,
            accepts=frozenset(parameters),
            without_effect=without_effect or {},
            only={option: frozenset(settings) for option, settings in (only or {}).items()},
            operands=operands or in_place or prepares,
            mesh=mesh,
            moves=moves,
            in_place=in_place,
            host=host or prepares,
            parts=parts,
            prepares=prepares,
            allocates=allocates,
            planned=planned,
            prepare=prepare,
            wants_outputs="outputs" in parameters,
            wants_programs="programs" in parameters,
            padding=None if padding is None else _filling(parameters, padding),
        )
        for name in names:
            if f"ttnn.{name}" in VALUES:
                raise ValueError(f"ttnn.{name} has two value functions")
            VALUES[f"ttnn.{name}"] = row
        return function

    return register


def refuse_unknown_options(name: str, row: ValueFunction, kwargs: dict) -> None:
    """Refuse an option whose values are not computed, so that nothing is ignored in silence."""
    for key, argument in kwargs.items():
        if not row.takes(key, argument):
            raise UnsupportedOperation(f"{name}: the option {key}={argument!r} is not emulated")


def _filling(parameters: Mapping[str, inspect.Parameter], name: str | float) -> Callable[[list, dict], float]:
    """Return a function of a call's arguments that gives the number with which the call fills up tiles."""
    if not isinstance(name, str):
        return lambda args, kwargs: name
    position, default = list(parameters).index(name), parameters[name].default
    return lambda args, kwargs: kwargs.get(name, args[position] if position < len(args) else default)
