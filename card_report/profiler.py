# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""Profiles a decode step of the 2B-4T's size, program by program, by ttnn's real-time profiler.

ttnn's wheel is built without Tracy, so it lacks the kernel times of `ReadDeviceProfiler` (TT_METAL_DEVICE_PROFILER ends
the process). The wheel has the real-time profiler. For each program on a card the profiler sends the device's clock at
the start and the end. `python -m card_report.profiler` prints a line of JSON for a step without and with trace.
"""

import json
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from models.bitnet.demo.device import open_device

_DELIVERY_S = 0.5  # a separate thread delivers the records


@dataclass(frozen=True)
class Record:
    """One run of a program, with its start and end in microseconds of the device's clock."""

    start_us: float
    end_us: float
    kernels: tuple[str, ...]  # the source files of the kernels


def operation_of(kernels: Sequence[str]) -> str:
    """The name of the operation of these kernels, which is the folder of its sources, e.g. "eltwise/binary_ng"."""
    for path in kernels:
        _, found, rest = path.partition("operations/")
        if found:
            return rest.partition("/device/")[0]
    return "unknown"


def summarise(records: Sequence[Record], programs: Sequence[tuple[str, float]]) -> dict[str, Any]:
    """The times summed by operation, and the gaps between programs.

    programs: names and modelled microseconds, in the order in which ttnn runs them. If their number is not that of the
    records, operations are named by their kernels and have no modelled time.
    """
    ordered = sorted(records, key=lambda record: record.start_us)
    known = len(programs) == len(ordered)
    rows: dict[str, dict[str, Any]] = {}
    for number, record in enumerate(ordered):
        name, modelled = programs[number] if known else (operation_of(record.kernels), None)
        row = rows.setdefault(name, {"name": name, "count": 0, "measured_us": 0.0, "modelled_us": modelled and 0.0})
        row["count"] += 1
        row["measured_us"] += record.end_us - record.start_us
        if modelled is not None:
            row["modelled_us"] += modelled
    return {
        "programs": len(ordered),
        "programs_us": sum(row["measured_us"] for row in rows.values()),
        "between_us": sum(later.start_us - record.end_us for record, later in zip(ordered, ordered[1:])),
        "rows": sorted(rows.values(), key=lambda row: -row["measured_us"]),
    }


@contextmanager
def records_of_programs() -> Iterator[list[Record]]:
    """The records of all programs that run inside this block. The list is complete after the block."""
    import ttnn

    records: list[Record] = []

    def keep(batch: Any) -> None:
        if batch.dropped:
            print(f"the profiler dropped {batch.dropped} records", file=sys.stderr, flush=True)
        for record in batch.records:
            per_us = 1e3 * record.frequency  # the frequency is in cycles a nanosecond
            start, end = record.start_timestamp / per_us, record.end_timestamp / per_us
            records.append(Record(start, end, tuple(map(str, record.kernel_sources))))

    time.sleep(_DELIVERY_S)  # the records of earlier programs must not be counted
    handle = ttnn.device.RegisterProgramRealtimeProfilerCallback(keep)
    try:
        yield records
        time.sleep(_DELIVERY_S)
    finally:
        ttnn.device.UnregisterProgramRealtimeProfilerCallback(handle)


def profile_step(step: Callable[[], Any], programs: Sequence[tuple[str, float]]) -> dict[str, Any]:
    with records_of_programs() as records:
        step()
    return summarise(records, programs)


def main() -> int:
    with open_device() as opened, tempfile.TemporaryDirectory() as scratch:
        import ttnn

        if not ttnn.device.IsProgramRealtimeProfilerActive():
            print(json.dumps({"profiled": None, "reason": "the library's real-time profiler does not run here"}))
            return 0
        from card_report.modelled import modelled_us
        from card_report.stepping import CONTEXT, builder
        from models.bitnet.perf.programs import capture

        build = builder("2b", opened.device, Path(scratch))
        for precision in ("fused", "performance"):
            model = build(precision, 1)
            model.start(CONTEXT["2b"] - 1).step()
            programs = [(p.name, modelled_us(p, opened.device)) for p in capture(model.step, model.positions.tolist())]
            try:
                for trace in (False, True):
                    model.step(trace=trace)
                    found = profile_step(lambda step=model.step, trace=trace: step(trace=trace), programs)
                    form = {"precision": precision, "profiled": "traced" if trace else "untraced"}
                    print(json.dumps({**form, **found}), flush=True)
            finally:
                model.generator.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
