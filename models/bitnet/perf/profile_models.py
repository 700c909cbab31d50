# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""Counts a decode step, a prefill and the DRAM of every model that runs here, in `fused`, on one board.

python models/bitnet/perf/profile_models.py --board n150

The figures are counted on few layers of the exact widths, without weights, and scaled to the layers of each model.
"""

import argparse
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))  # run as a script, from any folder

from models.bitnet.demo import command  # noqa: E402
from models.bitnet.demo.device import OpenDevice, open_device  # noqa: E402

if TYPE_CHECKING:
    from models.bitnet.tt.config import BitNetConfig

CONTEXT, PROMPTS = 1024, (128, 1024)
USERS, POSITIONS = 32, 4096  # of the KV cache
HEAD = (
    "| model | programs a step | weights a token, MB | modelled t/s/u | first token of 128 (1024), ms "
    "| weights, GB | KV cache, GB | of the board's DRAM |"
)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--board", help="which board to emulate without a card (default: n150)")
    board = parser.parse_args().board
    with open_device(board) as opened, opened.counting():
        # the device must be prepared before ttnn is imported, so this import comes here
        from models.bitnet.perf.random_weights import FULL, OTHER_MODELS

        print(f"fused, {opened.description}, {CONTEXT} tokens of context; KV cache of {USERS} x {POSITIONS} tokens\n")
        print(HEAD + "\n" + "|---" * HEAD.count(" | ") + "|---|", flush=True)
        two_b = replace(FULL, num_hidden_layers=30, vocab_size=128256, tie_word_embeddings=True)
        for name, model in {"BitNet 2B-4T": two_b, **OTHER_MODELS}.items():
            print(row(opened, name, model), flush=True)
    return 0


def row(opened: OpenDevice, name: str, model: "BitNetConfig") -> str:
    """The line of the table for one model."""
    from models.bitnet.perf.decode_profile import profile
    from models.bitnet.perf.memory import dram_in_use, dram_of_board, stored_bytes
    from models.bitnet.perf.prefill_profile import profile_prefill
    from models.bitnet.perf.random_model import SteppingModel
    from models.bitnet.perf.random_weights import EmptyWeights, empty_state

    def few_layers(layers: int) -> SteppingModel:
        few, weights = replace(model, num_hidden_layers=layers), EmptyWeights(opened.device)
        return SteppingModel(opened.device, "fused", 1, few, empty_state(few), POSITIONS, weights)

    layers = model.num_hidden_layers
    before = dram_in_use(opened.device)
    stepping = few_layers(3)
    with_three = dram_in_use(opened.device) - before
    step = replace(profile(stepping, CONTEXT - 1), layers=layers)
    kv_of_a_user = stored_bytes(stepping.cache[0].keys) + stored_bytes(stepping.cache[0].values)
    stepping.generator.close()
    del stepping
    firsts = []
    for tokens in PROMPTS:
        before = dram_in_use(opened.device)
        one = few_layers(1)
        with_one = dram_in_use(opened.device) - before
        firsts.append(replace(profile_prefill(one, tokens), layers=layers).modelled.total)
        one.generator.close()
        del one
    weights = with_one + (layers - 1) * (with_three - with_one) / 2 - layers * kv_of_a_user
    kv, board = layers * kv_of_a_user * USERS, dram_of_board(opened.device)
    share = (weights + kv) / board
    figures = step.figures()
    return (
        f"| {name} | {figures['programs_per_step']} | {figures['weight_bytes_per_token'] / 1e6:.0f} "
        f"| {figures['modelled_tokens_per_s_user']:.0f} | {firsts[0]:.0f} ({firsts[1]:.0f}) "
        f"| {weights / 1e9:.2f} | {kv / 1e9:.2f} | {100 * share:.0f} % |"
    )


if __name__ == "__main__":
    command.run(main)
