# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""The demo's benchmark: a table like llama-bench's, of a prompt of 128 tokens and of 32 new tokens."""

import math
import random
import statistics
from pathlib import Path
from typing import Any

from models.bitnet.demo.device import OpenDevice
from models.bitnet.tt.config import BitNetConfig
from models.bitnet.tt.weights.checkpoint import weight_files
from models.bitnet.tt.weights.state_dict import tensor_shapes

PROMPT, NEW, REPEATS = 128, 32, 5
KINDS = {
    "card": "Times of the card, with the host's part in them.",
    "simulator": "Times of the simulator on this machine's CPU, not a card's.",
    "emulated": "Times of the emulation on this machine's CPU, not a card's.",
}


def bench(model: Any, opened: OpenDevice, checkpoint: Path) -> int:
    """Time the model and print the table. Returns the command's status."""
    rates = {f"pp{PROMPT}": prompt_rates(model), f"tg{NEW}": decode_rates(model)}
    size = sum(file.stat().st_size for file in weight_files(checkpoint))
    about = [
        checkpoint.name,
        f"{size / 2**20:.2f} MiB",
        f"{parameters(model.config.model) / 1e6:.2f} M",
        opened.description,
        model.config.precision.name,
    ]
    rows = [["model", "size", "params", "board", "precision", "test", "t/s"]]
    for test, found in rates.items():
        rows.append([*about, test, f"{statistics.mean(found):.2f} ± {statistics.stdev(found):.2f}"])
    print(table(rows))
    print(f"\n{KINDS[opened.kind]} Mean and standard deviation of {REPEATS} runs, one user, no drafts.")
    return 0


def prompt_rates(model: Any) -> list[float]:
    """Tokens a second of prompts of random tokens, up to their first new token. The first run is not counted."""
    runs = [generate(model, random_prompt(model, PROMPT), 1).ttft_s for _ in range(1 + REPEATS)]
    return [PROMPT / seconds for seconds in runs[1:]]


def decode_rates(model: Any) -> list[float]:
    """Tokens a second of decode steps. A text that ends early is followed by another. The first run is not counted."""
    rates = []
    for _ in range(1 + REPEATS):
        seconds: list[float] = []
        while len(seconds) < NEW:
            generate(model, random_prompt(model, 1), 1 + NEW)  # the prompt's pass gives the first token
            seconds += [step.seconds for step in model.steps if step.users]
        rates.append(NEW / sum(seconds[:NEW]))
    return rates[1:]


def random_prompt(model: Any, length: int) -> list[int]:
    return [random.randrange(model.config.model.vocab_size) for _ in range(length)]


def generate(model: Any, prompt: list[int], count: int) -> Any:
    """The completion of one prompt. Raises ValueError if the model cannot run it."""
    (done,) = model.generate([prompt], count)
    if done.error:
        raise ValueError(f"--bench: {done.error}")
    return done


def parameters(config: BitNetConfig) -> int:
    """The number of weights. A head that is the embedding is not counted again."""
    counts = {name: math.prod(shape) for name, shape in tensor_shapes(config).items()}
    return sum(counts.values()) - config.tie_word_embeddings * counts["lm_head.weight"]


def table(rows: list[list[str]]) -> str:
    """A Markdown table whose first row is the head."""
    widths = [max(map(len, column)) for column in zip(*rows)]
    lines = ["| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths)) + " |" for row in rows]
    return "\n".join([lines[0], "| " + " | ".join("-" * width for width in widths) + " |", *lines[1:]])
