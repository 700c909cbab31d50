# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""The arguments of a call, with the emulated memory in place of device tensors."""

from collections.abc import Iterable, Mapping
from typing import Any

import ttnn
from ttnn_emulator.device.host_tensors import host_values
from ttnn_emulator.device.memory import Memory
from ttnn_emulator.device.registry import ValueFunction
from ttnn_emulator.device.slot import Slot
from ttnn_emulator.errors import EmulatorError, MemoryFault, UnsupportedOperation


class Arguments:
    """The arguments of one call, walked once: `args` and `kwargs` hold a slot for each device tensor.

    Of the keywords only those stay that the value function takes (`row`). The others place or schedule work.
    """

    __slots__ = ("_name", "_row", "_memory", "args", "kwargs", "slots", "devices", "on_host")

    def __init__(self, name: str, row: ValueFunction | None, memory: Memory, args: Iterable, kwargs: Mapping[str, Any]):
        self._name, self._row, self._memory = name, row, memory
        self.slots: list[Slot] = []
        self.devices: list[ttnn.MeshDevice] = []  # of the tensors, and those that are arguments themselves
        self.on_host: list[ttnn.Tensor] = []
        self.args = [self._bind(argument) for argument in args]
        self.kwargs: dict[str, Any] = {}
        for key, argument in kwargs.items():
            if row is not None and row.names(key):
                self.kwargs[key] = self._bind(argument)
            else:
                self._find_devices(argument)

    def device(self) -> ttnn.MeshDevice:
        """Return the device that all tensors lie on."""
        first, *others = self.devices
        if any(device is not first and device.id() != first.id() for device in others):
            raise EmulatorError(f"{self._name}: the tensors lie on different devices; move them to one device first")
        return first

    def read_host_tensors(self) -> None:
        """Put the values of host tensors in their places, for an operation that takes host tensors."""
        if not self.on_host:
            return
        if not self._row.host:
            shape = list(self.on_host[0].shape)
            raise EmulatorError(f"the tensor {shape} is on the host; move it with ttnn.to_device first")
        self.args, self.kwargs = _with_values(self.args), _with_values(self.kwargs)

    def _bind(self, argument: Any) -> Any:
        if isinstance(argument, ttnn.Tensor):
            return self._bind_tensor(argument)
        if isinstance(argument, (list, tuple)):
            bound = [self._bind(item) for item in argument]
            return bound if any(isinstance(item, (Slot, list)) for item in bound) else type(argument)(argument)
        if isinstance(argument, ttnn.Shape):
            return tuple(argument)
        self._find_devices(argument)
        return argument

    def _find_devices(self, argument: Any) -> None:
        if isinstance(argument, ttnn.MeshDevice):
            self.devices.append(argument)
        elif isinstance(argument, ttnn.Tensor) and self._is_there(argument):
            self.devices.append(argument.device())
        elif isinstance(argument, (list, tuple)):
            for item in argument:
                self._find_devices(item)

    def _is_there(self, tensor: ttnn.Tensor) -> bool:
        """Return whether a tensor is on a device, and check that it was not freed."""
        if tensor.storage_type() != ttnn.DEVICE_STORAGE_TYPE:
            return False
        if not tensor.is_allocated():
            shape = list(tensor.shape)
            # in brackets the library's own words
            raise MemoryFault(f"{self._name}: the tensor {shape} was deallocated before (Buffer is not allocated)")
        return True

    def _bind_tensor(self, tensor: ttnn.Tensor) -> Slot | ttnn.Tensor:
        if not self._is_there(tensor):
            self.on_host.append(tensor)
            return tensor
        slot = Slot(self._memory.find(tensor), tensor)
        self.slots.append(slot)
        self.devices.append(tensor.device())
        return slot


def _with_values(argument: Any) -> Any:
    if isinstance(argument, ttnn.Tensor):
        values = host_values(argument)
        if len(values) > 1:
            raise UnsupportedOperation(
                f"the host tensor {list(argument.shape)} differs between chips; move it with ttnn.to_device first"
            )
        return values[0]
    if isinstance(argument, list):
        return [_with_values(item) for item in argument]
    if isinstance(argument, dict):
        return {key: _with_values(item) for key, item in argument.items()}
    return argument
