# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""The page of a run and its modelled times, against the library's allocator and figures worked out by hand."""

import csv
import json
import re
import sqlite3
from collections import Counter

import pytest
import torch

import ttnn
import ttnn_emulator
from ttnn_emulator.report.banks import bytes_by_bank, cores_of
from ttnn_emulator.report.modelled import Chip, time_of
from ttnn_emulator.report.page import data_of, page
from ttnn_emulator.tests.subprocesses import emulator

TILE, ROWS = ttnn.TILE_LAYOUT, ttnn.ROW_MAJOR_LAYOUT
N150 = Chip("wormhole_b0", (8, 8), 12, 1_393_312, 1)


def upload(device, *shape, dtype=ttnn.bfloat16, layout=TILE, memory=ttnn.DRAM_MEMORY_CONFIG):
    return ttnn.from_torch(torch.ones(shape), dtype=dtype, layout=layout, device=device, memory_config=memory)


def sharded(kind, shape, *corners, layout=ttnn.TensorMemoryLayout.WIDTH_SHARDED):
    grid = ttnn.CoreRangeSet({ttnn.CoreRange(ttnn.CoreCoord(0, 0), ttnn.CoreCoord(*corners))})
    return ttnn.MemoryConfig(layout, kind, ttnn.ShardSpec(grid, shape, ttnn.ShardOrientation.ROW_MAJOR))


def allocated(device, tensor, key):
    """Return the bytes of a tensor's pages by bank or core, as the library's allocator has them."""
    found = Counter()
    for part in ttnn._ttnn.reports.get_buffer_pages(device):
        if (part.address, part.buffer_type) == (tensor.buffer_address(), tensor.memory_config().buffer_type):
            found[key(part)] += part.page_size
    return found


def read(html):
    return json.loads(re.search(r"const DATA = (.*);</script>", html).group(1))


def record_relu(tensor):
    with ttnn_emulator.record() as record:
        ttnn.relu(tensor)
    return record


@pytest.mark.parametrize(
    "shape, options, expected",
    [
        ((96, 160), {}, [4096] * 3 + [2048] * 9),  # 15 pages go around 12 banks
        ((64, 64), {"dtype": ttnn.bfloat8_b}, [1088] * 4 + [0] * 8),
        ((50, 128), {"layout": ROWS}, [5 * 256] * 2 + [4 * 256] * 10),
        ((64, 12 * 64), {"memory": sharded(ttnn.BufferType.DRAM, [64, 64], 11, 0)}, [8192] * 12),
        ((64, 5 * 64), {"memory": sharded(ttnn.BufferType.DRAM, [64, 64], 11, 0)}, [8192] * 5 + [0] * 7),
    ],
    ids=["tiles", "block_floats", "rows", "sharded", "fewer_shards_than_banks"],
)
def test_the_bytes_of_each_dram_bank(device, shape, options, expected):
    x = upload(device, *shape, **options)
    with ttnn_emulator.record() as record:
        ttnn.to_memory_config(x, ttnn.L1_MEMORY_CONFIG)
    (program,) = record.programs
    assert bytes_by_bank(program, 12) == expected
    in_dram = [b for b in ttnn._ttnn.reports.get_buffers(device) if b.buffer_type == ttnn.BufferType.DRAM]
    (buffer,) = [b for b in in_dram if b.address == x.buffer_address()]
    assert buffer.max_size_per_bank == max(expected)  # as the library's allocator has it


def test_a_part_of_a_tensor_is_counted_evenly(device):
    """An embedding that reads 32 of 1000 rows moves as large a part of each bank's bytes."""
    table = upload(device, 1000, 64, layout=ROWS)
    tokens = ttnn.from_torch(torch.arange(32).reshape(1, 32), dtype=ttnn.uint32, layout=ROWS, device=device)
    with ttnn_emulator.record() as record:
        ttnn.embedding(tokens, table, memory_config=ttnn.L1_MEMORY_CONFIG)
    (program,) = record.programs
    moved = bytes_by_bank(program, 12)
    assert program.dram_read - 12 <= sum(moved) <= program.dram_read
    assert max(moved) < program.dram_read / 12 * 1.05


