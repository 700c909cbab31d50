# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""The modelled time of programs on a card, in four terms; see card_model.py for what the model is worth, and links.py
for the one that only several chips have."""

from collections.abc import Iterable
from dataclasses import dataclass

import ttnn
from models.bitnet.perf.card_model import CardModel, bandwidth, fit, fits_without_one, unpack_ms
from models.bitnet.perf.links import COLLECTIVE_US, Links, link_ms, links_here
from models.bitnet.perf.programs import Program

Counted = Iterable[tuple[Program, int]]  # programs and how often each runs


@dataclass(frozen=True)
class Card:
    """A chip, or each of several in a row."""

    architecture: str
    dram_banks: int
    chips: int = 1
    links: Links | None = None  # between neighbours
    collective_us: float = COLLECTIVE_US

    @classmethod
    def of(cls, device: ttnn.MeshDevice) -> "Card":
        chips = device.get_num_devices()
        architecture = str(device.arch()).rsplit(".", 1)[-1].lower()
        return cls(architecture, device.dram_grid_size().x, chips, links_here() if chips > 1 else None)

    @property
    def bandwidth(self) -> float:
        """Specified, GB/s, of one chip."""
        return bandwidth(self.architecture, self.dram_banks)


@dataclass(frozen=True)
class Time:
    """Milliseconds."""

    dram: float
    programs: float  # the cost of each, whatever it does
    unpackers: float  # what unpacking two-bit weights takes longer than reading them
    links: float = 0.0  # between chips

    @property
    def total(self) -> float:
        return self.dram + self.programs + self.unpackers + self.links


def time_of(program: Program, card: Card, model: CardModel) -> Time:
    """A program unpacks while it reads, so that only the longer of both counts."""
    dram = model.dram_ms((program.dram_read + program.dram_written) / 1e9, card.bandwidth)
    unpacking = unpack_ms(card.architecture, program.unpacked_tiles)
    links = link_ms(program, card.chips, card.links, card.collective_us)
    return Time(dram, 1e-3 * model.program_us, max(unpacking - dram, 0.0), links)


def time_of_all(programs: Counted, card: Card, model: CardModel | None = None) -> Time:
    """Of programs that run one after the other."""
    model = model or fit()
    times = [(time_of(program, card, model), count) for program, count in programs]
    terms = ("dram", "programs", "unpackers", "links")
    return Time(*(sum(count * getattr(t, term) for t, count in times) for term in terms))


def speed_range(programs: Counted, card: Card) -> tuple[float, float]:
    """The slowest and fastest modelled steps a second when any one published row is left out of the fit."""
    counted = list(programs)
    speeds = [1e3 / time_of_all(counted, card, model).total for model in fits_without_one()]
    return min(speeds), max(speeds)
