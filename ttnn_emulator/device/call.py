# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""What happens when a program calls an operation on the emulated device.

The real library runs first: it validates, builds the program and allocates the results. Then the operation's value
function fills them in. Operations that the library runs inside another one are part of that one.
"""

import functools
import threading
import time
from collections.abc import Callable
from typing import Any

import ttnn
from ttnn_emulator.device.generic_op import OwnPrograms
from ttnn_emulator.device.graphs import Graphs
from ttnn_emulator.device.ignored import asks_for_fusion, drop_ignored
from ttnn_emulator.device.memory import Memory
from ttnn_emulator.device.opening import OpenDevices
from ttnn_emulator.device.registry import PLACEMENT, VALUES, ValueFunction
from ttnn_emulator.device.step import Slot, Step, device_tensors
from ttnn_emulator.errors import EmulatorError, MemoryFault, TraceError, UnsupportedOperation
from ttnn_emulator.library.private import is_python, name_of
from ttnn_emulator.library.programs import Program, list_programs, observe

# Python functions of the library that only call other operations: each of those is emulated by itself.
COMPOSITE = frozenset({"ttnn.Tensor.__getitem__", "ttnn.as_tensor", "ttnn.load_tensor", "ttnn.dump_tensor"})


class EmulatedDevice:
    """The state of the emulation in this process: memory, traces, and who listens."""

    def __init__(self, library_call: Callable):
        self.library_call = library_call  # the library's own FastOperation.__call__
        self.memory = Memory()
        self.inside_library = False
        self.capture = None  # the trace being captured, or None
        self.recorder = None  # the recorder listening, or None
        self.transfers: dict[str, Callable] = {}  # operations that move data between host and device
        self.devices = OpenDevices(self.memory)
        self.own_programs = OwnPrograms(self)
        self.graphs = Graphs()
        self._turn = threading.RLock()

    def in_turn(self, function: Callable) -> Callable:
        """`function` for any number of threads: one call after the other."""

        @functools.wraps(function)
        def call(*args: Any, **kwargs: Any) -> Any:
            with self._turn:
                return function(*args, **kwargs)

        return call

    def call(self, operation: Any, args: tuple, kwargs: dict) -> Any:
        """Stands in for `FastOperation.__call__`."""
        name = name_of(operation)
        if self.inside_library or name in COMPOSITE or not self.graphs.dispatches():
            return self.library_call(operation, *args, **kwargs)
        if self.capture is not None:
            self.capture.check_thread(name)
        transfer = self.transfers.get(name)
        if transfer is not None:
            return transfer(operation, *args, **kwargs)
        if name == "ttnn.generic_op":
            return self.own_programs.run(operation, args, kwargs)
        if is_python(operation) and name not in VALUES:
            return self.own_programs.call(operation, args, kwargs)
        devices: list = []
        _find_devices(name, args, devices)
        _find_devices(name, kwargs.values(), devices)
        if not devices:
            return self.library_call(operation, *args, **kwargs)  # host tensors only: the library's values are real
        if any(device is not devices[0] and device.id() != devices[0].id() for device in devices):
            raise EmulatorError(f"{name}: the tensors lie on different devices; move them to one device first")
        row = VALUES.get(name)
        if row is None:
            self.library(operation, args, kwargs)  # what the library finds wrong with the call comes first
            raise UnsupportedOperation(
                f"{name} has no value function, so its result cannot be computed; "
                "`python -m ttnn_emulator --ops` lists the operations that have one"
            )
        step = Step(name, row, self.bind(row, args), self.bind_kwargs(row, kwargs))
        started = time.perf_counter()
        result, step.programs = self.library(operation, args, kwargs)
        host_us = (time.perf_counter() - started) * 1e6
        self.refuse_unknown_options(name, row, kwargs)  # after the library, which may know better what is wrong
        if asks_for_fusion(kwargs):
            drop_ignored(name, step.kwargs, step.programs)
        step.results = [self.slot(tensor) for tensor in device_tensors(result)]
        self.finish(step, devices[0], host_us)
        return result

    def finish(self, step: Step, device: ttnn.MeshDevice, host_us: float) -> None:
        """Compute what the library has set up, or keep it for the replays of a trace."""
        step.place(device)
        if self.capture is not None:
            self.capture.add(step, device)
        else:
            step.run()
        if self.recorder is not None:
            self.recorder.operation(step, host_us, device)

    def library(self, operation: Any, args: tuple, kwargs: dict) -> tuple[Any, list[Program]]:
        """Run the real library, and return its result with the programs it enqueued where someone wants to know."""
        self.inside_library = True
        try:
            listening = self.recorder is not None or self.capture is not None
            if not listening and not asks_for_fusion(kwargs):
                return self.library_call(operation, *args, **kwargs), []
            ask = observe if listening else list_programs
            return ask(name_of(operation), lambda: self.library_call(operation, *args, **kwargs))
        finally:
            self.inside_library = False

    def slot(self, tensor: ttnn.Tensor) -> Slot:
        return Slot(self.memory.find(tensor), tensor)

    def refuse_in_capture(self, name: str, tensor: ttnn.Tensor | None, what: str) -> None:
        """Host traffic cannot be part of a trace."""
        if self.capture is not None:
            which = f" of the tensor {list(tensor.shape)}" if tensor is not None else ""
            raise TraceError(f"{name}: {what}{which} inside a trace capture; do it before or after the capture")

    def refuse_unknown_options(self, name: str, row: ValueFunction, kwargs: dict) -> None:
        """Nothing that a program asks for is ignored in silence."""
        if not row.takes_all:
            for key, argument in kwargs.items():
                if key not in row.accepts and key not in PLACEMENT and argument is not None:
                    raise UnsupportedOperation(f"{name}: the option {key}={argument!r} is not emulated")

    def bind(self, row: ValueFunction, args: Any) -> list:
        """Arguments with memory in place of device tensors."""
        return [self._bind_one(row, argument) for argument in args]

    def bind_kwargs(self, row: ValueFunction, kwargs: dict) -> dict:
        return {
            key: self._bind_one(row, argument)
            for key, argument in kwargs.items()
            if key in row.accepts or (row.takes_all and key not in PLACEMENT)
        }

    def _bind_one(self, row: ValueFunction, argument: Any) -> Any:
        if isinstance(argument, ttnn.Tensor):
            if argument.storage_type() == ttnn.DEVICE_STORAGE_TYPE:
                return self.slot(argument)
            if row.host:
                return argument.to_torch()
            raise EmulatorError(f"the tensor {list(argument.shape)} is on the host; move it with ttnn.to_device first")
        if isinstance(argument, ttnn.Shape):
            return tuple(argument)
        if isinstance(argument, (list, tuple)):
            bound = self.bind(row, argument)
            return bound if any(isinstance(item, (Slot, list)) for item in bound) else type(argument)(argument)
        return argument


def _find_devices(name: str, arguments: Any, found: list) -> None:
    for argument in arguments:
        if isinstance(argument, ttnn.Tensor):
            if argument.storage_type() == ttnn.DEVICE_STORAGE_TYPE:
                if not argument.is_allocated():
                    shape = list(argument.shape)
                    # in brackets the library's own words
                    raise MemoryFault(f"{name}: the tensor {shape} was deallocated before (Buffer is not allocated)")
                found.append(argument.device())
        elif isinstance(argument, ttnn.MeshDevice):
            found.append(argument)
        elif isinstance(argument, (list, tuple)):
            _find_devices(name, argument, found)
