# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""The modelled figures of a decode step, from the programs that ttnn runs and the port's model of a card."""

from collections.abc import Sequence
from typing import Any

import ttnn
from models.bitnet.perf.modelled import Card, speed_range, time_of_all
from models.bitnet.perf.programs import Program


def dram_bytes(programs: Sequence[Program]) -> int:
    return sum(program.dram_read + program.dram_written for program in programs)


def modelled_step(programs: Sequence[Program], device: ttnn.MeshDevice) -> dict[str, Any]:
    """The counted and modelled figures of one step."""
    card, counted = Card.of(device), [(program, 1) for program in programs]
    gigabytes = dram_bytes(programs) / 1e9
    return {
        "programs": len(programs),
        "gigabytes": gigabytes,
        "modelled_ms": time_of_all(counted, card).total,
        "modelled_range": speed_range(counted, card),  # tokens/s/user, slowest and fastest
        "roofline_ms": 1e3 * gigabytes / card.bandwidth,
    }


def modelled_us(program: Program, device: ttnn.MeshDevice) -> float:
    """The modelled microseconds of one program."""
    return 1e3 * time_of_all([(program, 1)], Card.of(device)).total
