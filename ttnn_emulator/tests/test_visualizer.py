# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""The folder for ttnn-visualizer: what db.sqlite holds, against the library's allocator and the record."""

import json
import sqlite3

import pytest
import torch

import ttnn
import ttnn_emulator
from ttnn_emulator.library.programs import CircularBuffer, Cores
from ttnn_emulator.report.visualizer import addresses_of
from ttnn_emulator.tests.subprocesses import emulator

L1 = ttnn.L1_MEMORY_CONFIG


def ask(folder, question):
    connection = sqlite3.connect(folder / "db.sqlite")
    try:
        return connection.execute(question).fetchall()
    finally:
        connection.close()


def allocations(device):
    found = ttnn._ttnn.reports.get_buffers(device)
    return sorted((b.address, b.max_size_per_bank, int(b.buffer_type == ttnn.BufferType.L1)) for b in found)


@pytest.fixture
def written(device, tmp_path):
    """A folder of three programs, and the allocations behind the second and the third."""
    x = ttnn.from_torch(torch.ones(64, 96), dtype=ttnn.bfloat16, layout=ttnn.TILE_LAYOUT, device=device)
    with ttnn_emulator.write_report(tmp_path / "run") as record:
        y = ttnn.matmul(x, ttnn.from_torch(torch.ones(96, 64), layout=ttnn.TILE_LAYOUT, device=device, dtype=x.dtype))
        z = ttnn.relu(y, memory_config=L1)
        second = allocations(device)
        ttnn.deallocate(y)
        w = ttnn.exp(z)
        third = allocations(device)
    assert w.is_allocated()
    return record, tmp_path / "run", (second, third)


def test_operations_have_their_buffers_and_tensors(written):
    record, folder, (second, third) = written
    assert ask(folder, "select operation_id, name from operations order by operation_id") == [
        (1, "ttnn.matmul (Matmul)"),
        (2, "ttnn.relu (Unary)"),
        (3, "ttnn.exp (Unary)"),
    ]
    for number, expected in ((2, second), (3, third)):
        columns = "address, max_size_per_bank, buffer_type"
        assert sorted(ask(folder, f"select {columns} from buffers where operation_id = {number}")) == expected
    made = dict(ask(folder, "select operation_id, tensor_id from output_tensors"))
    assert ask(folder, "select operation_id, tensor_id from input_tensors where operation_id > 1") == [
        (2, made[1]),
        (3, made[2]),
    ]
    rows = ask(folder, f"select shape, dtype, layout, buffer_type, address from tensors where tensor_id = {made[2]}")
    assert rows == [("[64, 64]", "DataType.BFLOAT16", "Layout.TILE", 1, record.programs[1].outputs[0].address)]
    (config,) = ask(folder, f"select memory_config from tensors where tensor_id = {made[2]}")
    assert "INTERLEAVED" in config[0] and "BufferType::L1" in config[0]


def test_circular_buffers_lie_behind_each_other(written):
    record, folder, _ = written
    (start, end) = ask(folder, "select address_at_first_l1_cb_buffer, worker_l1_size from devices")[0]
    (graph,) = ask(folder, "select captured_graph from captured_graph where operation_id = 1")
    nodes = [n["params"] for n in json.loads(graph[0]) if n["node_type"] == "circular_buffer_allocate"]
    assert int(nodes[0]["address"]) == start > 0 and len(nodes) >= 3
    for node, after in zip(nodes, nodes[1:]):
        assert int(after["address"]) == int(node["address"]) + int(node["size"])
    used = int(nodes[-1]["address"]) + int(nodes[-1]["size"]) - start
    assert used == record.programs[0].circular_buffer_bytes < end


def test_circular_buffers_of_different_cores():
    """A buffer begins where the fullest of its cores ends."""
    left, both, right = (Cores(0, 0, 0, 1),), (Cores(0, 0, 1, 1),), (Cores(1, 0, 1, 1),)
    buffers = [CircularBuffer(100, left, False), CircularBuffer(30, right, False), CircularBuffer(5, both, False)]
    assert addresses_of([*buffers, CircularBuffer(7, right, False)], 1000) == [1000, 1000, 1100, 1105]


def test_the_source_of_each_operation(written):
    record, folder, _ = written
    traces = ask(
        folder, "select stack_trace, path, contents from stack_traces join source_files on source_file_id = id"
    )
    assert len(traces) == 3
    for (trace, path, contents), program in zip(traces, record.programs):
        line = int(program.source.rsplit(":", 1)[1])
        assert path == __file__ and f'File "{__file__}", line {line}' in trace
        assert program.operation in contents.splitlines()[line - 1]


def test_the_command_replaces_an_older_folder(tmp_path):
    program = """
import torch, ttnn
device = ttnn.open_device(device_id=0)
ttnn.relu(ttnn.from_torch(torch.ones(32, 32), dtype=ttnn.bfloat16, layout=ttnn.TILE_LAYOUT, device=device))
"""
    for _ in range(2):
        run = emulator("--report", "run", "--report", "run.html", "-c", program, cwd=tmp_path)
        assert (run.returncode, run.stderr) == (0, "")
    assert len(ask(tmp_path / "run", "select * from operations")) == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["run", "run.html"]
    assert (
        (tmp_path / "run" / "profile_log_device.csv").read_text().startswith("ARCH: wormhole_b0, CHIP_FREQ[MHz]: 1000")
    )
    assert "times modelled by" in (tmp_path / "run" / "ops_perf_results.csv").read_text()
