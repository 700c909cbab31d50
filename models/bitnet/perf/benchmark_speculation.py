# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""Measures how many tokens a step gives with drafts from the text itself, in four kinds of work.

python models/bitnet/perf/benchmark_speculation.py --board n150

The shipped model continues the prompts of demo/prompts/speculation.json, with and without drafts. Its steps are then
modelled as steps of the 2B-4T: each row that verifies a draft reads the keys and values again. The shipped model is too
small to follow its prompt, and repeats itself instead. So the prompts of three kinds also have an answer written by
hand. Its row says what a model that writes this answer would get.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))  # run as a script, from any folder

from models.bitnet.demo import command  # noqa: E402
from models.bitnet.demo.arguments import DEMO, SHIPPED_MODEL  # noqa: E402
from models.bitnet.demo.device import open_device  # noqa: E402
from models.bitnet.tt.engine.drafting import Drafter  # noqa: E402
from models.bitnet.tt.engine.speculation import DEFAULT_DRAFTS, drafts_to_verify  # noqa: E402

PROMPTS = DEMO / "prompts/speculation.json"
KINDS = {"free": "free continuation", "repeat": "repeats its prompt", "list": "list with a pattern", "edit": "edit"}


@dataclass
class Counts:
    """The steps of some texts: the tokens and drafts of each, and what all of them cost."""

    steps: list[tuple[int, int]]  # the tokens and the drafts of each step
    seconds: float = 0.0
    plain_seconds: float = 0.0
    uploaded_bytes: int = 0

    def __add__(self, other: "Counts") -> "Counts":
        return Counts(
            self.steps + other.steps,
            self.seconds + other.seconds,
            self.plain_seconds + other.plain_seconds,
            self.uploaded_bytes + other.uploaded_bytes,
        )

    @property
    def tokens(self) -> int:
        return sum(tokens for tokens, _ in self.steps)

    @property
    def drafted(self) -> int:
        return sum(drafted for _, drafted in self.steps)

    @property
    def accepted(self) -> int:
        return self.tokens - len(self.steps)

    def milliseconds(self, of_rows: Sequence[float]) -> float:
        """The modelled time of all steps. `of_rows` has the time of a step with one row, with two, ..."""
        return sum(of_rows[drafted] for _, drafted in self.steps)


def main() -> int:
    options = parse_arguments()
    kinds = json.loads(PROMPTS.read_text(encoding="utf-8"))
    with open_device(options.board) as opened:
        # the device must be prepared before ttnn is imported, so these imports come here
        from models.bitnet.tt.generation.sampling import GREEDY, SamplingParams

        drawn = [SamplingParams(0.7, top_p=0.9, seed=seed) for seed in range(8)]
        counts = measure(opened.device, kinds, {"greedy": [GREEDY] * 8, "drawn": drawn}, options)
        with opened.counting():
            plain_ms, of_rows = modelled_steps(opened.device, options.speculate, options.context)
    print(
        f"Up to {options.speculate} drafts, {opened.description}. A step of the 2B-4T at {options.context} tokens of "
        f"context, modelled: {plain_ms:.2f} ms with one row; with {1 + options.speculate} rows and 0, 1, ... drafts "
        f"{', '.join(f'{ms:.2f}' for ms in of_rows)} ms.\n\n{table(counts, plain_ms, of_rows)}"
    )
    return 0


def measure(device: Any, kinds: dict[str, list[dict]], ways: dict[str, list], options: argparse.Namespace) -> dict:
    """The counts of each kind and way of choosing tokens. Prompts run one at a time, without and with drafts."""
    from models.bitnet.tt.bitnet import BitNet

    def load(speculate: int) -> BitNet:
        return BitNet.from_pretrained(SHIPPED_MODEL, device, "fused", progress=False, speculate=speculate)

    counts: dict[tuple[str, str], Counts] = {}
    with load(0) as plain, load(options.speculate) as speculating:
        for model in (plain, speculating):
            for sample in (False, True):
                model.warm_up(sample)
        for kind, entries in kinds.items():
            for way, sampling in ways.items():
                command.say(f"{kind}, {way} ...")
                counts[kind, way] = Counts([])
                for entry, params in zip(entries, sampling):
                    counts[kind, way] += measured(plain, speculating, entry["prompt"], options.tokens, params)
            answers = [entry for entry in entries if "answer" in entry]
            if answers:
                encode = plain.tokenizer.encode
                counts[kind, "written"] = sum(
                    (written(encode(e["prompt"]), encode(e["answer"]), options.speculate) for e in answers), Counts([])
                )
    return counts


