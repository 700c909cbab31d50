# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""This module keeps account of the devices and submeshes that a program opens and closes."""

import ctypes
import warnings
from collections.abc import Callable
from typing import Any

import ttnn
from ttnn_emulator.device.memory import Memory
from ttnn_emulator.errors import EmulatorError
from ttnn_emulator.library.boards import Board
from ttnn_emulator.library.private import DispatchCoreConfig

_KEPT = (
    "the library still holds a mesh that was closed after programs had run both on it and on a submesh of it; with "
    "links between the chips (ttnn.set_fabric_config) it opens another mesh only in a new process"
)


class OpenDevices:
    """The devices that are open in this process."""

    def __init__(self, memory: Memory):
        self._memory = memory
        self.on_close: list[Callable[[int], None]] = []  # told the number of a device that closes
        self._open: dict[int, tuple[ttnn.MeshDevice, Callable]] = {}  # number -> device, how to close it
        self._kept: list[ttnn.MeshDevice] = []  # closed, but not by the library
        self._library_fabric = ttnn.set_fabric_config
        self._linked = False

    def set_fabric_config(self, config: ttnn.FabricConfig, *args: Any, **kwargs: Any) -> None:
        """Take the place of `ttnn.set_fabric_config`, which the library refuses while it holds a mesh."""
        off = config == ttnn.FabricConfig.DISABLED
        if self._kept and not off:
            raise EmulatorError(_KEPT)
        if not self._kept:
            self._library_fabric(config, *args, **kwargs)
            self._linked = not off

    def opening(self, library_open: Callable, library_close: Callable, board: Board) -> Callable:
        """Return a library function that opens a device, extended to remember the device."""

        def open_device(*args: Any, **kwargs: Any) -> ttnn.MeshDevice:
            if self._kept and self._linked:
                raise EmulatorError(_KEPT)
            config = kwargs.get("dispatch_core_config")
            if board.architecture == "wormhole_b0" and config and config.axis == ttnn.DispatchCoreAxis.COL:
                # with a column the library reports 7x9 cores and then lets programs use 8x8
                warnings.warn("the emulated Wormhole keeps its dispatch cores in a row, not in a column", stacklevel=2)
                kwargs["dispatch_core_config"] = ttnn.DispatchCoreConfig(config.type, ttnn.DispatchCoreAxis.ROW)
            if board.remote_chips:
                args, kwargs = _dispatch_from_workers(args, kwargs)
            device = library_open(*args, **kwargs)
            self._open[device.id()] = (device, library_close)
            return device

        return open_device

    def closing(self, library_close: Callable) -> Callable:
        """Return a library function that closes a device, extended to forget its memory and traces."""

        def close_device(device: ttnn.MeshDevice) -> None:
            if self._memory.is_closed(device):
                raise EmulatorError("the device is closed already")
            parts = [device, *device.get_submeshes()]
            numbers = [part.id() for part in parts]
            try:
                library_close(device)
            except RuntimeError as error:
                # without a card, a mesh on which a program ran counts as in use for good, and the library closes none
                # whose parent or submesh is: it keeps those until the process ends
                if "is in use by" not in str(error):
                    raise
                self._kept += parts
                for part in parts:
                    _never_destroy(part)
            self._open.pop(numbers[0], None)  # a submesh is not there: its parent is
            for number in numbers:
                for forget in self.on_close:
                    forget(number)

        return close_device

    def close_all(self) -> None:
        """Close the devices that the program left open."""
        for device, library_close in list(self._open.values()):
            self.closing(library_close)(device)


def _never_destroy(mesh: ttnn.MeshDevice) -> None:
    """Add a reference that nobody drops. The destructor of a mesh that the library counts as in use ends the process,
    and the interpreter destroys what is left in any order when it ends."""
    ctypes.pythonapi.Py_IncRef(ctypes.py_object(mesh))


def _dispatch_from_workers(args: tuple, kwargs: dict) -> tuple[tuple, dict]:
    """Return the arguments that open a device with dispatch on a row of worker cores, whatever they asked for. With any
    other, as with the default where chips are remote, the library reports a row more than it then lets programs use."""
    workers = ttnn.DispatchCoreConfig(ttnn.DispatchCoreType.WORKER, ttnn.DispatchCoreAxis.ROW)
    if any(isinstance(argument, DispatchCoreConfig) for argument in args):
        return tuple(workers if isinstance(argument, DispatchCoreConfig) else argument for argument in args), kwargs
    return args, kwargs | {"dispatch_core_config": workers}
