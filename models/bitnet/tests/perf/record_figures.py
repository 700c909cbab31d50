# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""Write this device's counted figures to `recorded_figures.json`: python -m models.bitnet.tests.perf.record_figures"""

import json
import sys

from models.bitnet.demo.device import open_device


def main(board: str | None) -> None:
    with open_device(board) as opened:
        from models.bitnet.tests.perf.decode_profile import profile
        from models.bitnet.tests.perf.random_model import SharedWeights, SteppingModel, cheap_state, sizes
        from models.bitnet.tests.perf.test_recorded_figures import CASES, CONTEXT, FILE, GUARDED, chip_name

        state, weights = cheap_state(sizes()), SharedWeights(opened.device)
        recorded = json.loads(FILE.read_text())
        figures = recorded[chip_name(opened.device)] = {}
        for precision, users in CASES:
            model = SteppingModel(opened.device, precision, users, state=state, weights=weights)
            counted = profile(model, CONTEXT - 1).figures()
            figures[f"{precision}, batch {users}"] = {name: counted[name] for name in GUARDED}
        FILE.write_text(json.dumps(recorded, indent=2) + "\n")


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else None)