@pytest.mark.parametrize(
    "shape, memory",
    [
        ((96, 2080), ttnn.L1_MEMORY_CONFIG),  # 195 pages over 64 cores
        ((64, 256), sharded(ttnn.BufferType.L1, [64, 64], 3, 0)),
        ((128, 128), sharded(ttnn.BufferType.L1, [32, 64], 1, 3, layout=ttnn.TensorMemoryLayout.BLOCK_SHARDED)),
    ],
    ids=["interleaved", "width_sharded", "block_sharded"],
)
def test_the_bytes_of_each_core_are_the_allocators(device, shape, memory):
    x = upload(device, *shape, memory=memory)
    record = record_relu(x)
    (kind,) = data_of(record, "", "")["kinds"]
    tensor = kind["inputs"][0]
    expected = allocated(device, x, lambda page: (page.core_x, page.core_y))
    assert tensor["on_each_core"] == max(expected.values())
    assert set(expected) <= set(cores_of(record.programs[0].inputs[0].cores) or expected)
    assert (tensor["address"], tensor["bytes"]) == (x.buffer_address(), sum(expected.values()))


def test_the_modelled_time_of_products(device):
    """A product of DRAM bytes, one of many FLOPs, and one of neither."""
    wide = upload(device, 32, 2560), upload(device, 2560, 6144, dtype=ttnn.bfloat8_b)
    high = upload(device, 2048, 2048, memory=ttnn.L1_MEMORY_CONFIG), upload(device, 2048, 1024)
    few = upload(device, 32, 32), upload(device, 32, 32)
    with ttnn_emulator.without_values(), ttnn_emulator.record() as record:
        for operands in (wide, high, few):
            ttnn.matmul(*operands)
    times = [time_of(program, N150) for program in record.programs]
    assert [time.bound for time in times] == ["dram", "compute", "dispatch"]
    banks = [sum(1 for page in range(pages) if page % 12 == 0) for pages in (80, 80 * 192, 192)]
    fullest = banks[0] * 2048 + banks[1] * 1088 + banks[2] * 2048
    assert times[0].dram == pytest.approx(fullest / (24e3 * 253 / 288), rel=1e-6)
    program = record.programs[1]
    phases = {"LoFi": 1, "HiFi2": 2, "HiFi4": 4}[program.fidelity]
    assert times[1].compute == pytest.approx(64 * 64 * 32 * phases * 16 / program.cores / 1e3, rel=1e-6)
    assert all(time.total == 1.0 + max(time.dram, time.compute, time.noc) for time in times)


def test_the_network_bounds_moves_in_l1(device):
    x = upload(device, 2048, 2048, memory=ttnn.L1_MEMORY_CONFIG)
    with ttnn_emulator.without_values(), ttnn_emulator.record() as record:
        ttnn.add(x, x, memory_config=ttnn.L1_MEMORY_CONFIG)
    (program,) = record.programs
    time = time_of(program, N150)
    assert (time.bound, program.cores) == ("noc", 64)
    assert time.noc == pytest.approx(2 * 2048 * 2048 * 2 / (64 * 32 * 1e3))


