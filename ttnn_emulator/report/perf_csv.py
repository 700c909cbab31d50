# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""This module writes a record as the table of tt-metal's profiler (`ops_perf_results.csv`), with modelled times.

tt-perf-report and the performance page of ttnn-visualizer read it. Its first row is a signpost that says that the times
are modelled, and tt-perf-report prints it. Every row says so too, in a column of its own. The chips of a mesh run at
the same time.
"""

import csv
import io

from ttnn_emulator.library.programs import TILE, Program, TensorInfo
from ttnn_emulator.report.modelled import Chip, Time, time_of
from ttnn_emulator.report.recorder import Recorder

MODELLED = "times modelled by ttnn_emulator, not measured"
_AXES = "WZYX"


def perf_csv(record: Recorder) -> str:
    """Return the table of a record's programs in the order in which they ran."""
    rows = [{"OP CODE": MODELLED, "OP TYPE": "signpost", "GLOBAL CALL COUNT": 0, "HOST START TS": 0}]
    clocks = dict.fromkeys((program.chip for program in record.programs), 1)
    for number, program in enumerate(record.programs, 1):
        time = time_of(program, record.chip)
        rows.append(_row(program, number, time, record.chip) | {"HOST START TS": clocks[program.chip]})
        clocks[program.chip] += round(1e3 * time.total)
    columns = dict.fromkeys(name for row in rows for name in row)
    columns |= dict.fromkeys(name for tensor in ("INPUT_0", "INPUT_1", "OUTPUT_0") for name in _tensor(tensor, None))
    text = io.StringIO()
    writer = csv.DictWriter(text, list(columns), restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def _row(program: Program, number: int, time: Time, chip: Chip) -> dict[str, str | int]:
    row = {
        "OP CODE": program.name,
        "OP TYPE": "tt_dnn_device",
        "GLOBAL CALL COUNT": number,
        "DEVICE ID": program.chip,
        "DEVICE ARCH": chip.architecture,
        "ATTRIBUTES": program.attributes,
        "MATH FIDELITY": program.fidelity,
        "CORE COUNT": program.cores or "",
        "AVAILABLE WORKER CORE COUNT": chip.cores,
        "DEVICE FW DURATION [ns]": round(1e3 * time.kernel),
        "DEVICE KERNEL DURATION [ns]": round(1e3 * time.kernel),
        "OP TO OP LATENCY [ns]": round(1e3 * time.dispatch),
        "TIMES": MODELLED,
        "BOUND BY": time.bound,
        "SOURCE LINE": program.source,
    }
    for kind, tensors in (("INPUT", program.inputs), ("OUTPUT", program.outputs)):
        for index, tensor in enumerate(tensors):
            row |= _tensor(f"{kind}_{index}", tensor)
    return row


def _tensor(name: str, tensor: TensorInfo | None) -> dict[str, str]:
    """Return the columns of a tensor. They are empty for None."""
    places = [f"{name}_{axis}_PAD[LOGICAL]" for axis in _AXES]
    rest = [f"{name}_LAYOUT", f"{name}_DATATYPE", f"{name}_MEMORY"]
    if tensor is None:
        return dict.fromkeys((*places, *rest), "")
    sizes = (1, 1, 1, 1, *tensor.shape)
    first = 1
    for size in sizes[:-3]:
        first *= size
    logical = (first, *sizes[-3:])
    step = TILE if tensor.layout == "TILE" else 1
    padded = (*logical[:2], *(-(-size // step) * step for size in logical[2:]))
    shape = (f"{pad}[{size}]" for pad, size in zip(padded, logical))
    return dict(zip((*places, *rest), (*shape, tensor.layout, tensor.dtype, f"DEV_0_{tensor.memory}")))
