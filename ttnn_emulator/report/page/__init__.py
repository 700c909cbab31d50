# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""This module writes a record as one HTML page that needs no network.

`template.html`, `style.css` and `page.js` are joined with the record's data. The data names each distinct program once.
"""

import json
from dataclasses import asdict
from pathlib import Path

from ttnn_emulator.library.programs import Program, TensorInfo
from ttnn_emulator.report.banks import bytes_by_bank, cores_of, shards_of
from ttnn_emulator.report.modelled import ARCHITECTURES, SOURCES, Chip, time_of
from ttnn_emulator.report.recorder import Recorder

_HERE = Path(__file__).parent


def page(record: Recorder, title: str, board: str) -> str:
    """Return the page of a record."""
    text = (_HERE / "template.html").read_text()
    data = json.dumps(data_of(record, title, board), separators=(",", ":")).replace("</", "<\\/")
    parts = {"style": (_HERE / "style.css").read_text(), "script": (_HERE / "page.js").read_text(), "data": data}
    for name, part in parts.items():
        text = text.replace(f"/* {name} */", part, 1)
    return text


def data_of(record: Recorder, title: str, board: str) -> dict:
    """Return what the page shows, as JSON has it."""
    kinds: dict[str, int] = {}
    lines: dict[str, int] = {}
    programs = []
    for program in record.programs:
        kind = kinds.setdefault(json.dumps(_kind(program, record.chip)), len(kinds))
        line = lines.setdefault(program.source, len(lines))
        l1 = None if program.circular_buffer_bytes is None else program.held_l1 + program.circular_buffer_bytes
        programs.append([kind, line, program.held_l1, l1, program.pcc, program.largest_error, program.chip])
    return {
        "title": title,
        "board": board,
        "chip": record.chip and asdict(record.chip),
        "architecture": record.chip and asdict(ARCHITECTURES[record.chip.architecture]),
        "sources": SOURCES,
        "kinds": [json.loads(kind) for kind in kinds],
        "lines": list(lines),
        "programs": programs,
        "transfers": [asdict(transfer) for transfer in record.transfers],
        "uploaded": record.uploaded_bytes,
        "downloaded": record.downloaded_bytes,
        "peak_l1": record.peak_l1_per_core,
        "peak_dram": record.peak_dram,
    }


def _kind(program: Program, chip: Chip) -> dict:
    """Return what is the same in all runs of a program."""
    time = time_of(program, chip)
    return {
        "name": program.name.removesuffix("DeviceOperation"),
        "operation": program.operation,
        "inputs": [_tensor(tensor, chip) for tensor in program.inputs],
        "outputs": [_tensor(tensor, chip) for tensor in program.outputs],
        "attributes": program.attributes,
        "fidelity": program.fidelity,
        "cores": program.cores,
        "circular_buffers": [buffer._asdict() for buffer in program.circular_buffers],
        "dram_read": program.dram_read,
        "dram_written": program.dram_written,
        "banks": bytes_by_bank(program, chip.dram_banks),
        "flops": program.flops,
        "us": {name: round(value, 4) for name, value in asdict(time).items()},
        "bound": time.bound,
    }


def _tensor(tensor: TensorInfo, chip: Chip) -> dict:
    """Return a tensor with the bytes that it takes on each of its cores, if it lies in L1."""
    described = asdict(tensor)
    del described["memory_config"]  # long, and told by the other fields
    if tensor.in_dram:
        described["on_each_core"], described["cores"] = 0, []
    elif tensor.shard is None:
        pages = -(-tensor.bytes // max(tensor.page_bytes, 1))
        described["on_each_core"] = -(-pages // chip.cores) * tensor.page_bytes
        described["cores"] = [(0, 0, chip.grid[0] - 1, chip.grid[1] - 1)]
    else:
        shards, size = shards_of(tensor)
        described["on_each_core"] = -(-shards // len(cores_of(tensor.cores))) * size
    return described
