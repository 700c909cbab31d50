# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""What the port's model of a card says of a decode step, from the programs that the library runs for it."""

from collections.abc import Sequence
from typing import Any

import ttnn

from models.bitnet.tests.perf.card_model import bandwidth, fit, modelled_range
from models.bitnet.tests.perf.programs import Program


def architecture(device: ttnn.MeshDevice) -> str:
    return str(device.arch()).rsplit(".", 1)[-1].lower()


def dram_bytes(programs: Sequence[Program]) -> int:
    return sum(program.dram_read + program.dram_written for program in programs)


def modelled_step(programs: Sequence[Program], device: ttnn.MeshDevice) -> dict[str, Any]:
    """Counted and modelled figures of one step."""
    card = bandwidth(architecture(device), device.dram_grid_size().x)
    gigabytes = dram_bytes(programs) / 1e9
    return {
        "programs": len(programs),
        "gigabytes": gigabytes,
        "modelled_ms": fit().milliseconds(gigabytes, len(programs), card),
        "modelled_range": modelled_range(gigabytes, len(programs), card),  # tokens/s/user, slowest and fastest
        "roofline_ms": 1e3 * gigabytes / card,
    }


def modelled_us(program: Program, device: ttnn.MeshDevice) -> float:
    """One program's part of a modelled step."""
    card = bandwidth(architecture(device), device.dram_grid_size().x)
    return 1e3 * fit().milliseconds(dram_bytes([program]) / 1e9, 1, card)
