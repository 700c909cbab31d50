# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""This module reads device programs off the library's graph of a call."""

import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import ttnn
from ttnn_emulator.library.private import begin_graph_capture, end_graph_capture

_TILE = 32
_TILE_BYTES = {
    "BFLOAT4_B": 576,
    "BFLOAT8_B": 1088,
    "UINT8": 1024,
    "UINT16": 2048,
    "BFLOAT16": 2048,
    "FLOAT32": 4096,
    "UINT32": 4096,
    "INT32": 4096,
}
_L1 = 1  # the number of the L1 buffer type in the graph
_CORES = re.compile(r"\[(\d+)-(\d+) - (\d+)-(\d+)\]")
_FIDELITY = re.compile(r"math_fidelity=(\w+)")
_DIMENSIONS = re.compile(r"\d+")
# circular-buffer bytes and cores of every program seen
_footprints: dict[str, tuple[int, int]] = {}


@dataclass(frozen=True)
class TensorInfo:
    """A tensor as the library described it to a program."""

    shape: tuple[int, ...]
    dtype: str
    layout: str
    memory: str  # such as "L1_WIDTH_SHARDED"
    bytes: int

    @property
    def in_dram(self) -> bool:
        return self.memory.startswith("DRAM")


@dataclass(frozen=True)
class Program:
    """One program that the library enqueued."""

    name: str
    operation: str  # the ttnn operation that asked for it
    inputs: tuple[TensorInfo, ...]
    outputs: tuple[TensorInfo, ...]
    attributes: str
    fidelity: str
    cores: int  # 0 where the library did not say
    circular_buffer_bytes: int | None  # a core; None where the library did not say
    cached: bool
    dram_read: int
    dram_written: int
    flops: int
    host_us: float = 0.0
    bank_read: int = 0  # the part of `dram_read` that the busiest DRAM bank gives; known of `generic_op` only


def list_programs(operation: str, call: Callable[[], Any]) -> tuple[Any, list[Program]]:
    """Run a library call for `operation` under the library's graph capture, and read the programs off its graph."""
    result, graph = _capture(ttnn.graph.RunMode.NORMAL, call)
    return result, programs_in(graph, operation)


def observe(operation: str, call: Callable[[], Any]) -> tuple[Any, list[Program]]:
    """List the programs of a call with their circular buffers. To learn those, the call is made twice the first time.

    Inside a capture of the program's own the call would run twice, so circular buffers stay unknown there.
    """
    nested = ttnn.graph.is_graph_capture_active()
    result, graph = _capture(ttnn.graph.RunMode.NORMAL, call)
    starts = [node for node in graph if node["node_type"] == "function_start"]
    unknown = _executes(graph) and not all(_key(start) in _footprints for start in starts)
    if unknown and not nested and _learn_footprints(call):
        for start in starts:
            _footprints.setdefault(_key(start), (0, 0))
    return result, programs_in(graph, operation)


def _capture(mode: ttnn.graph.RunMode, call: Callable[[], Any]) -> tuple[Any, list[dict]]:
    begin_graph_capture(mode)
    try:
        result = call()
    finally:
        graph = end_graph_capture()
    return result, graph


def _executes(graph: list[dict]) -> bool:
    return any(node["node_type"] == "program_execution" for node in graph)


def _learn_footprints(call: Callable[[], Any]) -> bool:
    """Make the call once more without dispatch: only then does the graph tell of every program's circular buffers.

    Return whether that was possible: a call that freed its own input cannot be made twice.
    """
    try:
        _, graph = _capture(ttnn.graph.RunMode.NO_DISPATCH, call)
    except RuntimeError:
        return False
    calls: list[tuple[str, list[dict]]] = []  # the open calls, each with its buffers
    for node in graph:
        kind = node["node_type"]
        if kind == "function_start":
            calls.append((_key(node), []))
        elif kind in ("circular_buffer_allocate", "dataflow_buffer_allocate"):
            calls[-1][1].append(node["params"])
        elif kind == "function_end":
            key, buffers = calls.pop()
            if buffers:
                _footprints[key] = footprint_of(buffers)
    return True


def _key(start: dict) -> str:
    return start["params"]["name"] + "".join(start["arguments"])


