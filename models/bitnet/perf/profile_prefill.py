# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""Profiles the prefill of a prompt by the 2B-4T: its programs, its bytes, and its modelled time on a card.

python models/bitnet/perf/profile_prefill.py --board p150 --tokens 128 1024

The figures are counted on one layer of random weights of the full sizes and scaled to 30. The modelled time is that of
the card alone: it ends with the logits of the last position.
"""

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))  # run as a script, from any folder

from models.bitnet.demo import command  # noqa: E402
from models.bitnet.demo.device import open_device  # noqa: E402


def main() -> int:
    options = parse_arguments()
    with open_device(options.board, 1) as opened, opened.counting():
        # the device must be prepared before ttnn is imported, so these imports come here
        from models.bitnet.perf.prefill_profile import profile_prefill
        from models.bitnet.perf.random_model import SteppingModel, sizes
        from models.bitnet.perf.random_weights import EmptyWeights

        print(f"Prefill of BitNet 2B-4T, {options.precision}, one prompt, {opened.description}\n")
        line = "{:>7}  {:>9}  {:>11}  {:>11}  {:>11}  {:>9}  {:>8}  {}"
        print(
            line.format(
                "tokens", "programs", "MB of DRAM", "MB weights", "GFLOP", "DRAM, ms", "units, ms", "modelled, ms"
            )
        )
        for tokens in options.tokens:
            weights = EmptyWeights(opened.device)
            model = SteppingModel(opened.device, options.precision, 1, sizes(layers=1), weights=weights)
            profile = profile_prefill(model, tokens)
            time, (least, most) = profile.modelled, profile.modelled_range
            print(
                line.format(
                    tokens,
                    sum(count for _, count in profile.counted()),
                    f"{profile.total('dram_read', 'dram_written') / 1e6:.0f}",
                    f"{profile.total('weight_bytes') / 1e6:.0f}",
                    f"{profile.total('flops') / 1e9:.0f}",
                    f"{time.dram:.1f}",
                    f"{time.units:.1f}",
                    f"{time.total:.1f} ({least:.1f} to {most:.1f} with any one published row left out)",
                )
            )
    return 0


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--board", help="which board to emulate without a card (default: n150)")
    parser.add_argument("--tokens", type=int, nargs="+", default=(128, 1024), help="lengths of prompts, up to 4096")
    parser.add_argument("--precision", default="fused", choices=("accuracy", "performance", "fused"))
    options = parser.parse_args()
    if bad := [tokens for tokens in options.tokens if not 1 <= tokens <= 4096]:
        parser.error(f"{bad[0]} tokens: the model has 1 to 4096 positions")
    return options


if __name__ == "__main__":
    command.run(main)
