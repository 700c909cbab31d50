# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""A decode profile as a table, as sentences, and as a file for tt-perf-report."""

import csv
from dataclasses import dataclass
from pathlib import Path

from models.bitnet.tests.perf.decode_profile import DecodeProfile
from models.bitnet.tests.perf.programs import Program, Tensor

_TENSORS = ("INPUT_0", "INPUT_1", "OUTPUT_0")
_AXES = ("W", "Z", "Y", "X")


@dataclass
class Row:
    """Programs that are the same but for their layer or their weight."""

    program: Program
    count: int = 0


def rows_of(profile: DecodeProfile) -> list[Row]:
    rows: dict[tuple, Row] = {}
    for program, times in profile.counted():
        rows.setdefault(program.key, Row(program)).count += times
    return list(rows.values())


def table(profile: DecodeProfile) -> str:
    """One line a kind of program, in the order in which a step runs them."""
    header = ("program", "count", "inputs", "cores", "fidelity", "MB a step", "MFLOP", "L1 kB", "modelled share")
    lines, whole = [header], profile.modelled.total
    for row in rows_of(profile):
        program = row.program
        moved = row.count * (program.dram_read + program.dram_written)
        share = row.count * profile.modelled_ms_of(program) / whole
        lines.append(
            (
                program.name + (" (moves only)" if program.moves_only else ""),
                str(row.count),
                " x ".join(shape_of(tensor) for tensor in program.inputs[:2]),
                str(program.cores or "?"),
                program.fidelity if program.name in ("Matmul", "SdpaDecode", "LayerNorm") else "",
                f"{moved / 1e6:.2f}",
                f"{row.count * program.flops / 1e6:.1f}",
                f"{program.l1_bytes / 1024:.0f}",
                f"{100 * share:.1f} %",
            )
        )
    widths = [max(len(line[column]) for line in lines) for column in range(len(header))]
    text = ["  ".join(_aligned(cell, width, i) for i, (cell, width) in enumerate(zip(line, widths))) for line in lines]
    text.insert(1, "  ".join("-" * width for width in widths))
    return "\n".join(text)


def _aligned(cell: str, width: int, column: int) -> str:
    return cell.ljust(width) if column in (0, 2) else cell.rjust(width)


def shape_of(tensor: Tensor) -> str:
    shape = [size for size in tensor.shape[:-2] if size != 1] + list(tensor.shape[-2:])
    return f"{list(shape)} {tensor.dtype.lower().replace('bfloat', 'bf').replace('float', 'f')}"


def summary(profile: DecodeProfile) -> str:
    figures, time = profile.figures(), profile.modelled
    low, high = figures["modelled_tokens_per_s_user_range"]
    return "\n".join(
        [
            f"{profile.programs} programs a step: {figures['programs_per_layer']} a layer (of which "
            f"{figures['movement_per_layer']} move data only), {figures['programs_outside_layers']} outside the layers",
            f"{figures['weight_bytes_per_token'] / 1e6:.1f} MB of weights a token "
            f"({figures['stored_weight_bytes_per_token'] / 1e6:.1f} MB with the padding of the DRAM banks), "
            f"{figures['kv_bytes_read_per_step'] / 1e6:.1f} MB of KV cache, "
            f"{figures['dram_bytes_per_step'] / 1e6:.1f} MB over DRAM in all, "
            f"{figures['flops_per_step'] / 1e9:.2f} GFLOP",
            f"{figures['uploaded_bytes_per_step']} bytes uploaded and {figures['downloaded_bytes_per_step']} "
            f"downloaded a step; {figures['host_ms_per_step']:.1f} ms in the library on this host when not traced",
            f"modelled: {time.dram:.2f} ms of DRAM + {time.programs:.2f} ms of programs + {time.unpackers:.2f} ms of "
            f"unpackers of two-bit weights = {time.total:.2f} ms",
            f"modelled {figures['modelled_tokens_per_s_user']:.0f} tokens/s/user "
            f"(modelled {low:.0f} to {high:.0f} with any one published row left out), "
            f"{profile.users * 1e3 / time.total:.0f} tokens/s in all",
            f"DRAM roofline ({profile.card.bandwidth:.0f} GB/s): {profile.roofline_ms:.2f} ms, "
            f"{figures['roofline_tokens_per_s_user']:.0f} tokens/s/user",
        ]
    )


def write_csv(profile: DecodeProfile, path: Path) -> None:
    """The columns of tt-metal's profiler; the device's times are empty, nothing having been timed on a card."""
    columns = [
        *("OP CODE", "OP TYPE", "GLOBAL CALL COUNT", "DEVICE ID", "DEVICE ARCH", "ATTRIBUTES", "MATH FIDELITY"),
        *("CORE COUNT", "AVAILABLE WORKER CORE COUNT", "HOST START TS", "HOST DURATION [ns]"),
        *("DEVICE FW DURATION [ns]", "DEVICE KERNEL DURATION [ns]", "OP TO OP LATENCY [ns]"),
        *(f"{tensor}_{axis}_PAD[LOGICAL]" for tensor in _TENSORS for axis in _AXES),
        *(f"{tensor}_{field}" for tensor in _TENSORS for field in ("LAYOUT", "DATATYPE", "MEMORY")),
    ]
    programs = profile.before + profile.layer * profile.layers + profile.after
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, columns, restval="")
        writer.writeheader()
        for number, program in enumerate(programs):
            tensors = [*program.inputs[:2], *[None] * (2 - len(program.inputs))]
            tensors.append(program.outputs[0] if program.outputs else None)
            row = {
                "OP CODE": f"{program.name}DeviceOperation",
                "OP TYPE": "tt_dnn_device",
                "GLOBAL CALL COUNT": number,
                "DEVICE ID": 0,
                "DEVICE ARCH": profile.card.architecture,
                "ATTRIBUTES": program.attributes,
                "MATH FIDELITY": program.fidelity,
                "CORE COUNT": program.cores or "",
                "HOST START TS": number,
            }
            for label, tensor in zip(_TENSORS, tensors):
                row |= _cells(label, tensor) if tensor is not None else {}
            writer.writerow(row)


def _cells(label: str, tensor: Tensor) -> dict[str, str]:
    shape = (1,) * (4 - len(tensor.shape)) + tensor.shape[-4:]
    tile = (1, 1, 32, 32) if tensor.layout == "TILE" else (1, 1, 1, 1)
    padded = [-(-size // step) * step for size, step in zip(shape, tile)]
    cells = {f"{label}_{axis}_PAD[LOGICAL]": f"{pad}[{size}]" for axis, pad, size in zip(_AXES, padded, shape)}
    memory = f"DEV_0_{tensor.memory}"
    return cells | {f"{label}_LAYOUT": tensor.layout, f"{label}_DATATYPE": tensor.dtype, f"{label}_MEMORY": memory}
