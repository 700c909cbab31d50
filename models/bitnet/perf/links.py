# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""The collectives of a decode step on a row of chips: their bytes over the links, and a modelled time.

This project measured nothing here. The modelled time of an all-gather is the cost of any program (see card_model.py),
plus a fixed cost, plus the time of its bytes on the busiest link.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import ttnn
from models.bitnet.perf.programs import Program

# The fixed cost of an all-gather in us, beyond the cost of a program and of its bytes. The default is the part of
# tt-metal's issue 47803 (comment of 2026-07-13: all_gather_async on four Blackhole chips) that does not grow with the
# bytes; see test_modelled.py. The least is 0, no more than any program: tt-metal asks for 12.5 us of Llama's all-gather
# on a Galaxy (test_ccl_async_perf_TG_llama.py). The most follows from issue 18807: 70 us for [32, 8192] in bfloat16 on
# eight Wormhole chips, less the time of the bytes in a ring.
COLLECTIVE_US = 14.0
COLLECTIVE_US_RANGE = (0.0, 45.0)

# GB/s of one link each way in packets of 4 kB. The specified bandwidths are 12.5 and 50 GB/s (100 and 400 Gb/s). From
# tt-metal's tests/tt_metal/tt_metal/perf_microbenchmark/routing/golden/golden_bandwidth_summary_*.csv, neighbours.
_WORMHOLE, _BLACKHOLE = 9.9, 33.3

# The all-gathers of a layer and of the choice of a token, in the order in which they run; see tensor_parallel.py and
# generation/likeliest.py.
OF_A_LAYER = ("joined heads", "o's result", "relu2(gate) * up", "down's result")
OF_A_TOKEN = ("candidates' tokens", "candidates' logits")


def us_range() -> str:
    """The range of the fixed cost of an all-gather, as a text."""
    return " to ".join(f"{us:.0f}" for us in COLLECTIVE_US_RANGE)


@dataclass(frozen=True)
class Links:
    """The links between two neighbours of a row of chips."""

    between: int
    used: int  # the links that all_gather_async uses by default; test_counted.py reads them off the program cache
    gigabytes: float  # GB/s of one link each way


# The keys are ttnn's names of clusters. `between` comes from tt-metal's mesh graph descriptors. A p150 has four ports
# of two links, and four p150 make a ring with two cables a side (docs.tenstorrent.com, Multi-Card Topologies).
LINKS = {
    "N300": Links(between=2, used=1, gigabytes=_WORMHOLE),
    "T3K": Links(between=2, used=1, gigabytes=_WORMHOLE),
    "P300": Links(between=2, used=2, gigabytes=_BLACKHOLE),
    "P150_X4": Links(between=4, used=4, gigabytes=_BLACKHOLE),
}


def links_here() -> Links:
    """The links of the cluster that this process runs on."""
    name = ttnn.cluster.get_cluster_type().name
    if name not in LINKS:
        raise ValueError(f"how the chips of a {name} are joined is not known here; known are {', '.join(LINKS)}")
    return LINKS[name]


@dataclass(frozen=True)
class Collective:
    """An all-gather in a line of chips. Each chip passes on what it receives."""

    what: str
    times: int  # how often a step runs it
    chips: int
    shard_bytes: int  # the bytes of one chip's shard, in whole tiles of 32 rows, however few users there are

    @property
    def received(self) -> int:
        """The bytes that each chip receives in a step. A chip at an end receives all of them over one side."""
        return self.times * (self.chips - 1) * self.shard_bytes

    @property
    def sent(self) -> int:
        """The bytes that a chip sends in a step, at most. A chip inside the line also passes on others' bytes."""
        return self.times * self.shard_bytes * (1 if self.chips == 2 else self.chips + 1)


def is_collective(program: Program) -> bool:
    return program.name == "AllGatherAsync"


def collectives_of(layer: Sequence[Program], outside: Sequence[Program], layers: int, chips: int) -> list[Collective]:
    """The all-gathers of a step with their names."""
    gathers = [(program, layers) for program in layer if is_collective(program)]
    gathers += [(program, 1) for program in outside if is_collective(program)]
    names = (OF_A_LAYER + OF_A_TOKEN) if chips > 1 else ()
    return [
        Collective(name, times, chips, program.inputs[0].bytes)
        for name, (program, times) in zip(names, gathers, strict=True)
    ]


def link_ms(program: Program, chips: int, links: Links | None, collective_us: float) -> float:
    """The milliseconds of an all-gather beyond the cost of a program: its fixed cost and its bytes on the busiest link.

    The busiest link is at an end of the line, because the shards of all other chips come over it.
    """
    if links is None or not is_collective(program):
        return 0.0
    received = Collective("", 1, chips, program.inputs[0].bytes).received
    return 1e-3 * collective_us + 1e-6 * received / (links.used * links.gigabytes)
