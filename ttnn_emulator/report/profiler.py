# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""The columns of tt-metal's profiler CSV, which `tt-perf-report` reads, filled from recorded programs."""

import ttnn
from ttnn_emulator.library.programs import Program, TensorInfo

_TENSORS = ("INPUT_0", "INPUT_1", "INPUT_2", "OUTPUT_0")
_AXES = ("W", "Z", "Y", "X")
COLUMNS = [
    "OP CODE",
    "OP TYPE",
    "GLOBAL CALL COUNT",
    "DEVICE ID",
    "DEVICE ARCH",
    "ATTRIBUTES",
    "MATH FIDELITY",
    "CORE COUNT",
    "AVAILABLE WORKER CORE COUNT",
    "HOST START TS",
    "HOST DURATION [ns]",
    "DEVICE FW DURATION [ns]",
    "DEVICE KERNEL DURATION [ns]",
    "OP TO OP LATENCY [ns]",
    *(f"{tensor}_{axis}_PAD[LOGICAL]" for tensor in _TENSORS for axis in _AXES),
    *(f"{tensor}_{field}" for tensor in _TENSORS for field in ("LAYOUT", "DATATYPE", "MEMORY")),
]


def profiler_row(number: int, program: Program) -> dict[str, str | int]:
    """One program as a row. The device durations stay empty: nothing ran on a card."""
    tensors = dict(zip(_TENSORS, [*program.inputs[:3], *[None] * (3 - len(program.inputs))], strict=False))
    tensors["OUTPUT_0"] = program.outputs[0] if program.outputs else None
    row: dict[str, str | int] = dict.fromkeys(COLUMNS, "")
    row |= {
        "OP CODE": program.name,
        "OP TYPE": "tt_dnn_device",
        "GLOBAL CALL COUNT": number,
        "DEVICE ID": 0,
        "DEVICE ARCH": "wormhole_b0" if "wormhole" in ttnn.get_arch_name() else "blackhole",
        "ATTRIBUTES": program.attributes,
        "MATH FIDELITY": program.fidelity,
        "CORE COUNT": program.cores or "",
        "HOST START TS": number,
        "HOST DURATION [ns]": round(program.host_us * 1000),
    }
    for label, tensor in tensors.items():
        if tensor is not None:
            row |= _tensor_cells(label, tensor)
    return row


def _tensor_cells(label: str, tensor: TensorInfo) -> dict[str, str]:
    shape = (1,) * (4 - len(tensor.shape)) + tensor.shape[-4:]
    tile = (1, 1, 32, 32) if tensor.layout == "TILE" else (1, 1, 1, 1)
    padded = [-(-size // step) * step for size, step in zip(shape, tile)]
    cells = {f"{label}_{axis}_PAD[LOGICAL]": f"{pad}[{size}]" for axis, pad, size in zip(_AXES, padded, shape)}
    memory = f"DEV_0_{tensor.memory}"
    return cells | {f"{label}_LAYOUT": tensor.layout, f"{label}_DATATYPE": tensor.dtype, f"{label}_MEMORY": memory}
