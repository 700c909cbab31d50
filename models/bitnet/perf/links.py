# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""What a row of chips adds to a step: its collectives, their bytes over the links, and a modelled time for them.

Nothing here was measured by us. A gather is modelled as a program like any other (see card_model.py), plus a fixed
cost, plus the time that the busiest link takes for its bytes.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import ttnn
from models.bitnet.perf.programs import Program

# What a gather costs beyond any program's cost and its bytes, us. The middle is the part of tt-metal's issue 47803
# (comment of 2026-07-13: all_gather_async on four Blackhole chips) that does not grow with the bytes; see
# test_modelled.py. 0: no more than any program, as the 12.5 us that tt-metal asks of Llama's gather on a Galaxy
# (test_ccl_async_perf_TG_llama.py). The most: issue 18807, 70 us for [32, 8192] in bfloat16 on eight Wormhole chips,
# less their bytes in a ring.
COLLECTIVE_US = 14.0
COLLECTIVE_US_RANGE = (0.0, 45.0)

# GB/s that one link carries each way in packets of 4 kB, of 12.5 and 50 specified (100 and 400 Gb/s): tt-metal's
# tests/tt_metal/tt_metal/perf_microbenchmark/routing/golden/golden_bandwidth_summary_*.csv, neighbours, one link
_WORMHOLE, _BLACKHOLE = 9.9, 33.3

# in the order in which a layer and the choice of a token run them; see tensor_parallel.py and generation/likeliest.py
OF_A_LAYER = ("joined heads", "o's result", "relu2(gate) * up", "down's result")
OF_A_TOKEN = ("candidates' tokens", "candidates' logits")


def us_range() -> str:
    """What a gather may cost, as a text."""
    return " to ".join(f"{us:.0f}" for us in COLLECTIVE_US_RANGE)


@dataclass(frozen=True)
class Links:
    """What joins two neighbours of a row."""

    between: int
    used: int  # by all_gather_async when it is not told how many, which the program cache shows: test_counted.py
    gigabytes: float  # a second, of one link each way


# by the library's name of the cluster; `between` as in tt-metal's mesh graph descriptors (a p150 has four ports of two
# links, and four of them make a ring with two cables a side: docs.tenstorrent.com, Multi-Card Topologies)
LINKS = {
    "N300": Links(between=2, used=1, gigabytes=_WORMHOLE),
    "T3K": Links(between=2, used=1, gigabytes=_WORMHOLE),
    "P300": Links(between=2, used=2, gigabytes=_BLACKHOLE),
    "P150_X4": Links(between=4, used=4, gigabytes=_BLACKHOLE),
}


def links_here() -> Links:
    """Those of the cluster at hand."""
    name = ttnn.cluster.get_cluster_type().name
    if name not in LINKS:
        raise ValueError(f"how the chips of a {name} are joined is not known here; known are {', '.join(LINKS)}")
    return LINKS[name]


@dataclass(frozen=True)
class Collective:
    """A gather in a line of chips, each of which passes on what it receives."""

    what: str
    times: int  # a step
    chips: int
    share_bytes: int  # what a chip brings: whole tiles, of 32 rows however few are in use

    @property
    def received(self) -> int:
        """Bytes a chip and step; the chip at an end has them all through one link."""
        return self.times * (self.chips - 1) * self.share_bytes

    @property
    def sent(self) -> int:
        """Bytes a step, of the chip that sends most: one inside the line also passes on what comes by."""
        return self.times * self.share_bytes * (1 if self.chips == 2 else self.chips + 1)


def is_collective(program: Program) -> bool:
    return program.name == "AllGatherAsync"


def collectives_of(layer: Sequence[Program], outside: Sequence[Program], layers: int, chips: int) -> list[Collective]:
    """The gathers of a step, by name."""
    gathers = [(program, layers) for program in layer if is_collective(program)]
    gathers += [(program, 1) for program in outside if is_collective(program)]
    names = (OF_A_LAYER + OF_A_TOKEN) if chips > 1 else ()
    return [
        Collective(name, times, chips, program.inputs[0].bytes)
        for name, (program, times) in zip(names, gathers, strict=True)
    ]


def link_ms(program: Program, chips: int, links: Links | None, collective_us: float) -> float:
    """What a gather takes beyond a program's cost: the fixed part, and the bytes of the link at an end of the line,
    through which all that the others bring has to come."""
    if links is None or not is_collective(program):
        return 0.0
    received = Collective("", 1, chips, program.inputs[0].bytes).received
    return 1e-3 * collective_us + 1e-6 * received / (links.used * links.gigabytes)
