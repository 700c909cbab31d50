# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""Measures how often the shortlist of a two-pass head misses a token that the bfloat16 head chooses.

python models/bitnet/perf/shortlist.py --heads shipped
python models/bitnet/perf/shortlist.py --heads normal heavy-tailed "many sizes" --positions 2048

The first pass computes all logits from weights in bfloat4_b. The shortlist holds its likeliest tokens, as the program
finds them: 32 of each group of columns. A miss is a position whose winner, or one of whose 32 likeliest tokens, by the
bfloat16 head is outside the shortlist. The rows of the shipped model are those of texts that its reference writes, by
sampling. The other heads are random and have the size of the 2B-4T's.
"""

import argparse
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))  # run as a script, from any folder

import torch  # noqa: E402
from torch import Tensor  # noqa: E402
from tqdm import tqdm  # noqa: E402

from models.bitnet.demo import command  # noqa: E402
from models.bitnet.demo.arguments import SHIPPED_MODEL  # noqa: E402
from models.bitnet.demo.command import at_least_one  # noqa: E402
from models.bitnet.demo.device import open_device  # noqa: E402

LENGTHS = 32, 64, 128, 256
LIKELIEST = 32  # a draw chooses among as many tokens
VOCABULARY, HIDDEN = 128256, 2560  # of the 2B-4T
_AT_ONCE = 128  # positions
_TEXT = 256  # tokens of a text that the reference writes


@dataclass
class Misses:
    """The positions at which the bfloat16 head chooses a token outside a shortlist.

    `groups` are the columns of each group of the shortlist.
    """

    groups: list[Tensor]
    of_winner: int = 0
    of_likeliest: int = 0
    best_missed: int | None = None  # the rank of the likeliest missed token, from 1

    def add(self, first: Tensor, exact: Tensor) -> None:
        """Add the logits [positions, vocabulary] of the first pass and of the bfloat16 head."""
        likeliest = exact.topk(LIKELIEST).indices
        missed = torch.ones(likeliest.shape, dtype=torch.bool)
        for columns in self.groups:
            kept = columns[first[:, columns].topk(LIKELIEST).indices]
            missed &= (likeliest[:, :, None] != kept[:, None]).all(-1)
        self.of_winner += int(missed[:, 0].sum())
        self.of_likeliest += int(missed.any(1).sum())
        if missed.any():
            rank = int(missed.any(0).nonzero()[0]) + 1
            self.best_missed = min(rank, self.best_missed or rank)


def main() -> int:
    options = parse_arguments()
    torch.set_grad_enabled(False)
    print("| head | vocabulary | positions | what is missed | " + " | ".join(map(str, LENGTHS)) + " |")
    print("|---" * (4 + len(LENGTHS)) + "|")
    with open_device(options.board) as opened:
        for name in options.heads:
            torch.manual_seed(options.seed)
            head, rows = HEADS[name](options.positions)
            misses = measure(opened.device, head, rows, name).values()
            about = f"| {name} | {len(head)} | {len(rows)}"
            for what, of_each in (
                ("the winner", [missed.of_winner for missed in misses]),
                (f"one of the {LIKELIEST} likeliest", [missed.of_likeliest for missed in misses]),
                ("rank of the best missed", [missed.best_missed or "" for missed in misses]),
            ):
                print(f"{about} | {what} | " + " | ".join(map(str, of_each)) + " |", flush=True)
    return 0


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--heads", nargs="+", choices=HEADS, default=list(HEADS), help="which heads (default: all)")
    parser.add_argument("--positions", type=at_least_one, default=10240, help="positions of each head")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--board", help="which board to emulate without a card (default: n150)")
    return parser.parse_args()


def measure(device: Any, head: Tensor, rows: Tensor, name: str) -> dict[int, Misses]:
    """The misses of a head bfloat16 [vocabulary, hidden] for float32 rows [positions, hidden], by shortlist length."""
    import ttnn
    from models.bitnet.tt.kernels.common import golden
    from models.bitnet.tt.kernels.head.best_tokens import BestTokens
    from models.bitnet.tt.layout import Chip

    grid = Chip.of(device).grid
    programs = {length: BestTokens(1, len(head), ttnn.float32, length, grid) for length in LENGTHS}
    misses = {length: Misses(program.columns_of_groups) for length, program in programs.items()}
    matrix = ttnn.from_torch(head.T.contiguous(), dtype=ttnn.bfloat4_b, layout=ttnn.TILE_LAYOUT, device=device)
    rounded, exact = ttnn.to_torch(matrix).float(), head.float().T
    ttnn.deallocate(matrix)
    for part in tqdm(rows.split(_AT_ONCE), desc=name, unit="positions", unit_scale=_AT_ONCE, leave=False, disable=None):
        logits = golden.as_source(part) @ rounded, part @ exact
        for of_length in misses.values():
            of_length.add(*logits)
    return misses


def shipped(positions: int) -> tuple[Tensor, Tensor]:
    """The head of the shipped model, and the rows before it at the positions of texts that its reference writes."""
    from models.bitnet.reference.model import Model
    from models.bitnet.tt.config import BitNetConfig
    from models.bitnet.tt.weights.state_dict import load_state_dict

    config = BitNetConfig.from_pretrained(SHIPPED_MODEL)
    reference = Model(config, load_state_dict(SHIPPED_MODEL, progress=False))
    texts = list(written(reference, -(-positions // _TEXT)))
    stream: dict[str, Tensor] = {}
    reference.prefill(torch.stack(texts, dim=1), on_residual=stream.__setitem__)
    rows = reference.norm(list(stream.values())[-1]).flatten(0, 1)
    return reference.lm_head.bfloat16(), rows[:positions]


def written(reference: Any, texts: int) -> Iterator[Tensor]:
    """The tokens [texts] of each position. Each token is drawn from the reference's probabilities."""
    tokens, cache = torch.full((texts,), reference.config.bos_token_id), None
    for _ in tqdm(range(_TEXT), desc="texts", unit="tokens", unit_scale=texts, leave=False, disable=None):
        yield tokens
        logits, cache = reference.decode(tokens, cache) if cache else reference.prefill(tokens[:, None])
        tokens = logits.reshape(texts, -1).softmax(-1).multinomial(1)[:, 0]


def normal(positions: int) -> tuple[Tensor, Tensor]:
    """Normal weights and rows."""
    return torch.randn(VOCABULARY, HIDDEN).bfloat16(), torch.randn(positions, HIDDEN)


def heavy_tailed(positions: int) -> tuple[Tensor, Tensor]:
    """Weights and rows of Student's t distribution with 5 degrees of freedom."""
    student = torch.distributions.StudentT(5.0)
    return student.sample((VOCABULARY, HIDDEN)).bfloat16(), student.sample((positions, HIDDEN))


def many_sizes(positions: int) -> tuple[Tensor, Tensor]:
    """Normal weights and rows. The sizes of the tokens' rows are spread log-normally, by a factor of 1.3."""
    sizes = torch.exp(torch.randn(VOCABULARY, 1) * torch.tensor(1.3).log())
    return (torch.randn(VOCABULARY, HIDDEN) * sizes).bfloat16(), torch.randn(positions, HIDDEN)


HEADS = {
    "shipped": shipped,
    "normal": normal,
    "heavy-tailed": heavy_tailed,
    "many sizes": many_sizes,
}


if __name__ == "__main__":
    command.run(main)
