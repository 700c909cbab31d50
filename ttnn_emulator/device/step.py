# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""A step is one operation bound to device memory. It is run at once, or kept by a trace and run at each replay.

A step keeps buffers and plain parameters only, no library objects, so that running it again calls no library.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import torch

import ttnn
from ttnn_emulator.device.arguments import Arguments
from ttnn_emulator.device.data_types import is_float, round_to
from ttnn_emulator.device.memory import Buffer
from ttnn_emulator.device.prepared import Prepared
from ttnn_emulator.device.registry import ValueFunction
from ttnn_emulator.device.slot import Slot
from ttnn_emulator.errors import EmulatorError, MemoryFault, UnsupportedOperation
from ttnn_emulator.library.programs import Program


@dataclass
class Operand:
    """A tensor as a value function with `operands=True` gets it."""

    value: torch.Tensor
    dtype: ttnn.DataType
    buffer: Buffer
    chip: int
    shard: tuple[int, ...] | None  # of a sharded operand, for which an operation may have another program
    number: int | None = None  # of a piece
    prepared: bool = False  # `value` has the form of `prepared.py`

    @property
    def sharded(self) -> bool:
        return self.shard is not None

    def piece(self, number: int) -> "Operand":
        """Return one of the matrices of a stack of matrices."""
        return replace(self, value=self.value[number], number=number)

    def own(self) -> torch.Tensor:
        """Return the device's own copy, which may be changed in place."""
        shards = self.buffer.own()
        shards[self.chip] = shards[self.chip].reshape(self.value.shape)
        return shards[self.chip]

    def round(self, value: torch.Tensor) -> torch.Tensor:
        """Return `value` as this tensor's memory holds it."""
        return round_to(value, self.dtype)

    def derive(self, form: str, make: Callable[[torch.Tensor], Any]) -> Any:
        """Return `make(value)`, which is made once and kept until the buffer is written."""
        key = (form, self.chip, self.value.shape, self.number)
        if key not in self.buffer.derived:
            self.buffer.derived[key] = make(self.value)
        return self.buffer.derived[key]


class Output(NamedTuple):
    """The shape and dtype of a result, for a value function that names `outputs`."""

    shape: tuple[int, ...]
    dtype: ttnn.DataType


