# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""The modelled time of a program, worked out by hand."""

from dataclasses import replace

import pytest

from models.bitnet.tests.perf.card_model import CardModel
from models.bitnet.tests.perf.modelled import Card, time_of, time_of_all
from models.bitnet.tests.perf.programs import Program

MODEL = CardModel(share=0.5, program_us=10.0)
N150, P150 = Card("wormhole_b0", 12), Card("blackhole", 8)
TILES = 80 * 216  # of one matrix of 2560 by 6912


def product(cores: int) -> Program:
    """Reads a matrix of two-bit weights, 256 bytes a tile, its tiles shared out evenly."""
    return replace(EMPTY, dram_read=256 * TILES, unpacked_tiles=TILES // cores)


EMPTY = Program(
    name="product",
    kernel="",
    attributes="",
    fidelity="",
    inputs=(),
    outputs=(),
    cores=1,
    l1_bytes=0,
    cached=True,
    weight_bytes=0,
    kv_read=0,
    dram_read=0,
    dram_written=0,
    flops=0,
    unpacked_tiles=0,
)


@pytest.mark.parametrize("card, gigabytes_a_second, cycle_ns", [(N150, 288, 1.0), (P150, 512, 1 / 1.35)])
@pytest.mark.parametrize("cores", [1, 4, 12, 60])
def test_unpackers_count_where_they_are_slower_than_dram(card, gigabytes_a_second, cycle_ns, cores):
    """16 cycles a tile on each core, against half of the specified bandwidth."""
    dram = 1e3 * 256 * TILES / (0.5 * 1e9 * gigabytes_a_second)
    unpacking = 1e-6 * 16 * cycle_ns * (TILES // cores)
    time = time_of(product(cores), card, MODEL)
    assert time.dram == pytest.approx(dram) and time.programs == 0.01
    assert time.total == pytest.approx(0.01 + max(dram, unpacking))
    assert (time.unpackers > 0) == (unpacking > dram)


def test_programs_run_one_after_the_other():
    one, other = product(1), product(60)
    both = time_of_all([(one, 2), (other, 3)], N150, MODEL)
    assert both.total == pytest.approx(2 * time_of(one, N150, MODEL).total + 3 * time_of(other, N150, MODEL).total)
    assert both.unpackers == pytest.approx(2 * time_of(one, N150, MODEL).unpackers) and both.unpackers > 0
