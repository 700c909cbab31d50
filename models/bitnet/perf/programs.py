# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""Lists the device programs of some work and the bytes that each program moves over DRAM.

The programs come from ttnn's graph capture, on a card as on the emulated device. Bytes are counted from shapes. A
program moves all its DRAM inputs and results as stored: a sharded weight counts with the padding of its last bank. Some
kernels are known to touch less. A look-up reads the rows of its tokens. The choice of tokens reads the logits of the
users, and its second pass the weights of the candidates. The library's cache update moves one row of tiles a head, the
fused one writes one row of values a head. Attention reads the tiles up to the position of each user.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

import ttnn

_TILE = 32
_TILE_BYTES = {"BFLOAT4_B": 576, "BFLOAT8_B": 1088, "UINT16": 2048, "BFLOAT16": 2048}  # others: four bytes a value
_TERNARY_PER_BYTE = 4
_L1 = 1  # the graph's number for an L1 buffer
_MOVEMENT = ("InterleavedToSharded", "ShardedToInterleaved", "Reshard", "Copy", "Clone", "Concat", "Slice", "Move")
_MOVEMENT += ("Transpose", "Permute", "Pad", "Reshape", "Tilize", "Untilize", "Typecast")


@dataclass(frozen=True)
class Tensor:
    """An input or a result of a program: its shape, data type, layout and memory."""

    shape: tuple[int, ...]
    dtype: str
    layout: str
    memory: str  # such as "L1_WIDTH_SHARDED"
    shards: tuple[int, tuple[int, ...]] | None  # the number of shards and the shape of each

    @property
    def in_dram(self) -> bool:
        return self.memory.startswith("DRAM")

    @property
    def bytes(self) -> int:
        """The bytes of the tensor without the padding of shards."""
        return _bytes(self.shape, self.dtype, self.layout)

    @property
    def stored_bytes(self) -> int:
        if self.shards is None or not self.in_dram:
            return self.bytes
        count, shape = self.shards
        return prod(self.shape[:-2]) * count * _bytes(shape, self.dtype, self.layout)

    def bytes_of_rows(self, rows: int) -> int:
        """The bytes of `rows` rows, where a row is the last dimension."""
        return round(rows * self.bytes / prod(self.shape[:-1]))


@dataclass(frozen=True)
class Program:
    """One program that was enqueued."""

    name: str
    fused: bool  # whether it is a fused program of this project, not a stock operation of ttnn
    kernel: str  # the implementation of the operation
    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]
    attributes: str
    fidelity: str
    cores: int  # 0 if the program was built before the capture
    l1_bytes: int  # circular buffers on the fullest core; 0 if the program was built before the capture
    cached: bool
    weight_bytes: int  # bytes read from the second operand of a matmul, without padding
    kv_read: int
    dram_read: int
    dram_written: int
    flops: int
    unpacked_tiles: int  # tiles of two-bit weights on the core that has most of them
    stages: int  # projections one after the other, in each of which all cores wait for each other; 1 for most programs

    @property
    def multiplies(self) -> bool:
        """Whether the matrix unit does the program's work."""
        return self.name in ("Matmul", "SdpaDecode", "SDPAOperation") or self.name.endswith("_product")

    @property
    def moves_only(self) -> bool:
        """Whether the program computes nothing and only changes where or how a tensor is stored."""
        return self.name.startswith(_MOVEMENT)

    @property
    def key(self) -> tuple:
        """A key that is equal for the same program in another layer."""
        return self.name, self.kernel, tuple((t.shape, t.dtype, t.memory) for t in self.inputs + self.outputs)


