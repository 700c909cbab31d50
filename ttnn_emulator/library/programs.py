# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""This module reads device programs off the library's graph of a call."""

import functools
import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import ttnn
from ttnn_emulator.library.private import begin_graph_capture, end_graph_capture

TILE = 32
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
_CORNERS = re.compile(r'"x":(\d+),"y":(\d+)')
_SHARDS = re.compile(r"shard_spec=ShardSpec{grid=(\[.*?\]), shape=\[(\d+), (\d+)\]")


class Cores(NamedTuple):
    """A rectangle of cores, both corners included."""

    left: int
    top: int
    right: int
    bottom: int


class CircularBuffer(NamedTuple):
    """A circular buffer of a program."""

    bytes: int  # on each of its cores
    cores: tuple[Cores, ...]
    on_tensor: bool  # it lies on a tensor and takes no bytes of its own


# the circular buffers of every program seen
_footprints: dict[str, tuple[CircularBuffer, ...]] = {}


@dataclass(frozen=True)
class TensorInfo:
    """A tensor as the library described it to a program."""

    shape: tuple[int, ...]
    dtype: str
    layout: str
    memory: str  # such as "L1_WIDTH_SHARDED"
    bytes: int
    address: int
    page_bytes: int
    shard: tuple[int, int] | None  # the rows and columns of a shard
    cores: tuple[Cores, ...]  # the cores or DRAM banks that have shards
    memory_config: str  # as the library writes it

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
    circular_buffers: tuple[CircularBuffer, ...]
    host_us: float = 0.0
    source: str = ""  # the file and line of the user's program that called the operation
    chip: int = 0  # the number of the chip that runs it
    held_l1: int = 0  # bytes of tensors in the L1 of each core
    pcc: float | None = None  # of the operation's results and its golden function's, in comparison mode
    largest_error: float | None = None  # of the same
    bank_read: int = 0  # the part of `dram_read` that the busiest DRAM bank gives; known of `generic_op` only


@dataclass(frozen=True)
class Plan:
    """A program that a call would enqueue, with the bytes of each circular buffer as it makes them."""

    name: str
    attributes: str
    buffers: tuple[int, ...]


def plan(call: Callable[[], Any]) -> tuple[Plan, ...]:
    """What a library call would run: it is made without dispatch, which changes no memory."""
    _, graph = _capture(ttnn.graph.RunMode.NO_DISPATCH, call)
    return tuple(
        Plan(start["params"]["name"], "".join(start["arguments"][:1]), tuple(int(buffer["size"]) for buffer in buffers))
        for start, buffers in _buffers_by_call(graph)
    )


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
            _footprints.setdefault(_key(start), ())
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
    for start, buffers in _buffers_by_call(graph):
        _footprints[_key(start)] = tuple(_circular_buffer(buffer) for buffer in buffers)
    return True


def _buffers_by_call(graph: list[dict]) -> list[tuple[dict, list[dict]]]:
    """The calls that have circular buffers of their own, in the order in which they ended."""
    found: list[tuple[dict, list[dict]]] = []
    calls: list[tuple[dict, list[dict]]] = []  # the open ones, each with its buffers
    for node in graph:
        kind = node["node_type"]
        if kind == "function_start":
            calls.append((node, []))
        elif kind in ("circular_buffer_allocate", "dataflow_buffer_allocate"):
            calls[-1][1].append(node["params"])
        elif kind == "function_end":
            call = calls.pop()
            if call[1]:
                found.append(call)
    return found


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
            calls[-1].chips.append(int(node["params"].get("physical_device_id", 0)))
        elif kind == "function_end":
            call = calls.pop()
            results = [tensors[counter] for counter in node["connections"] if counter in tensors]
            if call.start["params"]["name"].endswith("create_device_tensor") and calls:
                calls[-1].made += results
            # the graph does not link an operation with several results to them
            if call.chips:
                program = _program(call.start, operation, tensors, results or call.made)
                programs += [replace(program, chip=chip) for chip in call.chips]
    return programs


@dataclass
class _Call:
    """A call that is open at some point of a graph."""

    start: dict
    chips: list[int] = field(default_factory=list)  # of each program enqueued so far
    made: list[TensorInfo] = field(default_factory=list)  # tensors allocated so far


def _program(start: dict, operation: str, tensors: dict, outputs: list[TensorInfo]) -> Program:
    name, arguments = start["params"]["name"], start["arguments"]
    attributes = arguments[0] if arguments else ""
    inputs = [tensors[counter] for counter in start["input_tensors"] if counter in tensors]
    if name == "GenericOpDeviceOperation":
        inputs = inputs[:-2]  # the graph lists the result twice behind the inputs
    buffers = _footprints.get(_key(start))
    footprint, cores = (None, 0) if buffers is None else footprint_of(buffers)
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
        circular_buffers=buffers or (),
    )


def _circular_buffer(params: dict) -> CircularBuffer:
    on_tensor = params.get("globally_allocated", params.get("borrows_memory")) in ("1", True)
    cores = tuple(Cores(*map(int, corners)) for corners in _CORES.findall(params["core_range_set"]))
    return CircularBuffer(int(params["size"]), cores, on_tensor)


@functools.cache
def footprint_of(buffers: tuple[CircularBuffer, ...]) -> tuple[int, int]:
    """Return the bytes of circular buffers on the fullest core, and how many cores have any."""
    per_core: Counter = Counter()
    for buffer in buffers:
        for cores in buffer.cores:
            for x in range(cores.left, cores.right + 1):
                for y in range(cores.top, cores.bottom + 1):
                    per_core[x, y] += 0 if buffer.on_tensor else buffer.bytes
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
        return _volume(shape) * _TILE_BYTES.get(dtype, 0) // TILE**2
    rows, columns = (1, 1, *shape)[-2:]
    tiles = -(-rows // TILE) * -(-columns // TILE)
    return _volume(shape[:-2]) * tiles * _TILE_BYTES.get(dtype, 0)


def _tensor(params: dict) -> TensorInfo:
    shape = tuple(int(d) for d in _DIMENSIONS.findall(params["shape"]))
    dtype, layout = (params[key].rsplit(":", 1)[-1] for key in ("dtype", "layout"))
    memory = params.get("memory_config", "")
    placement = re.search(r"TensorMemoryLayout::(\w+)", memory)
    place = "L1" if int(params.get("buffer_type", 0)) == _L1 else "DRAM"
    shards = _SHARDS.search(memory)
    row_bytes = shape[-1] * _TILE_BYTES.get(dtype, 0) // TILE**2 if shape else 0
    return TensorInfo(
        shape=shape,
        dtype=dtype,
        layout=layout,
        memory=f"{place}_{placement.group(1)}" if placement else place,
        bytes=_tensor_bytes(shape, dtype, layout),
        address=int(params.get("address", 0)),
        page_bytes=_TILE_BYTES.get(dtype, 0) if layout == "TILE" else row_bytes,
        shard=(int(shards.group(2)), int(shards.group(3))) if shards else None,
        cores=_rectangles(shards.group(1)) if shards else (),
        memory_config=memory,
    )


def _rectangles(grid: str) -> tuple[Cores, ...]:
    """Read the cores of shards, of each rectangle its two corners. The library's text is not quite JSON."""
    corners = [(int(x), int(y)) for x, y in _CORNERS.findall(grid)]
    return tuple(Cores(*first, *last) for first, last in zip(corners[::2], corners[1::2], strict=True))
