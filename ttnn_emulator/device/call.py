# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""The calls of operations on the emulated device.

The real library runs a call first: it validates, builds the program and allocates the results. Then the operation's
value function computes the results. Operations that the library runs inside another one are part of that one.
"""

import time
from collections.abc import Callable
from typing import Any

from ttnn_emulator.device.arguments import Arguments
from ttnn_emulator.device.generic_op import GenericPrograms
from ttnn_emulator.device.ignored import asks_for_fusion, drop_ignored
from ttnn_emulator.device.registry import VALUES, refuse_unknown_options
from ttnn_emulator.device.state import EmulatedDevice
from ttnn_emulator.device.step import Step, device_tensors
from ttnn_emulator.errors import UnsupportedOperation
from ttnn_emulator.library.private import is_python, name_of

# Python functions of the library that only call other operations: each of those is emulated by itself.
COMPOSITE = frozenset({"ttnn.Tensor.__getitem__", "ttnn.as_tensor", "ttnn.load_tensor", "ttnn.dump_tensor"})


class Calls:
    """Runs the operations that a program calls.

    `transfers` are those that move values between host and device. `check` is told the name and the module of every
    other operation that has a value function, and may refuse it.
    """

    def __init__(
        self,
        emulated: EmulatedDevice,
        transfers: dict[str, Callable],
        check: Callable[[str, str], None] | None = None,
    ):
        self._emulated, self._transfers, self._check = emulated, transfers, check
        self._generic_programs = GenericPrograms(emulated)

    @property
    def inside_library(self) -> bool:
        """True while the library runs an operation, inside which it may call others."""
        return self._emulated.inside_library

    def call(self, operation: Any, args: tuple, kwargs: dict) -> Any:
        """Take the place of `FastOperation.__call__`."""
        emulated, name = self._emulated, name_of(operation)
        if emulated.inside_library or name in COMPOSITE or not emulated.graphs.dispatches():
            return emulated.library_call(operation, *args, **kwargs)
        if emulated.capture is not None:
            emulated.capture.check_thread(name)
        transfer = self._transfers.get(name)
        if transfer is not None:
            return transfer(operation, *args, **kwargs)
        if name == "ttnn.generic_op":
            return self._generic_programs.run(operation, args, kwargs)
        if name not in VALUES and is_python(operation):
            return self._generic_programs.call(operation, args, kwargs)
        row = VALUES.get(name)
        arguments = Arguments(name, row, emulated.memory, args, kwargs)
        if not arguments.devices:
            return emulated.library_call(operation, *args, **kwargs)  # host tensors only: the library's values are real
        device = arguments.device()
        if row is None:
            emulated.library(operation, args, kwargs)  # what the library finds wrong with the call comes first
            raise UnsupportedOperation(
                f"{name} has no value function, so its result cannot be computed; "
                "`python -m ttnn_emulator --ops` lists the operations that have one"
            )
        if self._check is not None:
            self._check(name, row.function.__module__)
        if row.prepares:
            for tensor in arguments.on_host:
                emulated.refuse_in_capture(name, tensor, "a host write")
        arguments.read_host_tensors()
        if row.prepare is not None:
            args, kwargs = row.prepare(args, kwargs)
        started = time.perf_counter()
        result, programs = emulated.library(operation, args, kwargs, row.wants_programs)
        host_us = (time.perf_counter() - started) * 1e6
        refuse_unknown_options(name, row, kwargs)  # after the library, which may know better what is wrong
        if row.planned is not None and row.planned(kwargs):
            arguments.kwargs["plans"] = emulated.plans(operation, args, kwargs)
        if row.wants_programs:
            arguments.kwargs["programs"] = programs
        if asks_for_fusion(kwargs):
            drop_ignored(name, arguments.kwargs, programs)
        results = [emulated.slot(tensor) for tensor in device_tensors(result)]
        emulated.finish(Step(name, row, arguments, results, programs), device, host_us)
        return result