def programs_in(graph: list[dict], operation: str) -> list[Program]:
    """Return the programs of a captured graph in the order in which the library enqueued them."""
    tensors = {node["counter"]: _tensor(node["params"]) for node in graph if node["node_type"] == "tensor"}
    programs: list[Program] = []
    calls: list[_Call] = []  # the calls that are open at this point of the graph, outermost first
    for node in graph:
        kind = node["node_type"]
        if kind == "function_start":
            calls.append(_Call(node))
        elif kind == "program_execution":
            calls[-1].programs += 1
        elif kind == "function_end":
            call = calls.pop()
            results = [tensors[counter] for counter in node["connections"] if counter in tensors]
            if call.start["params"]["name"].endswith("create_device_tensor") and calls:
                calls[-1].made += results
            # the graph does not link an operation with several results to them
            programs += [_program(call.start, operation, tensors, results or call.made)] * call.programs
    return programs


@dataclass
class _Call:
    """A call that is open at some point of a graph."""

    start: dict
    programs: int = 0  # enqueued so far
    made: list[TensorInfo] = field(default_factory=list)  # tensors allocated so far


def _program(start: dict, operation: str, tensors: dict, outputs: list[TensorInfo]) -> Program:
    name, arguments = start["params"]["name"], start["arguments"]
    attributes = arguments[0] if arguments else ""
    inputs = [tensors[counter] for counter in start["input_tensors"] if counter in tensors]
    if name == "GenericOpDeviceOperation":
        inputs = inputs[:-2]  # the graph lists the result twice behind the inputs
    footprint, cores = _footprints.get(_key(start), (None, 0))
    fidelity = _FIDELITY.search(attributes)
    return Program(
        name=name,
        operation=operation,
        inputs=tuple(inputs),
        outputs=tuple(outputs),
        attributes=attributes,
        fidelity=fidelity.group(1) if fidelity else "",
        cores=cores,
        circular_buffer_bytes=footprint,
        cached=bool(start["params"].get("program_cache_hit")),
        dram_read=sum(tensor.bytes for tensor in inputs if tensor.in_dram),
        dram_written=sum(tensor.bytes for tensor in outputs if tensor.in_dram),
        flops=_flops(name, inputs, outputs),
    )


def footprint_of(buffers: list[dict]) -> tuple[int, int]:
    """Return the bytes of circular buffers on the fullest core, and how many cores have any.

    A circular buffer that lies on a tensor takes no bytes of its own.
    """
    per_core: Counter = Counter()
    for buffer in buffers:
        on_a_tensor = buffer.get("globally_allocated", buffer.get("borrows_memory")) in ("1", True)
        size = 0 if on_a_tensor else int(buffer["size"])
        for left, top, right, bottom in _CORES.findall(buffer["core_range_set"]):
            for x in range(int(left), int(right) + 1):
                for y in range(int(top), int(bottom) + 1):
                    per_core[x, y] += size
    return max(per_core.values(), default=0), len(per_core)


def _flops(name: str, inputs: list[TensorInfo], outputs: list[TensorInfo]) -> int:
    """Count multiplications and additions of matrix products. Other programs count one an element."""
    elements = sum(_volume(tensor.shape) for tensor in outputs)
    if "Matmul" in name and inputs:
        return 2 * elements * inputs[0].shape[-1]
    if name.startswith(("Unary", "Binary", "LayerNorm", "Softmax")):
        return elements
    return 0


def _volume(shape: tuple[int, ...]) -> int:
    product = 1
    for dimension in shape:
        product *= dimension
    return product


def _tensor_bytes(shape: tuple[int, ...], dtype: str, layout: str) -> int:
    """Return the bytes of a tensor's pages. The graph's own figure takes a block float for a byte an element."""
    if layout != "TILE":
        return _volume(shape) * _TILE_BYTES.get(dtype, 0) // _TILE**2
    rows, columns = (1, 1, *shape)[-2:]
    tiles = -(-rows // _TILE) * -(-columns // _TILE)
    return _volume(shape[:-2]) * tiles * _TILE_BYTES.get(dtype, 0)


def _tensor(params: dict) -> TensorInfo:
    shape = tuple(int(d) for d in _DIMENSIONS.findall(params["shape"]))
    dtype, layout = (params[key].rsplit(":", 1)[-1] for key in ("dtype", "layout"))
    memory = params.get("memory_config", "")
    placement = re.search(r"TensorMemoryLayout::(\w+)", memory)
    place = "L1" if int(params.get("buffer_type", 0)) == _L1 else "DRAM"
    return TensorInfo(
        shape=shape,
        dtype=dtype,
        layout=layout,
        memory=f"{place}_{placement.group(1)}" if placement else place,
        bytes=_tensor_bytes(shape, dtype, layout),
    )