def test_the_page_holds_each_program_with_its_line_and_memory(device):
    x = upload(device, 64, 96)
    held = upload(device, 64 * 32, 32, memory=ttnn.L1_MEMORY_CONFIG)  # a tile on each of 64 cores
    with ttnn_emulator.record() as record:
        w = upload(device, 96, 64)
        y = ttnn.matmul(x, w)
        for _ in range(3):
            ttnn.relu(y)
        ttnn.to_torch(y)
    data = read(page(record, "a </script> title", "n150"))
    assert (data["title"], data["board"], data["chip"]["grid"]) == ("a </script> title", "n150", [8, 8])
    names = [data["kinds"][kind]["name"] for kind, *_ in data["programs"]]
    assert names == ["Matmul", "Unary", "Unary", "Unary"]
    lines = [data["lines"][line] for _, line, *_ in data["programs"]]
    assert lines[0] == f"{__file__}:{first_line_with('ttnn.matmul(x, w)')}"
    assert len(set(lines)) == 2
    for (_, _, tensors, l1, pcc, error, _), program in zip(data["programs"], record.programs):
        assert (tensors, l1) == (2048, 2048 + program.circular_buffer_bytes) and pcc is None and error is None
    buffers = data["kinds"][0]["circular_buffers"]
    assert sum(buffer["bytes"] for buffer in buffers) == record.programs[0].circular_buffer_bytes
    assert [(t["direction"], t["bytes"], t["programs_before"]) for t in data["transfers"]] == [
        ("to device", 3 * 2 * 2048, 0),
        ("to host", 2 * 2 * 2048, 4),
    ]
    uploading = first_line_with("return ttnn.from_torch(torch.ones(shape)")
    assert data["transfers"][0]["source"] == f"{__file__}:{uploading}" and held.is_allocated()


def first_line_with(text):
    with open(__file__) as file:
        return next(number for number, line in enumerate(file, 1) if text in line)


@pytest.mark.parametrize("device_params", [{"trace_region_size": 1 << 20}], indirect=True)
def test_a_replay_shows_the_lines_of_its_capture(device):
    x = upload(device, 32, 32)
    ttnn.exp(x)
    trace = ttnn.begin_trace_capture(device, cq_id=0)
    result = ttnn.exp(x)  # of the capture
    ttnn.end_trace_capture(device, trace, cq_id=0)
    with ttnn_emulator.record() as record:
        ttnn.execute_trace(device, trace)
        ttnn.execute_trace(device, trace)
    data = data_of(record, "", "")
    assert data["lines"] == [f"{__file__}:{first_line_with('ttnn.exp(x)  # of the capture')}"]
    assert len(data["kinds"]) == 1 and len(data["programs"]) == 2 and result.is_allocated()


def test_an_empty_record_makes_a_page(device):
    with ttnn_emulator.record() as record:
        pass
    assert read(page(record, "", ""))["programs"] == []


def test_the_page_needs_no_network(device):
    html = page(record_relu(upload(device, 32, 32)), "", "")
    assert not re.search(r"\b(src|href)\s*=|@import|url\(|fetch\(|XMLHttpRequest|import\(", html)


PROGRAM = """
import torch
import ttnn

device = ttnn.open_device(device_id=0)
values = torch.linspace(-1, 1, 1024).reshape(32, 32)
x = ttnn.from_torch(values, dtype=ttnn.bfloat16, layout=ttnn.TILE_LAYOUT, device=device)
e = ttnn.exp(x)
y = ttnn.typecast(e, ttnn.bfloat4_b)
m = ttnn.matmul(e, e)
torch.save((ttnn.to_torch(e), ttnn.to_torch(m)), "values.pt")
raise SystemExit(STATUS)
"""


def test_the_command_compares_and_writes_the_page(tmp_path):
    (tmp_path / "program.py").write_text(PROGRAM.replace("STATUS", "0"))
    run = emulator("--report", "run.html", "--compare", "0.9999", "program.py", cwd=tmp_path)
    assert run.returncode == 1 and "program.py:9: ttnn.typecast: PCC 0.98" in run.stderr, run.stderr
    data = read((tmp_path / "run.html").read_text())
    assert (data["title"], data["board"]) == ("program.py", "n150")
    assert [t["direction"] for t in data["transfers"]] == ["to device", "to host", "to host"]  # and none to compare
    results = {data["kinds"][kind]["operation"]: row for kind, *row in data["programs"]}
    assert all(memory > 0 for _, _, memory, _, _, _ in results.values())  # circular buffers are known as ever
    exp, product = torch.load(tmp_path / "values.pt")
    value = torch.linspace(-1, 1, 1024).reshape(32, 32).bfloat16().double()
    for result, golden, operation in (
        (exp, value.exp(), "ttnn.exp"),
        (product, exp.double() @ exp.double(), "ttnn.matmul"),
    ):
        pcc, error, _ = results[operation][3:]
        assert error == pytest.approx(float((result.double() - golden).abs().max()), rel=1e-3)
        assert pcc == pytest.approx(correlation(result.double(), golden), abs=1e-5)
    assert all(line.startswith("program.py:") for line in data["lines"]), data["lines"]


