# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""This module finds the operations that the ledger's cases call, and writes `evidence.json`."""

import json

from ttnn_emulator.install import emulated_device, install
from ttnn_emulator.ledger.evidence import FILE
from ttnn_emulator.ledger.record import Ledger, open_device, run_case


def measure(device) -> dict[str, str]:
    """Run all cases, and return the operations that they call, each with the weakest bar of its cases."""
    import ttnn_emulator
    from ttnn_emulator.ledger.cases import load

    bars: dict[str, set[str]] = {}
    for case in load().values():
        with ttnn_emulator.record() as record:
            run_case(device, case, Ledger())
        for name in record.operations:
            bars.setdefault(name, set()).add(case.bar)
    return {name: min(bars[name], key=_strength) for name in sorted(bars)}


def _strength(bar: str) -> tuple[int, float]:
    """Return a larger number for a stronger bar."""
    kind, _, value = bar.partition("=")
    return {"exact": (2, 0.0), "ulps": (1, -float(value or 0)), "pcc": (0, float(value or 0))}[kind]


def write() -> None:
    install()
    import ttnn

    emulated_device()  # an error on a card or a simulator: the table is of the emulated device's operations
    device = open_device()
    FILE.write_text(json.dumps(measure(device), indent=1) + "\n")
    ttnn.close_device(device)
