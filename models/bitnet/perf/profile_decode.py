# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""Profiles a decode step of the 2B-4T: its programs one by one, its bytes, and its modelled time on a card.

python models/bitnet/perf/profile_decode.py --board p150 --batch 32 --context 1024 --picture step.svg

The figures are counted on three layers of random weights of the full sizes and scaled to 30. On boards of several chips
(n300, p300, t3k, 4xp150) the model is tensor parallel over a row of chips. Programs and bytes are then those of each
chip, and the all-gathers of the step are counted and modelled too. --chips 1 profiles a single chip.
"""

import argparse
import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))  # run as a script, from any folder

from models.bitnet.demo import command  # noqa: E402
from models.bitnet.demo.command import new_file  # noqa: E402
from models.bitnet.demo.device import open_device  # noqa: E402

ROWS = {"n300": 2, "p300": 2, "t3k": 4, "4xp150": 4}  # chips


def main() -> int:
    options = parse_arguments()
    with open_device(options.board, options.chips) as opened, opened.counting():
        # the device must be prepared before ttnn is imported, so these imports come here
        import ttnn
        from models.bitnet.perf import report
        from models.bitnet.perf.card_model import calibration_table
        from models.bitnet.perf.decode_profile import profile
        from models.bitnet.perf.random_model import SteppingModel
        from models.bitnet.tt.precision import find_precision

        try:
            precision = find_precision(options.precision)
            if options.head_weight:
                precision = precision.with_matmul("lm_head", weight=getattr(ttnn, options.head_weight))
            if options.head:
                precision = replace(precision, head=options.head)
            model = SteppingModel(opened.device, precision, options.batch)
        except ValueError as error:
            raise SystemExit(f"profile_decode: {error}") from None
        # on an emulated mesh the host's time is mostly that of the emulation
        profiled = profile(model, options.context - 1, time_host=options.chips == 1)
        words = [word for word in (options.head_weight, options.head) if word]
        head = f" with a {' '.join(words)} head" if words else ""
        title = (
            f"BitNet 2B-4T, {options.precision}{head}, batch {options.batch}, {options.context} tokens of context, "
            f"{opened.description}"
        )
        figures: dict[str, Any] = {
            "device": opened.description,
            "precision": options.precision,
            "head_weight": options.head_weight,
            "head": options.head,
            "batch": options.batch,
            "context": options.context,
            **profiled.figures(),
        }
        parts = [title, report.table(profiled), report.summary(profiled), calibration_table()]
        if options.chips > 1:
            parts.insert(3, report.collectives(profiled))
        print("\n\n".join(parts))
        if options.picture:
            from models.bitnet.perf.picture import draw

            draw(profiled, title, options.picture)
        if options.json:
            print(json.dumps(figures))
    return 0


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--board", help="which board to emulate without a card (default: n150)")
    parser.add_argument("--chips", type=int, help="chips to run the model on, tensor parallel (default: a row)")
    parser.add_argument("--batch", type=int, default=1, help="users that decode together, 1 to 32")
    parser.add_argument("--context", type=int, default=1024, help="tokens that each user attends to")
    parser.add_argument("--precision", default="performance", choices=("accuracy", "performance", "fused"))
    parser.add_argument(
        "--head-weight", choices=("bfloat8_b", "bfloat16"), help="dtype of lm_head's weight (default: the precision's)"
    )
    parser.add_argument("--head", choices=("whole", "two-pass"), help="how fused chooses tokens (default: two-pass)")
    parser.add_argument("--picture", type=new_file, help="an SVG or PNG of the step against the DRAM roofline")
    parser.add_argument("--json", action="store_true", help="end with one line of JSON")
    options = parser.parse_args()
    if not 1 <= options.context <= 4096:
        parser.error(f"context {options.context}: the model has 1 to 4096 positions")
    if options.head and options.precision != "fused":
        parser.error(f"only fused has a choice of heads, {options.precision} has a whole one")
    if options.chips is None:
        options.chips = ROWS.get(options.board, 1)
    return options


if __name__ == "__main__":
    command.run(main)