def correlation(a, b):
    return float(torch.corrcoef(torch.stack([a.flatten(), b.flatten()]))[0, 1])


MESH = """
import torch
import ttnn

mesh = ttnn.open_mesh_device(ttnn.MeshShape(1, 2))
x = ttnn.from_torch(torch.ones(64, 64), dtype=ttnn.bfloat16, layout=ttnn.TILE_LAYOUT, device=mesh)
y = ttnn.add(x, x)
ttnn.relu(y)
"""


def test_the_chips_of_a_mesh_run_at_the_same_time(tmp_path):
    (tmp_path / "program.py").write_text(MESH)
    reports = [text for name in ("run.html", "run.csv", "run") for text in ("--report", name)]
    run = emulator("--board", "n300", *reports, "program.py", cwd=tmp_path)
    assert run.returncode == 0, run.stderr
    data = read((tmp_path / "run.html").read_text())
    assert sorted((data["kinds"][kind]["operation"], chip) for kind, *_, chip in data["programs"]) == [
        ("ttnn.add", 0),
        ("ttnn.add", 1),
        ("ttnn.relu", 0),
        ("ttnn.relu", 1),
    ]
    rows = [row for row in csv.DictReader((tmp_path / "run.csv").open()) if row["OP TYPE"] == "tt_dnn_device"]
    begins = {chip: [row["HOST START TS"] for row in rows if row["DEVICE ID"] == chip] for chip in ("0", "1")}
    assert len(rows) == 4 and begins["0"] == begins["1"] and len(set(begins["0"])) == 2
    connection = sqlite3.connect(tmp_path / "run" / "db.sqlite")
    assert connection.execute("select count(*) from operations").fetchall() == [(2,)]
    connection.close()


SEVERAL = """
import torch
import ttnn

device = ttnn.open_device(device_id=0)
x = ttnn.from_torch(torch.rand(32, 64), dtype=ttnn.bfloat16, layout=ttnn.TILE_LAYOUT, device=device)
values, indices = ttnn.topk(x, 32)
"""


def test_each_of_several_results_is_compared_once(tmp_path):
    (tmp_path / "program.py").write_text(SEVERAL)
    run = emulator("--compare", "0", "program.py", cwd=tmp_path)
    assert "3 results compared" in run.stderr, run.stderr  # the upload, the values, their indices


def test_the_page_of_a_program_that_fails_and_its_status(tmp_path):
    (tmp_path / "program.py").write_text(PROGRAM.replace("STATUS", "7"))
    run = emulator("--report", "run.html", "program.py", cwd=tmp_path)
    assert run.returncode == 7
    assert len(read((tmp_path / "run.html").read_text())["programs"]) >= 2


@pytest.mark.parametrize(
    "name, message", [("run.pdf", "ends in .html or .csv, or"), ("no/run.html", "there is no folder")]
)
def test_a_report_that_cannot_be_written_is_refused_first(name, message, device):
    with pytest.raises(ttnn_emulator.EmulatorError, match=message), ttnn_emulator.write_report(name):
        raise AssertionError("the block was entered")


def test_the_report_of_a_block(device, tmp_path):
    x = upload(device, 32, 32)
    with ttnn_emulator.write_report(tmp_path / "run.html") as record:
        ttnn.relu(x)
    data = read((tmp_path / "run.html").read_text())
    assert len(data["programs"]) == len(record.programs) == 1
