# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""The state of the emulated device in this process, and the way to the real library."""

import functools
import threading
from collections.abc import Callable
from typing import Any

import ttnn
from ttnn_emulator.device.graphs import Graphs
from ttnn_emulator.device.ignored import asks_for_fusion
from ttnn_emulator.device.memory import Memory
from ttnn_emulator.device.opening import OpenDevices
from ttnn_emulator.device.slot import Slot
from ttnn_emulator.device.step import Step
from ttnn_emulator.errors import TraceError
from ttnn_emulator.kernels.choice import Choice
from ttnn_emulator.library.private import name_of
from ttnn_emulator.library.programs import Program, list_programs, observe


class EmulatedDevice:
    """The state of the emulation in this process: memory, traces, and who listens."""

    def __init__(self, library_call: Callable):
        self.library_call = library_call  # the library's own FastOperation.__call__
        self.memory = Memory()
        self.inside_library = False
        self.capture = None  # the trace being captured, or None
        self.recorder = None  # the recorder listening, or None
        self.devices = OpenDevices(self.memory)
        self.graphs = Graphs()
        self.choice = Choice.of_environment()  # what gives the results of programs of one's own
        self._turn = threading.RLock()

    def in_turn(self, function: Callable) -> Callable:
        """`function` for any number of threads: one call after the other."""

        @functools.wraps(function)
        def call(*args: Any, **kwargs: Any) -> Any:
            with self._turn:
                return function(*args, **kwargs)

        return call

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