def capture(work: Callable[[], Any], positions: Sequence[int] = (), chips: int = 1) -> list[Program]:
    """The programs of `work` on each of `chips`, in order.

    `positions` are the positions of the users in a decode step (negative for an idle user), or the last position of
    every user in prefill. The bytes that attention reads depend on the positions, which no shape shows.
    """
    graph_capture = ttnn._ttnn.graph  # the functions of ttnn.graph add a warning
    graph_capture.begin_graph_capture(graph_capture.RunMode.NORMAL)
    try:
        work()
    finally:
        graph = graph_capture.end_graph_capture()
    return programs_of(graph, positions, chips)


def programs_of(graph: list[dict], positions: Sequence[int] = (), chips: int = 1) -> list[Program]:
    """The programs of a captured graph. The graph has each program once for each chip."""
    tensors = {node["counter"]: _tensor(node["params"]) for node in graph if node["node_type"] == "tensor"}
    programs: list[Program] = []
    calls: list[_Call] = []  # the calls that are open at this point, outermost first
    for node in graph:
        kind = node["node_type"]
        if kind == "function_start":
            calls.append(_Call(node))
        elif kind == "program_execution":
            calls[-1].programs += 1
        elif kind == "circular_buffer_allocate":
            calls[-1].buffers.append(node["params"])
        elif kind == "function_end":
            call = calls.pop()
            results = [tensors[counter] for counter in node["connections"] if counter in tensors]
            if call.start["params"]["name"].endswith("create_device_tensor") and calls:
                calls[-1].made += results
            # the graph does not link an operation with several results to them
            programs += [_program(call, tensors, results or call.made, positions)] * (call.programs // chips)
    return programs


class _Call:
    def __init__(self, start: dict):
        self.start = start
        self.programs = 0
        self.buffers: list[dict] = []
        self.made: list[Tensor] = []


def _program(call: _Call, tensors: dict[int, Tensor], outputs: list[Tensor], positions: Sequence[int]) -> Program:
    params, arguments = call.start["params"], call.start["arguments"]
    inputs = [tensors[counter] for counter in call.start["input_tensors"] if counter in tensors]
    if params["name"] == "GenericOpDeviceOperation":
        inputs = inputs[:-2]  # the graph lists the result twice behind the inputs
    attributes = arguments[0] if arguments else ""
    kernels = re.findall(r"kernel_source=\S*/(\w+)\.cpp", attributes)
    # a fused program has the name of its compute kernel, which is described last
    name = kernels[-1] if kernels else params["name"].removesuffix("DeviceOperation")
    fidelity = re.search(r"math_fidelity=(\w+)", attributes)
    cores, l1_bytes = _footprint(call.buffers)
    read, written, kv_read, flops = _work(name, inputs, outputs, positions)
    read += (_passes(attributes) - 1) * sum(tensor.bytes for tensor in _weights(name, inputs))
    return Program(
        name=name,
        fused=bool(kernels),
        kernel=params.get("program_factory_type", "").rsplit("::", 1)[-1].removesuffix("ProgramFactory"),
        inputs=tuple(inputs),
        outputs=tuple(outputs),
        attributes=attributes,
        fidelity=fidelity.group(1) if fidelity else "",
        cores=cores or _shard_cores(inputs, outputs),
        l1_bytes=l1_bytes,
        cached=bool(params.get("program_cache_hit")),
        weight_bytes=sum(tensor.bytes for tensor in _weights(name, inputs)),
        kv_read=kv_read,
        dram_read=read,
        dram_written=written,
        flops=flops,
        unpacked_tiles=_unpacked_tiles(attributes),
        stages=_stages(attributes),
    )


def _weights(name: str, inputs: list[Tensor]) -> list[Tensor]:
    """The weights in DRAM that a matmul reads.

    The weight of a stock matmul and of the fused lm_head is the second operand. Other fused programs read packed words.
    """
    if name in ("Matmul", "head_product"):
        return [tensor for tensor in inputs[1:2] if tensor.in_dram]
    return [tensor for tensor in inputs if name.endswith("_product") and tensor.dtype == "UINT32" and tensor.in_dram]


def _passes(attributes: str) -> int:
    """The number of times that a fused program of prefill reads its weights.

    The program reads its weights once for as many token rows as fit into the L1 of a core.
    """
    found = re.search(r"/prefill_weights\.cpp.*?\{passes, (\d+)\}", attributes)
    return int(found.group(1)) if found else 1


def _stages(attributes: str) -> int:
    """The number of projections that a fused program of decode runs one after the other. 1 for all other programs."""
    found = re.search(r"/decode_weights\.cpp.*?\{stages, (\d+)\}", attributes)
    return int(found.group(1)) if found else 1


def _unpacked_tiles(attributes: str) -> int:
    """The most tiles of two-bit weights that a core unpacks in a fused program of decode.

    The program's arguments have, for each of its stages, the number of tiles in a page. For each core and stage they
    have the first page and the number of pages that the core reads.
    """
    reader = re.search(r"/decode_weights\.cpp(.*?)runtime_args=(.*?),common", attributes)
    if reader is None:
        return 0
    page_tiles = [int(tiles) for tiles in re.findall(r"\{page_tiles\d, (\d+)\}", reader.group(1))]
    cores = [[int(n) for n in numbers.split(", ")] for numbers in re.findall(r"\{(\d+(?:, \d+)+)\}", reader.group(2))]
    return max(sum(tiles * pages for tiles, pages in zip(page_tiles, core[1::2], strict=True)) for core in cores)


def _work(name: str, inputs: list[Tensor], outputs: list[Tensor], positions: Sequence[int]) -> tuple[int, ...]:
    """The work of a program: (bytes read, bytes written, bytes read from the KV cache, multiplies and adds)."""

    def in_dram(tensors: Sequence[Tensor]) -> int:
        return sum(tensor.stored_bytes for tensor in tensors if tensor.in_dram)

    read, written, elements = in_dram(inputs), in_dram(outputs), sum(prod(tensor.shape) for tensor in outputs)
    active = [position for position in positions if position >= 0]
    if name in ("Matmul", "head_product"):
        return read, written, 0, 2 * elements * inputs[0].shape[-1]
    if name.endswith("_product"):
        weights = sum(tensor.bytes for tensor in _weights(name, inputs)) * _TERNARY_PER_BYTE
        return read, written, 0, 2 * weights * outputs[0].shape[-2]
    if name == "Embeddings":
        indices, table = inputs
        return in_dram([indices]) + table.bytes_of_rows(prod(indices.shape)), written, 0, 0
    if name == "look_up_rows":
        tokens, table, positions, cos, sin, _, cosines = inputs
        angles = sum(rows.bytes_of_rows(prod(cosines.shape[:-1])) for rows in (cos, sin))
        return in_dram([tokens, positions]) + table.bytes_of_rows(prod(tokens.shape)) + angles, 0, 0, 0
    if name == "rotate_head":
        *others, keys, values = inputs
        new = sum(cache.bytes_of_rows(len(active) * cache.shape[1]) for cache in (keys, values))
        return in_dram(others), new, 0, 0
    if name == "best_tokens":
        # the choice of tokens reads the logits of the users only, not whole tiles
        logits, *results = inputs + outputs
        return _bytes(logits.shape, logits.dtype, "ROW_MAJOR"), in_dram(results), 0, 0
    if name == "second_pass":
        # the weights of the candidates, and the rows if they lie in DRAM
        rows, shortlist, table, *results = inputs + outputs
        return in_dram([rows, shortlist]) + table.bytes_of_rows(prod(shortlist.shape)), in_dram(results), 0, 0
    if name == "SdpaDecode":
        query, keys, values, *others = inputs
        tokens = sum(-(-(position + 1) // _TILE) * _TILE for position in active)
        kv_read = sum(cache.bytes_of_rows(tokens * cache.shape[1]) for cache in (keys, values))
        return in_dram([query, *others]) + kv_read, written, kv_read, 4 * tokens * prod(query.shape[-2:])
    if name == "SDPAOperation":
        # in prefill a chunk attends to itself and to all before it, up to the given position
        query, keys, values, *others = inputs
        tokens = max([position + 1 for position in active] or [query.shape[2]])
        kv_read = sum(cache.bytes_of_rows(tokens * cache.shape[1]) for cache in (keys, values))
        return in_dram([query, *others]) + kv_read, written, kv_read, 4 * tokens * prod(query.shape[1:])
    if "UpdateCache" in name:
        caches = [tensor for tensor in inputs if tensor.in_dram and tensor.layout == "TILE"]
        touched = sum(cache.bytes_of_rows(len(active) * cache.shape[1] * _TILE) for cache in caches)
        return in_dram([t for t in inputs if t not in caches]) + touched, touched, 0, 0
    if "FillCache" in name:
        cache, rows, *others = inputs
        return in_dram([rows, *others]), cache.bytes_of_rows(prod(rows.shape[:-1])), 0, 0
    if name == "Slice":
        return sum(tensor.bytes for tensor in outputs if inputs[0].in_dram), written, 0, 0
    return read, written, 0, elements if name.startswith(("Unary", "Binary", "LayerNorm", "Softmax")) else 0


def _bytes(shape: Sequence[int], dtype: str, layout: str) -> int:
    tile_bytes = _TILE_BYTES.get(dtype, 4096)
    if layout != "TILE":
        return prod(shape) * tile_bytes // _TILE**2
    rows, columns = (1, 1, *shape)[-2:]
    return prod(shape[:-2]) * -(-rows // _TILE) * -(-columns // _TILE) * tile_bytes


def _footprint(buffers: list[dict]) -> tuple[int, int]:
    """The number of cores with circular buffers, and the bytes of these buffers on the fullest core.

    A circular buffer that lies on a tensor costs nothing.
    """
    per_core: dict[tuple[int, int], int] = {}
    for buffer in buffers:
        size = 0 if buffer.get("globally_allocated") in ("1", True) else int(buffer["size"])
        for left, top, right, bottom in re.findall(r"\[(\d+)-(\d+) - (\d+)-(\d+)\]", buffer["core_range_set"]):
            for x in range(int(left), int(right) + 1):
                for y in range(int(top), int(bottom) + 1):
                    per_core[x, y] = per_core.get((x, y), 0) + size
    return len(per_core), max(per_core.values(), default=0)


def _shard_cores(inputs: list[Tensor], outputs: list[Tensor]) -> int:
    """The cores of a program without circular buffers in the graph: the cores of its largest sharded tensor."""
    return max((t.shards[0] for t in inputs + outputs if t.shards and not t.in_dram), default=0)


def _tensor(params: dict) -> Tensor:
    memory = params.get("memory_config", "")
    placement = re.search(r"TensorMemoryLayout::(\w+)", memory)
    place = "L1" if int(params.get("buffer_type", 0)) == _L1 else "DRAM"
    return Tensor(
        shape=tuple(int(size) for size in re.findall(r"\d+", params["shape"])),
        dtype=params["dtype"].rsplit(":", 1)[-1],
        layout=params["layout"].rsplit(":", 1)[-1],
        memory=f"{place}_{placement.group(1)}" if placement else place,
        shards=_shards(memory),
    )


def _shards(memory: str) -> tuple[int, tuple[int, ...]] | None:
    spec = re.search(r"shard_spec=ShardSpec\{grid=(\[.*?\]), shape=\[([\d, ]+)\]", memory)
    if spec is None:
        return None
    numbers = [int(n) for n in re.findall(r'"[xy]":(\d+)', spec.group(1))]
    ranges = [numbers[i : i + 4] for i in range(0, len(numbers), 4)]
    cores = sum((right - left + 1) * (bottom - top + 1) for left, top, right, bottom in ranges)
    return cores, tuple(int(size) for size in spec.group(2).split(","))
