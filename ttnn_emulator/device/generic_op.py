# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""This module runs the device programs of `ttnn.generic_op`, and the Python operations that call it.

The library checks such a program and allocates its memory. `ttnn_emulator.kernels` runs the program's kernels, which
give the results. A Python operation may have a golden function. By default the golden function then gives the results
from the operation's arguments, which is faster. `kernels/choice.py` has the choices.
"""

import inspect
import time
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any

import ttnn
from ttnn_emulator.device.arguments import Arguments
from ttnn_emulator.device.kernel_results import Comparison, Expectation, GoldenRun, KernelRun
from ttnn_emulator.device.memory import bytes_per_bank, in_dram
from ttnn_emulator.device.registry import ValueFunction, refuse_unknown_options
from ttnn_emulator.device.slot import Slot
from ttnn_emulator.device.state import EmulatedDevice
from ttnn_emulator.device.step import Step, device_tensors
from ttnn_emulator.errors import UnsupportedOperation
from ttnn_emulator.kernels import program
from ttnn_emulator.kernels.chip import Chip
from ttnn_emulator.kernels.choice import Source
from ttnn_emulator.kernels.execution import Execution, compile_program
from ttnn_emulator.kernels.fabric import Fabric
from ttnn_emulator.kernels.layout import Layout
from ttnn_emulator.kernels.machine import Compiled
from ttnn_emulator.kernels.program import Program as KernelProgram
from ttnn_emulator.library.private import name_of
from ttnn_emulator.library.programs import Program


@dataclass
class _Body:
    """A Python operation that is running."""

    name: str
    has_golden: bool
    calls: int = 0  # of generic_op
    programs: list[Program] = field(default_factory=list)
    host_us: float = 0.0


class GenericPrograms:
    """The calls of `ttnn.generic_op`, and of Python operations, whose bodies call other operations."""

    def __init__(self, emulated: EmulatedDevice):
        self._emulated = emulated
        self._bodies: list[_Body] = []
        self._chips: dict[int, Chip] = {}  # by device
        self._sanitized: set[tuple] = set()  # programs and the shapes of their tensors, of `Choice.once`

    def call(self, operation: Any, args: tuple, kwargs: dict) -> Any:
        """Run a Python operation. The operations that its body calls are emulated."""
        emulated, name, golden = self._emulated, name_of(operation), operation.golden_function
        body = _Body(name.removeprefix("ttnn."), golden is not None)
        expectation = None
        if golden is not None:
            row = _row(golden)
            arguments = Arguments(name, row, emulated.memory, args, kwargs)
            if emulated.choice.compares:
                arguments.read_host_tensors()
                expectation = Expectation(name, row, arguments, [], [])
                self._run_or_keep(expectation, arguments.device())
        self._bodies.append(body)
        try:
            result = emulated.library_call(operation, *args, **kwargs)
        finally:
            self._bodies.pop()
        if not body.calls or golden is None:
            return result
        arguments.read_host_tensors()
        refuse_unknown_options(name, row, kwargs)
        tensors = device_tensors(result)
        if not tensors:
            raise UnsupportedOperation(f"{name}: it called generic_op; return the tensors that its programs write")
        results = [emulated.slot(tensor) for tensor in tensors]
        if emulated.choice.source is Source.GOLDEN:  # its values are written now or at each replay
            step = GoldenRun(name, row, arguments, results, body.programs)
            emulated.finish(step, tensors[0].device(), body.host_us)
        if expectation is not None:
            written = Arguments(name, row, emulated.memory, tensors, {})
            self._run_or_keep(Comparison(expectation, written), tensors[0].device())
        return result

    def run(self, operation: Any, args: tuple, kwargs: dict) -> Any:
        """Run `ttnn.generic_op`."""
        body = self._bodies[-1] if self._bodies else _Body("generic_op", False)
        started = time.perf_counter()
        result, programs = self._emulated.library(operation, args, kwargs)
        host_us = (time.perf_counter() - started) * 1e6
        body.calls += 1
        if programs:  # they are being recorded
            *read, _ = device_tensors([*args, *kwargs.values()])  # the program writes the last one
            bank_read = sum(bytes_per_bank(tensor) for tensor in read if in_dram(tensor))
            programs = [replace(program, name=body.name, bank_read=bank_read) for program in programs]
        if body.has_golden and self._emulated.choice.source is Source.GOLDEN:
            body.programs += programs
            body.host_us += host_us
            self._leave_unwritten(self._emulated.slot(result))
        else:
            self._run_kernels(body.name, *_arguments(*args, **kwargs), programs, host_us)
        return result

    def _run_or_keep(self, step: Step, device: ttnn.MeshDevice) -> None:
        """Run a step that is no operation, now or at each replay of a trace."""
        step.place(device)
        if self._emulated.capture is not None:
            self._emulated.capture.add(step, device)
        else:
            step.run()

    def _run_kernels(
        self, name: str, tensors: list[ttnn.Tensor], descriptor: Any, programs: list[Program], host_us: float
    ) -> None:
        """Run a program's kernels, now or at each replay of a trace."""
        device = tensors[0].device()
        tensors = list({self._emulated.memory.find(tensor): tensor for tensor in tensors}.values())
        chip = self._chip(device)
        descriptors = program.of_chips(descriptor, device)
        described = {
            number: program.read(one, chip) for number, one in {id(d): d for d in descriptors.values()}.items()
        }
        seeds = self._seeds(described.values(), tensors)
        compiled = {number: compile_program(one, chip, seeds > 0) for number, one in described.items()}
        of_chips = {of_chip: compiled[id(one)] for of_chip, one in descriptors.items()}
        arguments = Arguments(f"ttnn.{name}", None, self._emulated.memory, [tensors], {})
        slots = arguments.slots
        results = [slot for slot in slots if slot.buffer.shards is None or slot is slots[-1]]
        if self._emulated.capture is None:
            for slot in slots:
                self._leave_unwritten(slot)
        run = KernelRun(
            f"ttnn.{name}",
            arguments,
            results,
            programs,
            self._executions(f"ttnn.{name}", of_chips, device, seeds),
            [Layout.of(tensor, chip) for tensor in tensors],
            self._emulated.semaphores.of(device),
        )
        self._emulated.finish(run, device, host_us)
        if self._emulated.choice.once:
            self._sanitized.update(_shapes(one, tensors) for one in described.values())

    def _executions(
        self, name: str, programs: dict[int, Compiled], device: ttnn.MeshDevice, seeds: int
    ) -> list[Execution]:
        """Return the programs in the groups that run together: all of them if some use the fabric, else one by one."""
        chip = self._chip(device)
        if any(one.uses_fabric() for one in {id(one): one for one in programs.values()}.values()):
            return [Execution(name, programs, chip, seeds, Fabric.of(device, self._emulated.links))]
        return [Execution(name, {number: one}, chip, seeds) for number, one in programs.items()]

    def _seeds(self, described: Iterable[KernelProgram], tensors: list[ttnn.Tensor]) -> int:
        """Return in how many orders of events the programs run with checks, or 0."""
        choice = self._emulated.choice
        is_known = choice.once and all(_shapes(one, tensors) in self._sanitized for one in described)
        return 0 if is_known else choice.seeds

    def _chip(self, device: ttnn.MeshDevice) -> Chip:
        if device.id() not in self._chips:
            self._chips[device.id()] = Chip.of(device)
        return self._chips[device.id()]

    @staticmethod
    def _leave_unwritten(slot: Slot) -> None:
        if slot.buffer.shards is None:
            slot.leave_unwritten()


def _shapes(described: KernelProgram, tensors: list[ttnn.Tensor]) -> tuple:
    return (described.shape, *((tuple(tensor.shape), tensor.dtype) for tensor in tensors))


def _arguments(io_tensors: list[ttnn.Tensor], program_descriptor: Any) -> tuple[list[ttnn.Tensor], Any]:
    """Return the arguments of `ttnn.generic_op`, which a program gives by name or by position."""
    return io_tensors, program_descriptor


def _row(golden: Any) -> ValueFunction:
    parameters = inspect.signature(golden).parameters
    return ValueFunction(
        function=golden,
        accepts=frozenset(parameters),
        takes_all=any(p.kind is inspect.Parameter.VAR_KEYWORD for p in parameters.values()),
    )