def measured(plain: Any, speculating: Any, prompt: str, tokens: int, sampling: Any) -> Counts:
    """The steps of one text with drafts, and the time without."""
    expected = plain.generate([prompt], tokens, sampling)[0].tokens
    given = speculating.generate([prompt], tokens, sampling)[0].tokens
    if given != expected:
        raise SystemExit(f"benchmark_speculation: drafts changed the text that follows {prompt!r}")
    steps = speculating.steps
    return Counts(
        [(step.tokens, step.drafted) for step in steps],
        sum(step.seconds for step in steps),
        sum(step.seconds for step in plain.steps),
        sum(step.uploaded_bytes for step in steps),
    )


def written(prompt: list[int], answer: list[int], most: int) -> Counts:
    """The steps in which a model would write this answer, if it chose each of its tokens. Nothing is computed."""
    drafter, steps, place = Drafter([*prompt, answer[0]]), [], 1
    while place < len(answer):
        drafts = drafter.draft(min(most, len(answer) - place - 1))
        (count,) = drafts_to_verify([drafts], [len(prompt) + place - 1], most)
        right = 0
        while right < count and drafts[right].token == answer[place + right]:
            right += 1
        for token in answer[place : place + right + 1]:
            drafter.add(token)
        steps.append((right + 1, count))
        place += right + 1
    return Counts(steps)


def modelled_steps(device: Any, most: int, context: int) -> tuple[float, list[float]]:
    """Modelled milliseconds of a step of the 2B-4T: with one row, and with a row for each of 0 to `most` drafts."""
    from models.bitnet.perf.decode_profile import profile
    from models.bitnet.perf.random_model import SteppingModel, cheap_state, sizes
    from models.bitnet.perf.random_weights import EmptyWeights

    state, weights = cheap_state(sizes()), EmptyWeights(device)

    def milliseconds(rows: int, active: int) -> float:
        model = SteppingModel(device, "fused", rows, state=state, weights=weights)
        figures = profile(model, context - 1, active).figures()
        model.generator.close()
        return figures["modelled_ms_per_step"]

    return milliseconds(1, 1), [milliseconds(1 + most, 1 + drafts) for drafts in range(most + 1)]


def table(counts: dict[tuple[str, str], Counts], plain_ms: float, of_rows: Sequence[float]) -> str:
    """A line for each kind and way. The modelled speed is in tokens a second of one user."""
    lines = [
        "| text | tokens | tokens a step | accepted of drafted | bytes up a step | wall time | t/s/u, modelled | |"
    ]
    lines.append("|---|---|---|---|---|---|---|---|")
    for (kind, way), each in counts.items():
        steps, speed = len(each.steps), each.tokens / each.milliseconds(of_rows) * 1e3
        wall = f"{each.seconds / each.plain_seconds:.2f}" if each.plain_seconds else ""
        uploads = f"{each.uploaded_bytes / steps:.0f}" if each.plain_seconds else ""
        lines.append(
            f"| {KINDS[kind]}, {way} | {each.tokens} | {each.tokens / steps:.2f} | {each.accepted} of {each.drafted} | "
            f"{uploads} | {wall} | {speed:.0f} | {speed * plain_ms / 1e3:.2f} |"
        )
    return "\n".join(lines)


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--board", help="which board to emulate without a card (default: n150)")
    parser.add_argument("--speculate", type=command.at_least_one, default=DEFAULT_DRAFTS, help="drafts of a step")
    parser.add_argument("--tokens", type=command.at_least_one, default=120, help="tokens of each answer")
    parser.add_argument("--context", type=command.at_least_one, default=1024, help="of the modelled steps")
    return parser.parse_args()


if __name__ == "__main__":
    command.run(main)
