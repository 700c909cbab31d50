# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""This module moves values between the host and the emulated device.

Host tensors are real in the library, so values enter through its own converters and mesh mappers and leave through
its own composers. Only the copy itself, which the mock cluster does not make, is made here.
"""

import itertools
from collections.abc import Callable
from typing import Any

import torch

import ttnn
from ttnn_emulator.device.data_types import host_dtype, round_from_host
from ttnn_emulator.device.host_tensors import host_padding, host_part, host_shard, host_values, is_padded
from ttnn_emulator.device.shards import mask_of, parts_by_core
from ttnn_emulator.device.state import EmulatedDevice
from ttnn_emulator.errors import EmulatorError, TraceError, UnsupportedOperation

# the operations that move values between host and device
OPERATIONS = """from_torch to_torch to_device from_device from_buffer copy_host_to_device_tensor
    copy_host_to_device_tensor_partial copy_device_to_host_tensor deallocate""".split()


def is_on_device(tensor: Any) -> bool:
    return isinstance(tensor, ttnn.Tensor) and tensor.storage_type() == ttnn.DEVICE_STORAGE_TYPE


class Transfers:
    """Has the transfer operations by name, and the tensor methods that read a device."""

    def __init__(self, emulated: EmulatedDevice):
        self._emulated = emulated
        self.operations: dict[str, Callable] = {f"ttnn.{name}": getattr(self, name) for name in OPERATIONS}

    def from_torch(self, operation: Any, tensor: torch.Tensor, dtype: Any = None, **options: Any) -> ttnn.Tensor:
        device = options.get("device")
        if device is None or tensor is None:
            return self._library(operation, tensor, dtype, **options)
        self._emulated.refuse_in_capture("ttnn.from_torch", None, "a host write")
        if device.get_num_devices() == 1:
            result = self._library(operation, tensor, dtype, **options)
            value = torch.as_tensor(tensor).detach().clone()
            value = (value.mT if options.get("col_tilize") else value).reshape(tuple(result.shape))
            if result.is_sharded() and result.dtype in (ttnn.bfloat8_b, ttnn.bfloat4_b):
                value = value.bfloat16()  # on its way to shards the library rounds twice
            shards = [round_from_host(value, result.dtype)]
        else:
            on_host = {key: option for key, option in options.items() if key not in ("device", "cq_id")}
            shards = host_values(self._library(operation, tensor, dtype, **on_host))
            result = self._library(operation, tensor, dtype, **options)
        self._write(result, shards, options.get("pad_value") or 0.0)
        return result

    def to_torch(self, operation: Any, tensor: ttnn.Tensor, dtype: torch.dtype | None = None, **options: Any) -> Any:
        if not is_on_device(tensor):
            return self._library(operation, tensor, dtype, **options)
        if tensor.is_allocated() and len(tensor.device_coords()) > 1:
            options.pop("device", None)
            return self._library(operation, self.from_device(None, tensor), dtype, **options)
        value = self._read(tensor, "ttnn.to_torch")[0].to(host_dtype(tensor.dtype), copy=True)
        rank = options.get("torch_rank")
        while rank is not None and value.ndim > rank:
            if value.shape[0] != 1:
                raise EmulatorError(f"ttnn.to_torch: the shape {list(value.shape)} cannot be squeezed to rank {rank}")
            value = value.squeeze(0)
        return value if dtype is None else value.to(dtype)

    def to_device(self, operation: Any, tensor: ttnn.Tensor, device: Any, memory_config: Any = None, **options: Any):
        if is_on_device(tensor):
            return self._library(operation, tensor, device, memory_config, **options)
        self._emulated.refuse_in_capture("ttnn.to_device", tensor, "a host write")
        shards = host_values(tensor)
        result = self._library(operation, tensor, device, memory_config, **options)
        self._write(result, shards, host_padding(tensor))
        return result

    def from_device(self, operation: Any, tensor: ttnn.Tensor, blocking: bool = True, **options: Any) -> ttnn.Tensor:
        if not is_on_device(tensor):
            return tensor
        return self._host_tensor(self._read(tensor, "ttnn.from_device"), tensor)

    def copy_host_to_device_tensor(
        self, operation: Any, host_tensor: ttnn.Tensor, device_tensor: ttnn.Tensor, *args: Any, **options: Any
    ) -> None:
        self._check_replaces("ttnn.copy_host_to_device_tensor", host_tensor, device_tensor)
        self._library(operation, host_tensor, device_tensor, *args, **options)
        shards = host_values(host_tensor)
        self._write(device_tensor, shards, host_padding(host_tensor))

    def copy_host_to_device_tensor_partial(
        self,
        operation: Any,
        host_tensor: ttnn.Tensor,
        device_tensor: ttnn.Tensor,
        logical_core_filter: Any,
        *args: Any,
        **options: Any,
    ) -> None:
        """Write the shards that lie on the cores of the filter; the other shards keep what they hold."""
        self._check_replaces("ttnn.copy_host_to_device_tensor_partial", host_tensor, device_tensor)
        self._library(operation, host_tensor, device_tensor, logical_core_filter, *args, **options)
        if logical_core_filter.num_cores() == 0:
            return
        mask, slot = mask_of(device_tensor, logical_core_filter), self._emulated.slot(device_tensor)
        new = host_values(host_tensor)
        new = new * len(slot.chips) if len(new) == 1 else new
        held = [slot.buffer.read_or_unwritten(chip, slot.shape) for chip in slot.chips]
        self._write(device_tensor, [torch.where(mask, *pair) for pair in zip(new, held)], None)

    def copy_device_to_host_tensor(
        self, operation: Any, device_tensor: ttnn.Tensor, host_tensor: ttnn.Tensor, *args: Any, **options: Any
    ) -> None:
        """Write a device tensor's values into the memory of a host tensor."""
        name = "ttnn.copy_device_to_host_tensor"
        if not is_on_device(device_tensor) or is_on_device(host_tensor):
            raise EmulatorError(f"{name}: it copies from a tensor on the device to a tensor on the host")
        self._library(operation, device_tensor, host_tensor, *args, **options)
        source = self._host_tensor(self._read(device_tensor, name), device_tensor)
        for row, column in itertools.product(*map(range, device_tensor.device().shape)):
            at = ttnn.MeshCoordinate(row, column)
            into, out_of = (torch.from_dlpack(tensor.host_buffer().get_shard(at)) for tensor in (host_tensor, source))
            into.copy_(out_of)

    def _check_replaces(self, name: str, host_tensor: ttnn.Tensor, device_tensor: ttnn.Tensor) -> None:
        self._emulated.refuse_in_capture(name, device_tensor, "a host write")
        if tuple(host_tensor.shape) != tuple(device_tensor.shape) or host_tensor.dtype != device_tensor.dtype:
            raise EmulatorError(
                f"{name}: a {host_tensor.dtype} tensor {list(host_tensor.shape)} cannot replace the "
                f"{device_tensor.dtype} tensor {list(device_tensor.shape)}; a device tensor (and a trace's input) "
                "keeps its shape and dtype"
            )

    def from_buffer(
        self,
        operation: Any,
        buffer: Any,
        shape: Any,
        dtype: Any,
        device: Any,
        layout: Any = None,
        *args: Any,
        **options: Any,
    ) -> ttnn.Tensor:
        self._emulated.refuse_in_capture("ttnn.from_buffer", None, "a host write")
        layout = ttnn.ROW_MAJOR_LAYOUT if layout is None else layout
        result = self._library(operation, buffer, shape, dtype, device, layout, *args, **options)
        shards = host_values(ttnn.Tensor(buffer, shape, dtype, layout))
        self._write(result, shards, 0.0)
        return result

    def constructor(self, library_init: Callable) -> Callable:
        """Return `Tensor.__init__`, extended to write what it is given for a device."""

        def initialize(tensor: ttnn.Tensor, /, *args: Any, **options: Any) -> None:
            library_init(tensor, *args, **options)
            copied = bool(args) and isinstance(args[0], ttnn.Tensor)
            if copied or not is_on_device(tensor) or self._emulated.inside_library:
                return
            self._emulated.refuse_in_capture("ttnn.Tensor", tensor, "a host write")
            shards = host_values(_on_host(tensor.layout, args, options))
            self._write(tensor, shards, options.get("pad_value") or 0.0)

        return initialize

    def deallocate(self, operation: Any, tensor: ttnn.Tensor, force: bool = True) -> None:
        if is_on_device(tensor):
            self._emulated.memory.free(tensor)
        self._library(operation, tensor, force)

    def extract_shard(self, tensor: ttnn.Tensor, core: ttnn.CoreCoord | int) -> ttnn.Tensor:
        """Return a host tensor of the shard that one core holds (`Tensor.extract_shard`)."""
        if not is_on_device(tensor):
            raise EmulatorError("ttnn.Tensor.extract_shard: the tensor is on the host; only a device tensor has shards")
        parts = parts_by_core(tensor)
        place = list(parts)[core] if isinstance(core, int) else (core.x, core.y)
        if place not in parts:
            raise EmulatorError(f"ttnn.Tensor.extract_shard: no shard lies on the core {place}")
        whole = tensor.to_torch_with_padded_shape()
        shard = whole.reshape(-1, whole.shape[-1])[parts[place]]
        return ttnn.from_torch(shard[None, None].contiguous(), dtype=tensor.dtype, layout=tensor.layout)

    def aggregating(self, library_aggregate: Callable) -> Callable:
        """Return `ttnn.aggregate_tensor`, extended to bring the tensor to the host first."""

        def aggregate(tensor: ttnn.Tensor, composer: Any) -> ttnn.Tensor:
            return library_aggregate(tensor.cpu() if is_on_device(tensor) else tensor, composer)

        return aggregate

    def distributing(self, library_distribute: Callable) -> Callable:
        """Return `ttnn.distribute_tensor`, changed to make the parts on the host and then write them to the device."""

        def distribute(tensor: ttnn.Tensor, mapper: Any, mesh_device: Any = None) -> ttnn.Tensor:
            parts = library_distribute(tensor, mapper, None)
            return parts if mesh_device is None else ttnn.to_device(parts, mesh_device, tensor.memory_config())

        return distribute

    def reading_method(self, method: Callable) -> Callable:
        """Return a method that works on host tensors, extended to bring a device tensor to the host first."""

        def read(tensor: ttnn.Tensor, *args: Any, **options: Any) -> Any:
            if is_on_device(tensor) and not self._emulated.inside_library:
                tensor = self.from_device(None, tensor)
            return method(tensor, *args, **options)

        return read

    def printing_method(self, method: Callable) -> Callable:
        """Return `Tensor.__repr__` for device tensors. The library has a text of its own for a freed tensor."""
        read = self.reading_method(method)

        def represent(tensor: ttnn.Tensor) -> str:
            return read(tensor) if tensor.is_allocated() else method(tensor)

        return represent

    def padded_method(self, method: Callable) -> Callable:
        """Return `Tensor.to_torch_with_padded_shape`, changed to refuse padding that is not known."""

        def read(tensor: ttnn.Tensor) -> torch.Tensor:
            if is_on_device(tensor) and is_padded(tensor) and self._emulated.slot(tensor).buffer.padding is None:
                raise UnsupportedOperation(
                    f"ttnn.Tensor.to_torch_with_padded_shape: what fills up the tiles of the tensor "
                    f"{list(tensor.shape)} after its last operation is not emulated; "
                    "ttnn.fill_implicit_tile_padding sets it"
                )
            return method(self.from_device(None, tensor))

        return read

    def moving_method(self, method: Callable) -> Callable:
        """Return `Tensor.to`, changed to write to a device. To a layout the library converts."""

        def to(tensor: ttnn.Tensor, target: Any = None, *args: Any, **options: Any) -> ttnn.Tensor:
            device = options.pop("device", target)
            if isinstance(device, ttnn.MeshDevice) and not self._emulated.inside_library:
                config = args[0] if args else options.get("mem_config")
                return ttnn.to_device(tensor, device, config if config is not None else tensor.memory_config())
            return method(tensor, device, *args, **options)

        return to

    def reshaping_method(self, method: Callable) -> Callable:
        """Return `Tensor.reshape`, changed to run the operation for a device tensor."""

        def reshape(tensor: ttnn.Tensor, *shape: Any) -> ttnn.Tensor:
            if not is_on_device(tensor) or self._emulated.inside_library:
                return method(tensor, *shape)
            return ttnn.reshape(tensor, list(shape) if isinstance(shape[0], int) else shape[0])

        return reshape

    def preparing(self, name: str, library_prepare: Callable, form: Callable[[torch.Tensor, dict], Any]) -> Callable:
        """Return a function that prepares weights for a convolution, extended to keep their values in `form`."""

        def prepare(**options: Any) -> ttnn.Tensor:
            tensor = options["bias_tensor" if "bias_tensor" in options else "weight_tensor"]
            self._emulated.refuse_in_capture(name, tensor, "a host write")
            self._emulated.inside_library = True
            try:
                result = library_prepare(**options)
            finally:
                self._emulated.inside_library = False
            slot = self._emulated.slot(result)
            values = [form(value, options | {"dtype": result.dtype}) for value in host_values(tensor)]
            slot.buffer.prepare(slot.chips, values * len(slot.chips) if len(values) == 1 else values)
            return result

        return prepare

    def loading(self, library_load: Callable) -> Callable:
        """Return a function that reads a tensor file onto the host, and from there to the device."""

        def load(file: str, device: Any = None) -> ttnn.Tensor:
            host = library_load(file, None)
            return host if device is None else ttnn.to_device(host, device, memory_config=host.memory_config())

        return load

    def dumping(self, library_dump: Callable) -> Callable:
        """Return a function that writes a tensor file. It brings a device tensor to the host first."""

        def dump(file: str, tensor: ttnn.Tensor, *args: Any, **options: Any) -> None:
            library_dump(file, tensor.cpu() if is_on_device(tensor) else tensor, *args, **options)

        return dump

    def _library(self, operation: Any, *args: Any, **options: Any) -> Any:
        result, programs = self._emulated.library(operation, args, options)
        if programs and self._emulated.recorder is not None:
            on_device = (item for item in (result, *args) if isinstance(item, ttnn.Tensor) and is_on_device(item))
            self._emulated.recorder.converted(programs, next(on_device, None))
        return result

    def _write(self, tensor: ttnn.Tensor, shards: list[torch.Tensor], padding: float | None) -> None:
        """Write the value of each chip that the tensor lies on, or one for all of them."""
        slot = self._emulated.slot(tensor)
        shards = [shard.reshape(slot.shape) for shard in shards]
        shards = shards * len(slot.chips) if len(shards) == 1 else shards
        slot.buffer.write(slot.chips, shards, slot.shape, slot.dtype, padding)
        if self._emulated.recorder is not None:
            self._emulated.recorder.transfer("to device", slot.size * len(shards), tensor)

    def _read(self, tensor: ttnn.Tensor, caller: str) -> list[torch.Tensor]:
        self._emulated.refuse_in_capture(caller, tensor, "a host read")
        slot = self._emulated.slot(tensor)
        if slot.buffer.pending:
            raise TraceError(
                f"{caller}: {slot.buffer.describe()} holds no value yet: {slot.buffer.pending} writes it in a trace "
                "that was captured and never executed; call ttnn.execute_trace first"
            )
        values = [slot.buffer.read(chip, slot.shape) for chip in slot.chips]
        if self._emulated.recorder is not None:
            self._emulated.recorder.transfer("to host", slot.size * len(values), tensor)
        return values

    def _host_tensor(self, values: list[torch.Tensor], like: ttnn.Tensor) -> ttnn.Tensor:
        """Return a host tensor with these values, and the layout and memory config of the device tensor `like`."""
        slot = self._emulated.slot(like)
        if 1 < len(values) < slot.buffer.chips:
            return host_part(values, like, slot.buffer.padding, slot.chips)
        host = [host_shard(value, like, slot.buffer.padding) for value in values]
        return host[0] if len(host) == 1 else ttnn.from_host_shards(host, like.device().shape)


def _on_host(layout: ttnn.Layout, args: tuple, options: dict) -> ttnn.Tensor:
    """Return the tensor that a constructor's arguments make without their device."""
    options = {key: value for key, value in options.items() if key not in ("device", "mem_config", "memory_config")}
    placing = (ttnn.MeshDevice, ttnn.MemoryConfig)
    if "shape" in options or (len(args) > 1 and isinstance(args[1], (list, tuple, ttnn.Shape))):
        # a list and its shape: on the host this form has no place for a device
        return ttnn.Tensor(*(argument for argument in args if not isinstance(argument, placing)), **options)
    if len(args) < 4:
        options["layout"] = layout
    return ttnn.Tensor(*(None if isinstance(argument, placing) else argument for argument in args), **options)
