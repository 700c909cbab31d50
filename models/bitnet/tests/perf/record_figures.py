# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""Writes this device's counted figures to `recorded_figures.json`: python -m models.bitnet.tests.perf.record_figures

With the name of a board of several chips, such as 4xp150, it writes the figures of a tensor parallel model on two and
on four chips.
"""

import json
import sys
from typing import Any

from models.bitnet.demo.device import open_device
from models.bitnet.perf.profile_decode import ROWS


def main(board: str | None) -> None:
    for chips in [count for count in (2, 4) if count <= ROWS.get(board, 1)] or [1]:
        with open_device(board, chips) as opened, opened.counting():
            from models.bitnet.tests.perf.test_recorded_figures import FILE, chip_name

            recorded = json.loads(FILE.read_text())
            recorded[chip_name(opened.device)] = (of_one_chip if chips == 1 else of_a_row)(opened.device)
            FILE.write_text(json.dumps(recorded, indent=2) + "\n")


def of_one_chip(device: Any) -> dict[str, dict[str, int]]:
    from models.bitnet.perf.decode_profile import profile
    from models.bitnet.perf.random_model import SteppingModel, cheap_state, sizes
    from models.bitnet.perf.random_weights import EmptyWeights
    from models.bitnet.tests.perf.test_recorded_figures import CASES, CONTEXT, GUARDED

    state, weights, figures = cheap_state(sizes()), EmptyWeights(device), {}
    for precision, users in CASES:
        model = SteppingModel(device, precision, users, state=state, weights=weights)
        counted = profile(model, CONTEXT - 1).figures()
        figures[f"{precision}, batch {users}"] = {name: counted[name] for name in GUARDED}
    return figures


def of_a_row(device: Any) -> dict[str, dict[str, int]]:
    from models.bitnet.perf.decode_profile import profile
    from models.bitnet.tests.mesh.test_counted import CONTEXT, GUARDED, PRECISIONS, model_on

    figures = {}
    for precision in PRECISIONS:
        counted = profile(model_on(device, precision), CONTEXT - 1).figures()
        figures[precision] = {name: counted[name] for name in GUARDED}
    return figures


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else None)