class Step:
    """An operation with its arguments resolved."""

    __slots__ = ("name", "row", "args", "kwargs", "chips", "inputs", "results", "programs", "held_l1")

    def __init__(
        self, name: str, row: ValueFunction, arguments: Arguments, results: list[Slot], programs: list[Program]
    ):
        self.name, self.row, self.args, self.kwargs = name, row, arguments.args, arguments.kwargs
        self.inputs, self.results = arguments.slots, results
        self.programs = programs  # what the library enqueued, where that was observed
        self.chips: tuple[int, ...] = ()  # those that it runs on
        self.held_l1 = 0  # bytes of tensors in the L1 of each core when a trace captured this

    def place(self, device: ttnn.MeshDevice) -> None:
        """Find the chips that the operation runs on: those that its results lie on, or the operand on the fewest."""
        mesh = tuple(range(device.get_num_devices()))
        self.chips = mesh
        for slot in (*self.inputs, *self.results):
            if slot.chips != mesh:
                self._place_on_part(mesh)
                break
        if self.row.mesh:
            self._place_among(device, mesh)

    def _place_on_part(self, mesh: tuple[int, ...]) -> None:
        """Find the chips of an operation that does not run on all chips of the mesh."""
        self.chips = min((slot.chips for slot in self.results or self.inputs), key=len, default=mesh)
        for slot in (*self.inputs, *self.results):
            if not set(self.chips) <= set(slot.chips):
                raise UnsupportedOperation(
                    f"{self.name}: it runs on the chips {list(self.chips)} of the mesh, and the tensor "
                    f"{list(slot.shape)} lies on {list(slot.chips)} only"
                )
        if any(slot.chips != self.chips for slot in self.results):
            raise UnsupportedOperation(f"{self.name}: its results lie on different chips of the mesh")

    def _place_among(self, device: ttnn.MeshDevice, mesh: tuple[int, ...]) -> None:
        """Find the chips of an operation among chips."""
        width = device.shape[1]
        rows, columns = {chip // width for chip in self.chips}, {chip % width for chip in self.chips}
        if self.chips != mesh and not (self.row.parts and len(rows) * len(columns) == len(self.chips)):
            raise UnsupportedOperation(
                f"{self.name} among the chips {list(self.chips)} of the mesh only is not emulated; "
                "open a mesh of that size, or take one out of this by create_submesh"
            )
        if "mesh_shape" in self.row.accepts:
            self.kwargs["mesh_shape"] = (len(rows), len(columns))

    def run(self) -> None:
        """Read the inputs, compute, write the results."""
        if self.row.moves and self.results[0].buffer is self.inputs[0].buffer:
            self.results[0].buffer.view_as(self.results[0].shape)  # a view: the values are there already
            return
        try:
            if self.row.in_place:
                self._run_in_place()
            else:
                self._run()
        except MemoryFault as fault:
            raise type(fault)(f"{self.name}: {fault}") from None

    def _run_in_place(self) -> None:
        for chip in self.chips:
            self._call(chip)

    def _run(self) -> None:
        if self.row.mesh:
            kwargs = self._resolve_all(self.kwargs) | self._outputs()
            per_chip = self.row.function(*self._resolve_all(self.args), **kwargs)
            outputs = [list(output) for output in (per_chip if isinstance(per_chip, tuple) else (per_chip,))]
        else:
            chips = [_flatten(self._call(chip)) for chip in self.chips]
            outputs = [list(shards) for shards in zip(*chips)]
        if len(outputs) != len(self.results):
            raise EmulatorError(f"{self.name} gave {len(outputs)} values for {len(self.results)} results")
        for slot, shards in zip(self.results, outputs):
            self.store(slot, shards)

    def _call(self, chip: int) -> Any:
        args = [self._resolve(argument, chip) for argument in self.args]
        kwargs = {key: self._resolve(argument, chip) for key, argument in self.kwargs.items()}
        return self.row.function(*args, **kwargs, **self._outputs())

    def _outputs(self) -> dict[str, list[Output]]:
        return {"outputs": [Output(slot.shape, slot.dtype) for slot in self.results]} if self.row.wants_outputs else {}

    def _resolve(self, argument: Any, chip: int) -> Any:
        if isinstance(argument, Slot):
            if self.row.prepares and chip in argument.buffer.prepared:
                weights = argument.buffer.prepared[chip]
                return Operand(weights, argument.dtype, argument.buffer, chip, argument.shard, prepared=True)
            value = argument.buffer.read(chip, argument.shape)
            if self.row.operands:
                return Operand(value, argument.dtype, argument.buffer, chip, argument.shard)
            return value
        if isinstance(argument, list):
            return [self._resolve(item, chip) for item in argument]
        return argument

    def _resolve_all(self, argument: Any) -> Any:
        if isinstance(argument, Slot):
            return [self._resolve(argument, chip) for chip in self.chips]
        if isinstance(argument, dict):
            return {key: self._resolve_all(item) for key, item in argument.items()}
        if isinstance(argument, list):
            return [self._resolve_all(item) for item in argument]
        return argument

    def store(self, slot: Slot, shards: list[torch.Tensor]) -> None:
        """Round to the result's dtype and write, after checking against what the library returned."""
        if isinstance(shards[0], Prepared):
            slot.buffer.prepare(self.chips, [shard.weights for shard in shards])
            return
        for shard in shards:
            if tuple(shard.shape) != slot.shape:
                raise EmulatorError(
                    f"{self.name}: the computed shape {list(shard.shape)} is not the library's {list(slot.shape)}"
                )
            if shard.dtype != torch.bool and shard.is_floating_point() != is_float(slot.dtype):
                raise EmulatorError(f"{self.name}: computed {shard.dtype} where the library returned {slot.dtype}")
        distinct = {id(shard): shard for shard in shards}  # chips that hold the same value share it
        by_id = {number: round_to(shard, slot.dtype) for number, shard in distinct.items()}
        rounded = [by_id[id(shard)] for shard in shards]
        for source in self.inputs:
            if not source.buffer.shared and _overlap(rounded, source.buffer.shards):
                source.buffer.shared = True  # a later change in place must not reach this result
        slot.buffer.write(self.chips, rounded, slot.shape, slot.dtype, self._padding(slot))
        slot.buffer.blank = self.row.allocates

    def _padding(self, slot: Slot) -> float | None:
        """Return what fills up the tiles of a result, or None where that is not known."""
        if self.row.padding is not None:
            return self.row.padding(self.args, self.kwargs)
        moved = self.row.moves and self.inputs[0].shape == slot.shape
        return self.inputs[0].buffer.padding if moved else None

    def leave_unwritten(self) -> None:
        """Leave the results as memory that nothing was written to. A result that holds values keeps them."""
        for slot in self.results:
            if slot.buffer.blank or slot.buffer.pending:
                slot.leave_unwritten()

    def mark_captured(self) -> None:
        """Leave the results allocated and not computed, as they are inside a trace capture.

        What was written before the capture (an output tensor of the program's own) keeps its values.
        """
        for slot in self.results:
            if slot.buffer.blank:
                slot.leave_unwritten()
                slot.buffer.pending = self.name
            elif slot.buffer.pending:
                slot.buffer.pending = self.name  # the last one to write it is the one that the program knows


def device_tensors(result: Any) -> list[ttnn.Tensor]:
    """Return the device tensors in an operation's result, in order."""
    if isinstance(result, ttnn.Tensor):
        return [result] if result.storage_type() == ttnn.DEVICE_STORAGE_TYPE else []
    if isinstance(result, (list, tuple)):
        return [tensor for item in result for tensor in device_tensors(item)]
    return []


def _overlap(shards: list[torch.Tensor], others: list[torch.Tensor | None] | None) -> bool:
    places = {other.untyped_storage().data_ptr() for other in others or () if other is not None}
    return any(shard.untyped_storage().data_ptr() in places for shard in shards)


def _flatten(result: Any) -> list[torch.Tensor]:
    return list(result) if isinstance(result, (list, tuple)) else [result]
