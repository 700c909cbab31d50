# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""The names of ttnn that it does not offer to programs. A new version of ttnn is tried against this list first."""

import dataclasses
from collections.abc import Callable

import ttnn
from ttnn import graph_report  # noqa: F401 (makes the tables that ttnn-visualizer reads)

# The class of every operation in fast runtime mode. The emulated device takes the place of its `__call__`.
FastOperation = ttnn.decorators.FastOperation
# where the library compares a result with its golden function in comparison mode
comparisons = ttnn.decorators
copy_golden_metadata = ttnn.decorators._copy_golden_comparison_config

begin_graph_capture = ttnn._ttnn.graph.begin_graph_capture
end_graph_capture = ttnn._ttnn.graph.end_graph_capture
buffers_of = ttnn._ttnn.reports.get_buffers
device_info_of = ttnn._ttnn.reports.get_device_info
memory_view = ttnn._ttnn.device.GetMemoryView
fabric_direction = ttnn._ttnn.fabric.get_eth_forwarding_direction
DispatchCoreConfig = ttnn._ttnn.device.DispatchCoreConfig
# the functions that prepare weights are looked up here
convolutions = ttnn._ttnn.operations.conv
# `as_tensor`, `load_tensor` and `dump_tensor` look their functions up here
files = ttnn._ttnn.tensor


def held_l1(device: ttnn.MeshDevice) -> int:
    """Return the bytes that tensors take in the L1 of each core."""
    return memory_view(device, ttnn.BufferType.L1).total_bytes_allocated_per_bank


def shape_of(tensor: ttnn.Tensor) -> tuple[int, ...]:
    """Return a tensor's shape. To iterate over a `ttnn.Shape` takes five times as long."""
    shape = tensor.shape
    return tuple([shape[i] for i in range(shape.rank)])


def name_of(operation: FastOperation) -> str:
    """Return the name of an operation as programs write it, such as `ttnn.add`."""
    return operation.python_fully_qualified_name


def is_python(operation: FastOperation) -> bool:
    """Return whether an operation is a Python function and not a binding of C++."""
    return not operation.is_cpp_operation and type(operation.function).__name__ != "nb_func"


def wrapped(operation: FastOperation, function: Callable) -> Callable:
    """Return `function` inside the wrapper in which the library runs `operation` when it compares or logs."""
    fields = {field.name: getattr(operation, field.name) for field in dataclasses.fields(operation) if field.init}
    return ttnn.decorators.Operation(**fields | {"function": function})
