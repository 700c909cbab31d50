# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""Python operations that a program registers, and the device programs of its own that they run.

What `ttnn.generic_op` computes lies in kernels that nothing here executes. So it is called in the body of a Python
operation that was registered with a golden function: the library checks and allocates the programs, and the golden
function, given the operation's own arguments, gives the operation's results.
"""

import inspect
import time
from dataclasses import dataclass, field, replace
from typing import Any

from ttnn_emulator.device.arguments import Arguments
from ttnn_emulator.device.memory import bytes_per_bank, in_dram, unwritten
from ttnn_emulator.device.registry import ValueFunction, refuse_unknown_options
from ttnn_emulator.device.state import EmulatedDevice
from ttnn_emulator.device.step import Step, device_tensors
from ttnn_emulator.errors import UnsupportedOperation
from ttnn_emulator.library.private import name_of
from ttnn_emulator.library.programs import Program


@dataclass
class _Body:
    """A Python operation that is running."""

    name: str
    golden: Any
    calls: int = 0  # of generic_op
    programs: list[Program] = field(default_factory=list)
    host_us: float = 0.0


class OwnPrograms:
    """Runs Python operations, operation by operation of their bodies."""

    def __init__(self, emulated: EmulatedDevice):
        self._emulated = emulated
        self._bodies: list[_Body] = []

    def call(self, operation: Any, args: tuple, kwargs: dict) -> Any:
        """Run a Python operation. What its body calls is emulated; where that is a program of its own, the results are
        the golden function's."""
        emulated, name = self._emulated, name_of(operation)
        body = _Body(name.removeprefix("ttnn."), operation.golden_function)
        if body.golden is not None:
            row = _row(body.golden)
            arguments = Arguments(name, row, emulated.memory, args, kwargs)
        self._bodies.append(body)
        try:
            result = emulated.library_call(operation, *args, **kwargs)
        finally:
            self._bodies.pop()
        if body.calls:
            arguments.read_host_tensors()
            refuse_unknown_options(name, row, kwargs)
            self._fill(name, row, arguments, result, body)
        return result

    def run(self, operation: Any, args: tuple, kwargs: dict) -> Any:
        """`ttnn.generic_op`."""
        body = self._bodies[-1] if self._bodies else _Body("", None)
        if body.golden is None:
            raise UnsupportedOperation(
                "ttnn.generic_op: what a program of your own computes is not known here; call it in a Python operation "
                "with a golden function in torch: @ttnn.register_python_operation(name=..., golden_function=...)"
            )
        started = time.perf_counter()
        result, programs = self._emulated.library(operation, args, kwargs)
        body.host_us += (time.perf_counter() - started) * 1e6
        body.calls += 1
        if programs:  # someone wants to know
            *read, _ = device_tensors([*args, *kwargs.values()])  # the last one is written
            bank_read = sum(bytes_per_bank(tensor) for tensor in read if in_dram(tensor))
            body.programs += [replace(program, name=body.name, bank_read=bank_read) for program in programs]
        slot = self._emulated.slot(result)
        if slot.buffer.shards is None:
            nothing = [unwritten(slot.dtype, slot.shape)] * len(slot.chips)
            slot.buffer.write(slot.chips, nothing, slot.shape, slot.dtype)
        return result

    def _fill(self, name: str, row: ValueFunction, arguments: Arguments, result: Any, body: _Body) -> None:
        """Write the golden function's values, now or at each replay."""
        tensors = device_tensors(result)
        if not tensors:
            raise UnsupportedOperation(f"{name}: it ran programs of its own; return the tensors they write")
        results = [self._emulated.slot(tensor) for tensor in tensors]
        step = Step(name, row, arguments, results, body.programs)
        self._emulated.finish(step, tensors[0].device(), body.host_us)


def _row(golden: Any) -> ValueFunction:
    parameters = inspect.signature(golden).parameters
    return ValueFunction(
        function=golden,
        accepts=frozenset(parameters),
        takes_all=any(p.kind is inspect.Parameter.VAR_KEYWORD for p in parameters.values()),
    )
