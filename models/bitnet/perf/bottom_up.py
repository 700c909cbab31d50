# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""A second estimate of a step's time on a card, from published times of single operations.

It stands beside the fitted model of card_model.py, which shares no figure with it but dispatch. A program takes its
DRAM bytes or its least time, whichever is longer, and a pause follows it. Least times are published for stock
operations. Those of the fused programs are an estimate: cores wait for each other in every stage.
"""

from models.bitnet.perf.card_model import DISPATCH_US
from models.bitnet.perf.modelled import Card, Counted
from models.bitnet.perf.programs import Program

# The DRAM bandwidth that tt-metal's matrix products reach, as a share of the specified one: 253 of 288 GB/s on an n150
# (issue 39253), 90 % on Blackhole with several readers a bank (issue 54242).
_SHARE = {"wormhole_b0": 253 / 288, "blackhole": 0.90}

# Microseconds of small stock kernels on Wormhole: tt-metal's targets of llama3_70b_galaxy's decoder.
_STOCK_US = {"SdpaDecode": 9.2, "RotaryEmbedding": 2.2, "PagedFusedUpdateCache": 4.5, "Matmul": 7.1}
_OTHER_STOCK_US = 2.4

_STAGE_US = (12.0, 15.0)  # an estimate for a stage of a fused program: least, most


def bottom_up_ms(programs: Counted, card: Card) -> tuple[float, float]:
    """The shortest and the longest estimate of the time of programs that run one after the other."""
    counted = list(programs)
    low, high = (sum(count * _us(program, card, stage) for program, count in counted) for stage in _STAGE_US)
    return 1e-3 * low, 1e-3 * high


def _us(program: Program, card: Card, stage_us: float) -> float:
    dram = 1e-3 * (program.dram_read + program.dram_written) / (_SHARE[card.architecture] * card.bandwidth)
    return max(dram, _least_us(program, stage_us)) + DISPATCH_US


def _least_us(program: Program, stage_us: float) -> float:
    if program.fused:
        return program.stages * stage_us
    return next((us for name, us in _STOCK_US.items() if program.name.startswith(name)), _OTHER_STOCK_US)
