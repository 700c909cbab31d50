# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""Counts the programs and bytes of a prefill of the 30-layer model, and models its time to the first token.

The figures are counted on a model of one layer and scaled to 30.
"""

from dataclasses import dataclass

from models.bitnet.perf.modelled import Card, Time, speed_range, time_of_all
from models.bitnet.perf.programs import Program, capture
from models.bitnet.perf.random_model import LAYERS_2B, SteppingModel


@dataclass(frozen=True)
class PrefillProfile:
    """The programs that a layer adds to the prefill of one prompt, and those of the rest, the choice of a token too."""

    layer: list[Program]
    rest: list[Program]
    card: Card
    layers: int = LAYERS_2B

    def counted(self) -> list[tuple[Program, int]]:
        """Every program with the number of times that a prefill runs it."""
        return [(program, self.layers) for program in self.layer] + [(program, 1) for program in self.rest]

    def total(self, *figures: str) -> int:
        """The sum of figures of a program over all programs."""
        return sum(count * getattr(program, figure) for program, count in self.counted() for figure in figures)

    @property
    def modelled(self) -> Time:
        return time_of_all(self.counted(), self.card)

    @property
    def modelled_range(self) -> tuple[float, float]:
        """The least and the most milliseconds over the fits that leave out one published row."""
        slowest, fastest = speed_range(self.counted(), self.card)
        return 1e3 / fastest, 1e3 / slowest


def profile_prefill(model: SteppingModel, tokens: int) -> PrefillProfile:
    """Profile the prefill of a prompt of `tokens` tokens. The model has one layer and must be new for these tokens:
    circular buffers are known only when a program is built."""
    added = capture(lambda: model.prefill(tokens))
    with model.first_layers(0):
        rest = capture(lambda: model.prefill(tokens))
    for program in rest:
        added.remove(next(other for other in added if other.key == program.key))
    return PrefillProfile(added, rest, Card.of(model.config.device))
