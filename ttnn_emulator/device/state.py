# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""The state of the emulated device in this process, and the way to the real library."""

import contextlib
import functools
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import ttnn
from ttnn_emulator.device.graphs import Graphs
from ttnn_emulator.device.ignored import asks_for_fusion
from ttnn_emulator.device.memory import Memory
from ttnn_emulator.device.opening import OpenDevices
from ttnn_emulator.device.registry import setting_of
from ttnn_emulator.device.semaphores import GlobalSemaphores
from ttnn_emulator.device.slot import Slot
from ttnn_emulator.device.step import Step
from ttnn_emulator.errors import TraceError
from ttnn_emulator.kernels.choice import Choice
from ttnn_emulator.kernels.fabric import Link
from ttnn_emulator.library.private import name_of, shape_of
from ttnn_emulator.library.programs import Plan, Program, list_programs, observe, plan
from ttnn_emulator.library.source_line import source_line


class EmulatedDevice:
    """The state of the emulation in this process: memory, traces, and who listens."""

    def __init__(self, library_call: Callable, links: Sequence[Link]):
        self.library_call = library_call  # the library's own FastOperation.__call__
        self.links = links  # between the chips of the board
        self.semaphores = GlobalSemaphores()
        self.memory = Memory()
        self.inside_library = False
        self.capture = None  # the trace being captured, or None
        self.recorder = None  # the recorder listening, or None
        self.devices = OpenDevices(self.memory)
        self.graphs = Graphs()
        self._plans: dict[tuple, tuple[Plan, ...]] = {}  # by the likeness of a call's arguments
        self.computes = True  # False: the library runs, and results stay unwritten
        self.choice = Choice.of_environment()  # what gives the results of programs of one's own
        self._turn = threading.RLock()

    @contextlib.contextmanager
    def without_values(self) -> Iterator[None]:
        """Compute nothing inside the block."""
        self.computes = False
        try:
            yield
        finally:
            self.computes = True

    @contextlib.contextmanager
    def recording(self, recorder: Any) -> Iterator[Any]:
        """Let `recorder`, or nobody, listen inside the block."""
        outer, self.recorder = self.recorder, recorder
        try:
            yield recorder
        finally:
            self.recorder = outer

    def in_turn(self, function: Callable) -> Callable:
        """Return `function` for any number of threads, whose calls take turns."""

        @functools.wraps(function)
        def call(*args: Any, **kwargs: Any) -> Any:
            with self._turn:
                return function(*args, **kwargs)

        return call

    def finish(self, step: Step, device: ttnn.MeshDevice, host_us: float) -> None:
        """Compute what the library has set up, or keep it for the replays of a trace."""
        step.place(device)
        if self.capture is not None and not step.row.allocates:
            self.capture.add(step, device)
        else:
            self.run(step)
        if self.recorder is not None:
            self.recorder.operation(step, host_us, device)

    def run(self, step: Step) -> None:
        """Compute a step, or leave its results unwritten where nobody wants values."""
        if self.computes:
            step.run()
        else:
            step.leave_unwritten()

    def library(
        self, operation: Any, args: tuple, kwargs: dict, wants_programs: bool = False
    ) -> tuple[Any, list[Program]]:
        """Run the real library, and return its result with the programs it enqueued where someone wants to know."""
        self.inside_library = True
        try:
            listening = self.recorder is not None or self.capture is not None
            if not (listening or wants_programs or asks_for_fusion(kwargs)):
                return self.library_call(operation, *args, **kwargs), []
            name, call = name_of(operation), lambda: self.library_call(operation, *args, **kwargs)
            if not listening:
                return list_programs(name, call)
            result, programs = observe(name, call)
            source = source_line() if programs else ""
            return result, [replace(program, source=source) for program in programs]
        finally:
            self.inside_library = False

    def plans(self, operation: Any, args: tuple, kwargs: dict) -> tuple[Plan, ...]:
        """Return the programs of a call. The library is asked once for calls that are alike.

        The library is not asked while the program captures a graph, because the question would be part of the graph.
        """
        key = (name_of(operation), *map(_likeness, args), *((name, _likeness(kwargs[name])) for name in kwargs))
        if key not in self._plans and not ttnn.graph.is_graph_capture_active():
            self.inside_library = True
            try:
                self._plans[key] = plan(lambda: self.library_call(operation, *args, **kwargs))
            finally:
                self.inside_library = False
        return self._plans.get(key, ())

    def slot(self, tensor: ttnn.Tensor) -> Slot:
        return Slot(self.memory.find(tensor), tensor)

    def refuse_in_capture(self, name: str, tensor: ttnn.Tensor | None, what: str) -> None:
        """Refuse host traffic inside a trace capture."""
        if self.capture is not None:
            which = f" of the tensor {list(tensor.shape)}" if tensor is not None else ""
            raise TraceError(f"{name}: {what}{which} inside a trace capture; do it before or after the capture")


def _likeness(argument: Any) -> Any:
    """Return the properties of an argument by which the library chooses a program."""
    if isinstance(argument, ttnn.Tensor):
        return shape_of(argument), argument.dtype, argument.layout, argument.memory_config()
    if hasattr(argument, "math_fidelity"):
        return setting_of(argument), argument.packer_l1_acc
    plain = isinstance(argument, (int, float, str, ttnn.CoreGrid, ttnn.DataType, type(None)))
    return argument if plain or isinstance(argument, ttnn.MemoryConfig) else type(argument)
