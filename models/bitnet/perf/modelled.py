# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""The modelled time of programs on a card, in five terms.

card_model.py says how reliable the model is. links.py models the term that only several chips have.
"""

from collections.abc import Iterable
from dataclasses import dataclass, fields

import ttnn
from models.bitnet.perf.card_model import (
    DISPATCH_US,
    CardModel,
    bandwidth,
    fit,
    fits_without_one,
    multiply_ms,
    unpack_ms,
)
from models.bitnet.perf.links import COLLECTIVE_US, Links, link_ms, links_here
from models.bitnet.perf.programs import Program

Counted = Iterable[tuple[Program, int]]  # programs and the number of times that each runs


@dataclass(frozen=True)
class Card:
    """The figures of a card that the model needs. On a row of chips they are those of each chip."""

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
        """The specified DRAM bandwidth of one chip in GB/s."""
        return bandwidth(self.architecture, self.dram_banks)


@dataclass(frozen=True)
class Time:
    """The terms of a modelled time, in milliseconds."""

    dram: float
    dispatch: float  # from the end of a program to the begin of the next one
    latency: float  # inside a program, where it reads nothing
    units: float  # the time by which unpacking two-bit weights, or multiplying, exceeds reading
    links: float = 0.0  # collectives between chips

    @property
    def total(self) -> float:
        return self.dram + self.dispatch + self.latency + self.units + self.links


def time_of(program: Program, card: Card, model: CardModel) -> Time:
    """The modelled time of one program.

    A program unpacks and multiplies while it reads, so only the longest of the three counts. It reads the weights of
    its later stages during the latency of earlier ones, so a program takes at least the latency of all its stages.
    """
    dram = model.dram_ms((program.dram_read + program.dram_written) / 1e9, card.bandwidth)
    units = max(unpack_ms(card.architecture, program.unpacked_tiles), _multiplying(program, card))
    streaming = max(dram, units)
    latency = 1e-3 * model.latency_us
    waiting = max(latency, program.stages * latency - streaming)
    links = link_ms(program, card.chips, card.links, card.collective_us)
    return Time(dram, 1e-3 * DISPATCH_US, waiting, streaming - dram, links)


def _multiplying(program: Program, card: Card) -> float:
    """The least time of a program's products. Adds and the like are counted as free, and so is a program that was built
    before the capture: its cores are not known."""
    if not program.multiplies or not program.l1_bytes:
        return 0.0
    return multiply_ms(card.architecture, program.flops, program.fidelity or "HiFi4", program.cores)


def time_of_all(programs: Counted, card: Card, model: CardModel | None = None) -> Time:
    """The modelled time of programs that run one after the other."""
    model = model or fit()
    times = [(time_of(program, card, model), count) for program, count in programs]
    terms = [field.name for field in fields(Time)]
    return Time(*(sum(count * getattr(t, term) for t, count in times) for term in terms))


def speed_range(programs: Counted, card: Card) -> tuple[float, float]:
    """The slowest and the fastest modelled steps a second over the fits that leave out one published row."""
    counted = list(programs)
    speeds = [1e3 / time_of_all(counted, card, model).total for model in fits_without_one()]
    return min(speeds), max(speeds)
