# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""This module replaces the library's functions whose work the emulated device does."""

import contextlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import ttnn
from ttnn_emulator.device import trace
from ttnn_emulator.device.call import Calls
from ttnn_emulator.device.comparing import Comparing
from ttnn_emulator.device.prepared import FORMS
from ttnn_emulator.device.state import EmulatedDevice
from ttnn_emulator.device.transfers import Transfers
from ttnn_emulator.ledger.evidence import refuse_without_evidence
from ttnn_emulator.library import private
from ttnn_emulator.library.boards import Board
from ttnn_emulator.library.constructor import replace_constructor
from ttnn_emulator.library.past_operations import refusals
from ttnn_emulator.library.unused_chips import leave_them_alone
from ttnn_emulator.operations import load_all

# Methods that only tell dispatch cores something. They crash where there are none, and values do not depend on them.
_DISPATCH_SETTINGS = (
    "load_sub_device_manager",
    "clear_loaded_sub_device_manager",
    "set_sub_device_stall_group",
    "reset_sub_device_stall_group",
    "quiesce_devices",
)


def put_in_place(board: Board, restore: Callable[[], bool], undo: contextlib.ExitStack) -> EmulatedDevice:
    """Lead the library's calls through the emulated device; `undo` gets what leads them back.

    `restore` makes the library's files again, and says whether it had to.
    """

    def put(owner: Any, name: str, function: Callable) -> None:
        undo.callback(setattr, owner, name, getattr(owner, name))
        setattr(owner, name, function)

    load_all()
    if board.chips > 1:
        leave_them_alone(Path(ttnn.__file__).parent)
    operation = private.FastOperation
    emulated = EmulatedDevice(_with_files(operation.__call__, restore), board.links)
    in_turn = emulated.in_turn
    put(operation, "_requires_slow_runtime", lambda self: False)  # `Comparing` asks instead
    transfers = Transfers(emulated)
    is_strict = os.environ.get("TTNN_EMULATOR_STRICT", "0") != "0"
    calls = Calls(emulated, transfers.operations, refuse_without_evidence if is_strict else None)
    put(operation, "__call__", in_turn(Comparing(calls, emulated).caller()))
    undo.callback(replace_constructor(ttnn.Tensor, in_turn(transfers.constructor(ttnn.Tensor.__init__))))
    put(ttnn.Tensor, "cpu", in_turn(lambda self, blocking=True, cq_id=None: transfers.from_device(None, self)))
    put(ttnn.Tensor, "to", in_turn(transfers.moving_method(ttnn.Tensor.to)))
    put(ttnn.Tensor, "reshape", in_turn(transfers.reshaping_method(ttnn.Tensor.reshape)))
    for name in ("to_list", "item", "to_numpy", "to_torch"):
        put(ttnn.Tensor, name, in_turn(transfers.reading_method(getattr(ttnn.Tensor, name))))
    put(ttnn.Tensor, "__repr__", in_turn(transfers.printing_method(ttnn.Tensor.__repr__)))
    padded = transfers.padded_method(ttnn.Tensor.to_torch_with_padded_shape)
    put(ttnn.Tensor, "to_torch_with_padded_shape", in_turn(padded))

    put(ttnn.Tensor, "extract_shard", in_turn(transfers.extract_shard))
    put(ttnn, "aggregate_tensor", in_turn(transfers.aggregating(ttnn.aggregate_tensor)))
    put(ttnn, "distribute_tensor", in_turn(transfers.distributing(ttnn.distribute_tensor)))
    for module, name, refusal in refusals():
        put(module, name, refusal)

    for name in _DISPATCH_SETTINGS:
        put(ttnn.MeshDevice, name, lambda self, *_: None)

    files = private.files
    put(files, "load_tensor_flatbuffer", in_turn(transfers.loading(files.load_tensor_flatbuffer)))
    put(files, "dump_tensor_flatbuffer", in_turn(transfers.dumping(files.dump_tensor_flatbuffer)))

    for name, form in FORMS.items():
        library_prepare = getattr(private.convolutions, name)
        put(private.convolutions, name, in_turn(transfers.preparing(f"ttnn.{name}", library_prepare, form)))

    traces = trace.Traces(emulated)
    for name in ("begin_trace_capture", "end_trace_capture", "execute_trace", "release_trace"):
        put(ttnn, name, in_turn(getattr(traces, name)))
    put(ttnn, "is_trace_capture_active", traces.is_trace_capture_active)
    for name in ("record_event", "wait_for_event", "event_synchronize"):
        put(ttnn, name, getattr(trace, name))

    graph = ttnn.graph
    put(graph, "begin_graph_capture", in_turn(emulated.graphs.beginning(graph.begin_graph_capture)))
    for name in ("end_graph_capture", "end_graph_capture_to_file"):
        put(graph, name, in_turn(emulated.graphs.ending(getattr(graph, name))))

    emulated.devices.on_close = [emulated.memory.close, traces.close]
    put(ttnn, "set_fabric_config", emulated.devices.set_fabric_config)
    semaphores = emulated.semaphores
    put(ttnn, "create_global_semaphore", in_turn(semaphores.creating(ttnn.create_global_semaphore)))
    put(ttnn, "reset_global_semaphore_value", in_turn(semaphores.resetting(ttnn.reset_global_semaphore_value)))
    for opener, closer in (
        ("open_device", "close_device"),
        ("CreateDevice", "CloseDevice"),
        ("open_mesh_device", "close_mesh_device"),
    ):
        library_close = getattr(ttnn, closer)
        library_open = _with_files(getattr(ttnn, opener), restore)
        put(ttnn, opener, in_turn(emulated.devices.opening(library_open, library_close, board)))
        put(ttnn, closer, in_turn(emulated.devices.closing(library_close)))
    return emulated


def _with_files(library_call: Callable, restore: Callable[[], bool]) -> Callable:
    """Return a library function that is called again if it failed because its files were deleted meanwhile."""

    def call(*args: Any, **kwargs: Any) -> Any:
        try:
            return library_call(*args, **kwargs)
        except RuntimeError:
            if not restore():
                raise
        return library_call(*args, **kwargs)

    return call
