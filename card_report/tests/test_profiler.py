# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""The real-time profiler with made-up records, because the devices of these tests send none."""

from types import SimpleNamespace

import pytest

import ttnn
import ttnn_emulator
from card_report import profiler
from card_report.profiler import Record, operation_of, summarise

MATMUL = ("ttnn/cpp/ttnn/operations/matmul/device/kernels/compute/bmm.cpp",)
ADD = ("firmware.cpp", "/x/ttnn/cpp/ttnn/operations/eltwise/binary_ng/device/kernels/compute/add.cpp")


def test_operation_of():
    assert operation_of(MATMUL) == "matmul"
    assert operation_of(ADD) == "eltwise/binary_ng"
    assert operation_of(["firmware.cpp"]) == operation_of([]) == "unknown"


def test_in_the_order_of_the_programs():
    records = [Record(20, 24, MATMUL), Record(0, 10, MATMUL), Record(12, 13, ADD)]
    found = summarise(records, [("Matmul", 8.0), ("BinaryNg", 3.0), ("Matmul", 9.0)])
    assert found["programs"] == 3 and found["programs_us"] == 15 and found["between_us"] == 2 + 7
    assert found["rows"] == [
        {"name": "Matmul", "count": 2, "measured_us": 14, "modelled_us": 17},
        {"name": "BinaryNg", "count": 1, "measured_us": 1, "modelled_us": 3},
    ]


def test_other_programs_than_counted():
    found = summarise([Record(0, 10, MATMUL), Record(11, 12, ADD)], [("Matmul", 8.0)])
    assert [(row["name"], row["modelled_us"]) for row in found["rows"]] == [
        ("matmul", None),
        ("eltwise/binary_ng", None),
    ]


def test_nothing_came():
    assert summarise([], [("Matmul", 8.0)]) == {"programs": 0, "programs_us": 0, "between_us": 0, "rows": []}


def test_records_in_microseconds(monkeypatch):
    """Records in ticks of a clock with 2 ticks a nanosecond become microseconds. They are delivered after the step."""
    callbacks = []
    monkeypatch.setattr(profiler.time, "sleep", lambda seconds: None)
    monkeypatch.setattr(
        ttnn.device, "RegisterProgramRealtimeProfilerCallback", lambda call: callbacks.append(call) or 7
    )
    monkeypatch.setattr(ttnn.device, "UnregisterProgramRealtimeProfilerCallback", lambda handle: callbacks.pop())
    record = SimpleNamespace(start_timestamp=2000, end_timestamp=8000, frequency=2.0, kernel_sources=[*MATMUL])
    found = profiler.profile_step(lambda: callbacks[0](SimpleNamespace(dropped=0, records=[record])), [("Matmul", 2.5)])
    assert found["rows"] == [{"name": "Matmul", "count": 1, "measured_us": 3.0, "modelled_us": 2.5}]
    assert not callbacks, "the callback is still registered"


def test_the_library_offers_it():
    for name in ("start_timestamp", "end_timestamp", "frequency", "kernel_sources"):
        assert hasattr(ttnn.device.ProgramRealtimeRecord, name)
    for name in ("records", "dropped"):
        assert hasattr(ttnn.device.ProgramRealtimeRecordBatch, name)


@pytest.mark.skipif(ttnn_emulator.hardware() is not None, reason="a card has the profiler")
def test_without_the_profiler(capsys):
    """Without the profiler the program says so and exits with status 0."""
    assert profiler.main() == 0
    assert '"profiled": null' in capsys.readouterr().out
