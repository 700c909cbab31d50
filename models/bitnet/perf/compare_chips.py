# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""Compares the modelled time of a decode step of the 2B-4T on one, two and four chips of a board.

The tables show from which batch and context several chips are faster. `profile_decode.py` models each step. `fused`
runs on one chip only.

python models/bitnet/perf/compare_chips.py --board 4xp150
"""

import argparse
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))  # run as a script, from any folder

from models.bitnet.demo import command  # noqa: E402
from models.bitnet.demo.device import open_device  # noqa: E402
from models.bitnet.perf.profile_decode import ROWS  # noqa: E402

if TYPE_CHECKING:
    from models.bitnet.perf.decode_profile import DecodeProfile

PRECISIONS = ("accuracy", "performance")
CONTEXTS = (128, 1024, 4096)
TILE = 32
Key = tuple[int, str, int]  # chips, precision, batch


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--board", default="4xp150", choices=sorted(ROWS), help="which board to emulate without a card")
    parser.add_argument("--batches", type=int, nargs="+", default=(1, 8, 16, 32), help="users that decode together")
    options = parser.parse_args()
    board, batches = options.board, options.batches
    row = [chips for chips in (1, 2, 4) if chips <= ROWS[board]]
    profiles: dict[Key, DecodeProfile] = {}
    for chips in row:
        with open_device(board, chips) as opened, opened.counting():
            try:
                profiles |= profiles_of(opened.device, chips, batches)
            except ValueError as error:
                raise SystemExit(f"compare_chips: {error}; see --batches") from None
    from models.bitnet.perf.links import us_range

    print(
        f"Modelled ms of a decode step, {board}; in brackets with {us_range()} us a gather beyond a program's cost.\n"
    )
    print(times(profiles, row, batches))
    print("\nFrom which context a step is modelled to be quicker than one chip's of the same precision:\n")
    print(thresholds(profiles, row[1:], batches))
    return 0


def profiles_of(device: object, chips: int, batches: Sequence[int]) -> "dict[Key, DecodeProfile]":
    """The profiles of every precision and batch on this many chips, at one tile of context."""
    from models.bitnet.perf.decode_profile import profile
    from models.bitnet.perf.random_model import SteppingModel, cheap_state, sizes
    from models.bitnet.perf.random_weights import EmptyWeights

    state, weights, profiles = cheap_state(sizes()), EmptyWeights(device), {}
    for precision in PRECISIONS if chips > 1 else (*PRECISIONS, "fused"):
        for batch in batches:
            model = SteppingModel(device, precision, batch, state=state, weights=weights)
            profiles[chips, precision, batch] = profile(model, TILE - 1)
            model.generator.close()
        print(f"{chips} chips, {precision}: counted", file=sys.stderr, flush=True)
    return profiles


def at(profile: "DecodeProfile", context: int) -> "DecodeProfile":
    """The profile at another context, from a profile at one tile of context.

    The reads of keys and values grow with the context. All else in a step stays the same.
    """
    more = -(-context // TILE) - 1
    layer, last_layer = (
        [replace(p, kv_read=p.kv_read * (1 + more), dram_read=p.dram_read + p.kv_read * more) for p in programs]
        for programs in (profile.layer, profile.last_layer)
    )
    return replace(profile, layer=layer, last_layer=last_layer)


def times(profiles: "dict[Key, DecodeProfile]", row: Sequence[int], batches: Sequence[int]) -> str:
    """The table of modelled times, one line for each precision, batch and context."""
    names = [f"{chips} chips" if chips > 1 else "1 chip" for chips in row]
    lines = [f"| precision | batch | context | {' | '.join(names)} | fused, 1 chip |", "|---" * (4 + len(row)) + "|"]
    for precision in PRECISIONS:
        for batch in batches:
            for context in CONTEXTS:
                cells = [_cell(at(profiles[chips, precision, batch], context)) for chips in row]
                cells.append(_cell(at(profiles[1, "fused", batch], context)))
                lines.append(f"| {precision} | {batch} | {context} | {' | '.join(cells)} |")
    return "\n".join(lines)


def thresholds(profiles: "dict[Key, DecodeProfile]", counts: Sequence[int], batches: Sequence[int]) -> str:
    """The table of contexts from which several chips are faster, one line for each precision and batch."""
    from models.bitnet.perf.links import COLLECTIVE_US_RANGE

    lines = [
        f"| precision | batch | {' | '.join(f'{chips} chips' for chips in counts)} |",
        "|---" * (2 + len(counts)) + "|",
    ]
    for precision in PRECISIONS:
        for batch in batches:
            alone, cells = profiles[1, precision, batch], []
            for chips in counts:
                several = profiles[chips, precision, batch]
                low, high = (_pays_from(several, alone, us) for us in COLLECTIVE_US_RANGE)
                cells.append(f"{_pays_from(several, alone, several.card.collective_us)} ({low} to {high})")
            lines.append(f"| {precision} | {batch} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _pays_from(several: "DecodeProfile", alone: "DecodeProfile", collective_us: float) -> str:
    several = several.on(collective_us=collective_us)
    for context in range(128, 4097, 128):
        if at(several, context).modelled.total < at(alone, context).modelled.total:
            return str(context)
    return "never"


def _cell(profile: "DecodeProfile") -> str:
    from models.bitnet.perf.links import COLLECTIVE_US_RANGE

    if profile.card.chips == 1:
        return f"{profile.modelled.total:.1f}"
    low, high = (profile.on(collective_us=us).modelled.total for us in COLLECTIVE_US_RANGE)
    return f"{profile.modelled.total:.1f} ({low:.1f} to {high:.1f})"


if __name__ == "__main__":
    command.run(main)
