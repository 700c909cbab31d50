# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""This module writes a record as a folder that ttnn-visualizer opens: db.sqlite and the profiler's table.

The library's own functions make the tables of db.sqlite. An operation of the folder is one program of the record. Of a
mesh they are those of the chip that runs the most programs. An operation's duration is that of the library's call on
this machine; the profiler's table has the modelled times.
"""

import json
import sqlite3
from collections import Counter
from pathlib import Path

from ttnn_emulator.library.private import graph_report
from ttnn_emulator.library.programs import CircularBuffer, Program, TensorInfo
from ttnn_emulator.report.banks import cores_of
from ttnn_emulator.report.modelled import ARCHITECTURES, Chip
from ttnn_emulator.report.perf_csv import perf_csv
from ttnn_emulator.report.recorder import Recorder

_DEVICE = _RANK = 0
_LOG_COLUMNS = "PCIe slot, core_x, core_y, RISC processor type, timer_id, time[cycles since reset], data, run host ID"


def write_folder(record: Recorder, folder: Path) -> None:
    """Write the report of a record that keeps buffers. A report that is there already is replaced."""
    folder.mkdir(exist_ok=True)
    (folder / "db.sqlite").unlink(missing_ok=True)
    with sqlite3.connect(folder / "db.sqlite") as connection:
        _Database(connection.cursor(), record).write()
    connection.close()
    (folder / "ops_perf_results.csv").write_text(perf_csv(record))
    if record.chip is not None:
        (folder / "profile_log_device.csv").write_text(_device_log(record.chip))


def _device_log(chip: Chip) -> str:
    """Return a log of the device's profiler without events. ttnn-visualizer reads the clock from its head."""
    megahertz = round(1e3 * ARCHITECTURES[chip.architecture].gigahertz)
    return f"ARCH: {chip.architecture}, CHIP_FREQ[MHz]: {megahertz}, Max Compute Cores: {chip.cores}\n{_LOG_COLUMNS}\n"


class _Database:
    """Fills the tables of one record."""

    def __init__(self, cursor: sqlite3.Cursor, record: Recorder):
        self._cursor, self._record = cursor, record
        self._tensors: dict[tuple[str, int], int] = {}  # the tensor at each place of the memory and address
        self._described: dict[int, TensorInfo] = {}  # the tensors that have a row

    def write(self) -> None:
        graph_report.create_database_schema(self._cursor)
        graph_report.save_database_schema_version(self._cursor)
        if self._record.device_info is not None:
            graph_report.import_devices(self._cursor, [{"device_id": _DEVICE, **self._record.device_info}], _RANK)
        recorded = list(zip(self._record.programs, self._record.buffers, strict=True))
        programs = Counter(program.chip for program, _ in recorded)
        of_one_chip = [pair for pair in recorded if pair[0].chip == max(programs, key=programs.__getitem__)]
        for number, (program, held) in enumerate(of_one_chip, 1):
            self._operation(number, program)
            for buffer in held:
                self._insert("buffers", number, _DEVICE, *buffer, _RANK)

    def _operation(self, number: int, program: Program) -> None:
        name = program.name.removesuffix("DeviceOperation")
        self._insert("operations", number, f"{program.operation} ({name})", 1e-6 * program.host_us, _RANK)
        self._insert("operation_arguments", number, "attributes", program.attributes, _RANK)
        for kind, tensors in (("input", program.inputs), ("output", program.outputs)):
            for index, tensor in enumerate(tensors):
                tensor_id = self._tensor(tensor, is_new=kind == "output" and tensor not in program.inputs)
                users = "tensor_consumers" if kind == "input" else "tensor_producers"
                self._insert(f"{kind}_tensors", number, index, tensor_id, _RANK)
                self._insert(users, tensor_id, number, index, _RANK)
        self._insert("captured_graph", number, json.dumps(self._graph(program)), _RANK)
        self._source(number, program.source)

    def _tensor(self, tensor: TensorInfo, is_new: bool) -> int:
        place = (tensor.memory.split("_")[0], tensor.address)
        tensor_id = self._tensors.get(place)
        if tensor_id is None or is_new or self._described[tensor_id] != tensor:
            tensor_id = self._tensors[place] = len(self._described) + 1
            self._described[tensor_id] = tensor
            kind = 0 if tensor.in_dram else 1
            text = (str(list(tensor.shape)), f"DataType.{tensor.dtype}", f"Layout.{tensor.layout}")
            row = (*text, tensor.memory_config, _DEVICE, tensor.address, kind, _RANK, "DEVICE")
            self._insert("tensors", tensor_id, *row)
            self._insert("device_tensors", tensor_id, _DEVICE, tensor.address, _RANK)
        return tensor_id

    def _graph(self, program: Program) -> list[dict]:
        """Return the program's graph as the library would capture it, with its circular buffers."""
        nodes = [("capture_start", {}), ("function_start", {"name": program.name})]
        first = (self._record.device_info or {}).get("address_at_first_l1_cb_buffer", 0)
        own = [buffer for buffer in program.circular_buffers if not buffer.on_tensor]
        for buffer, address in zip(own, addresses_of(own, first)):
            area = ", ".join(f"[{c.left}-{c.top} - {c.right}-{c.bottom}]" for c in buffer.cores)
            size = {"address": str(address), "size": str(buffer.bytes), "globally_allocated": "0"}
            nodes.append(("circular_buffer_allocate", {**size, "core_range_set": f"{{{area}}}"}))
        nodes += [("circular_buffer_deallocate_all", {}), ("function_end", {"name": program.name}), ("capture_end", {})]
        last = len(nodes) - 1
        return [
            {
                "id": number,
                "counter": number,
                "node_type": kind,
                "params": {"device_id": str(_DEVICE), **params},
                "connections": [number + 1] if number < last else [],
                "arguments": [],
                "input_tensors": [],
                "stacking_level": int(0 < number < last),
            }
            for number, (kind, params) in enumerate(nodes)
        ]

    def _source(self, number: int, source: str) -> None:
        file, _, line = source.rpartition(":")
        path, source_id = Path(file).absolute(), None
        if path.is_file():
            source_id = graph_report.get_source_file_id(self._cursor, str(path), path.read_text())
        trace = f'  File "{path}", line {line}, in the program'
        self._insert("stack_traces", number, trace, source_id, _RANK)

    def _insert(self, table: str, *row: object) -> None:
        self._cursor.execute(f"INSERT INTO {table} VALUES ({', '.join('?' * len(row))})", row)


def addresses_of(buffers: list[CircularBuffer], first: int) -> list[int]:
    """Return where circular buffers lie. As the library does, each begins where the fullest of its cores ends."""
    ends: dict[tuple[int, int], int] = {}
    addresses = []
    for buffer in buffers:
        cores = cores_of(buffer.cores)
        begin = max((ends.get(core, first) for core in cores), default=first)
        ends |= dict.fromkeys(cores, begin + buffer.bytes)
        addresses.append(begin)
    return addresses
