# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""The modelled time of programs equals a time computed by hand."""

from dataclasses import replace

import numpy as np
import pytest

from models.bitnet.perf.bottom_up import bottom_up_ms
from models.bitnet.perf.card_model import DISPATCH_US, CardModel, fit, fits_without_one
from models.bitnet.perf.links import COLLECTIVE_US, COLLECTIVE_US_RANGE, LINKS, Links
from models.bitnet.perf.modelled import Card, time_of, time_of_all
from models.bitnet.perf.programs import Program, Tensor

MODEL = CardModel(share=0.5, latency_us=10.0 - DISPATCH_US)
N150, P150 = Card("wormhole_b0", 12), Card("blackhole", 8)
TILES = 80 * 216  # the tiles of a matrix of 2560 by 6912


def product(cores: int) -> Program:
    """A program that reads a matrix of two-bit weights, 256 bytes a tile. Every core has the same number of tiles."""
    return replace(EMPTY, dram_read=256 * TILES, unpacked_tiles=TILES // cores)


EMPTY = Program(
    name="product",
    fused=True,
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
    stages=1,
)


@pytest.mark.parametrize("card, gigabytes_a_second, cycle_ns", [(N150, 288, 1.0), (P150, 512, 1 / 1.35)])
@pytest.mark.parametrize("cores", [1, 4, 12, 60])
def test_unpackers_count_where_they_are_slower_than_dram(card, gigabytes_a_second, cycle_ns, cores):
    """A core unpacks a tile in 16 cycles. The DRAM has half of the specified bandwidth. The longer time counts."""
    dram = 1e3 * 256 * TILES / (0.5 * 1e9 * gigabytes_a_second)
    unpacking = 1e-6 * 16 * cycle_ns * (TILES // cores)
    time = time_of(product(cores), card, MODEL)
    assert time.dram == pytest.approx(dram) and time.dispatch + time.latency == pytest.approx(0.01)
    assert time.total == pytest.approx(0.01 + max(dram, unpacking))
    assert (time.units > 0) == (unpacking > dram)


def test_programs_run_one_after_the_other():
    one, other = product(1), product(60)
    both = time_of_all([(one, 2), (other, 3)], N150, MODEL)
    assert both.total == pytest.approx(2 * time_of(one, N150, MODEL).total + 3 * time_of(other, N150, MODEL).total)
    assert both.units == pytest.approx(2 * time_of(one, N150, MODEL).units) and both.units > 0


@pytest.mark.parametrize("fidelity, cycles", [("LoFi", 16), ("HiFi4", 64)])
def test_products_of_many_rows_count_where_they_are_slower_than_dram(fidelity, cycles):
    """1024 rows times the matrix are 32 times as many tile products as the matrix has tiles."""
    many = replace(
        product(60), name="decode_product", flops=2 * 32**3 * 32 * TILES, fidelity=fidelity, cores=60, l1_bytes=1
    )
    assert time_of(many, N150, MODEL).total == pytest.approx(0.01 + 1e-6 * cycles * 32 * TILES / 60)


def test_later_stages_wait_while_their_weights_arrive():
    """Three stages of 9 us are 27 us at least. The DRAM bytes of the matrix take longer behind the first stage."""
    quick, slow = replace(EMPTY, stages=3), replace(product(60), stages=3)
    assert time_of(quick, N150, MODEL).total == pytest.approx(0.001 + 0.027)
    assert time_of(slow, N150, MODEL).total == pytest.approx(0.01 + time_of(slow, N150, MODEL).dram)


def test_the_estimate_from_single_operations():
    """An attention of 9.2 us behind a fused product of three stages, with a pause of 1 us behind each."""
    attention = replace(EMPTY, name="SdpaDecode", fused=False)
    low, high = bottom_up_ms([(replace(EMPTY, stages=3), 1), (attention, 2)], N150)
    assert (low, high) == pytest.approx((0.037 + 2 * 0.0102, 0.046 + 2 * 0.0102))
    dram = 1e3 * 256 * TILES / 253e9
    assert bottom_up_ms([(product(60), 1)], N150) == pytest.approx((dram + 0.001,) * 2)


def test_no_fit_reads_faster_than_the_dram():
    for model in (fit(), *fits_without_one()):
        assert 0 < model.share <= 1 and model.latency_us > 0


# tt-metal's issue 47803, four Blackhole chips, packets of 4 kB: (us at the links' full bandwidth, us measured)
PUBLISHED_GATHERS = [
    (7.37, 21.76),
    (3.69, 17.85),
    (11.06, 26.21),
    (5.53, 21.15),
    (9.83, 25.59),
    (4.92, 21.65),
    (19.66, 38.09),
]


def test_a_gathers_fixed_cost_is_the_published_ones():
    """The fixed cost is that of a line through the published times at zero bytes. All times are within 2 us of it."""
    ideal, measured = np.array(PUBLISHED_GATHERS).T
    slope, fixed = np.polyfit(ideal, measured, 1)
    assert round(fixed) == COLLECTIVE_US and COLLECTIVE_US_RANGE[0] < fixed < COLLECTIVE_US_RANGE[1]
    assert abs(slope * ideal + fixed - measured).max() < 2


@pytest.mark.parametrize("chips", [2, 4])
def test_a_gather_is_as_slow_as_the_link_at_an_end(chips):
    """The link at an end carries 32 rows of 640 float32 columns from every other chip, over two links of 8 GB/s."""
    share = Tensor((1, 1, 1, 640), "FLOAT32", "TILE", "L1_WIDTH_SHARDED", None)
    gather = replace(EMPTY, name="AllGatherAsync", inputs=(share,))
    card = Card("blackhole", 8, chips, Links(between=4, used=2, gigabytes=8.0), collective_us=5.0)
    time = time_of(gather, card, MODEL)
    assert time.links == pytest.approx(0.005 + (chips - 1) * 32 * 640 * 4 / 16e6)
    assert time.total == pytest.approx(0.01 + time.links)
    assert time_of(EMPTY, card, MODEL).links == 0


def test_no_more_links_are_used_than_there_are():
    assert all(0 < links.used <= links.between for links in LINKS.values())
