# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""The matrix unit's sums against the same steps taken one by one in exact fractions."""

import itertools
import math
from fractions import Fraction

import pytest
import torch

from ttnn_emulator.arithmetic import sums
from ttnn_emulator.arithmetic.compute_config import ComputeConfig
from ttnn_emulator.arithmetic.formats import Format, nearest_even, round_to, round_to_bfloat16, truncate
from ttnn_emulator.arithmetic.units import matrix_add

_PARTS = {0: (0, 0), 1: (1, 0), 2: (0, 1), 3: (1, 1)}  # of the second and the first operand: the high bits or the rest


def _exponent(value: Fraction) -> int:
    power = math.frexp(float(value))[1] - 1
    return power if value else -10_000


def _nearest(value: Fraction) -> int:
    """Ties go away from zero."""
    return int(abs(value) + Fraction(1, 2)) * (1 if value > 0 else -1)


def _part(value: float, bits: int, part: int) -> Fraction:
    high = Fraction(float(truncate(torch.tensor([value]), bits)))
    rest = Fraction(float(truncate(torch.tensor([value]), 2 * bits))) - high
    return rest if part else high


def _one_sum(a: list[float], b: list[float], phases: int, wide: bool, total: float) -> float:
    register = Fraction(total)
    for tile in range(0, len(a), 32):
        for phase in range(phases):
            of_second, of_first = _PARTS[phase]
            lower = 5 * of_second + 7 * of_first
            for first in range(tile, tile + 32, 16):
                groups, highest = [], []
                for start in (first, first + 8):
                    pairs = list(zip(a[start : start + 8], b[start : start + 8]))
                    powers = [_exponent(Fraction(x)) + _exponent(Fraction(y)) for x, y in pairs if x and y]
                    if not powers:
                        continue
                    highest.append(max(powers) - lower)
                    unit = Fraction(2) ** (highest[-1] - 10)
                    products = [_part(x, 7, of_first) * _part(y, 5, of_second) for x, y in pairs]
                    groups.append(sum(_nearest(product / unit) for product in products) * unit)
                own = [_exponent(register)] if register else []
                if not highest + own:
                    continue
                unit = Fraction(2) ** (max(highest + own) - 23)
                terms = [_nearest(register / unit), *(math.floor(group / unit + Fraction(1, 2)) for group in groups)]
                if not wide:
                    halves = [math.floor(Fraction(term, 8192) + Fraction(1, 2)) for term in terms[1:]]
                    terms = [8192 * term for term in (_nearest(Fraction(terms[0], 8192)), *halves)]
                result = sum(terms) * unit
                last = Fraction(2) ** (_exponent(result) - (23 if wide else 7))
                register = _nearest(result / last) * last
    return float(register)


def _numbers(generator: torch.Generator, *shape: int) -> torch.Tensor:
    """Return numbers of 11 bits over many binades, one in 8 of them zero."""
    value = torch.randn(shape, generator=generator) * (3 * torch.randn(shape, generator=generator)).exp2()
    return truncate(value.where(torch.rand(shape, generator=generator) > 1 / 8, 0.0), 11)


@pytest.mark.parametrize("wide", [True, False], ids=["32 bits", "16 bits"])
@pytest.mark.parametrize("fidelity", ["LoFi", "HiFi2", "HiFi3", "HiFi4"])
@pytest.mark.parametrize("rows,columns", [(2, 3), (3, 2)])
@pytest.mark.parametrize("sign", ["any", "positive"])
def test_each_step(fidelity, wide, rows, columns, sign):
    generator = torch.Generator().manual_seed(1)
    a, b = _numbers(generator, rows, 64), _numbers(generator, 64, columns)
    before = torch.randn(rows, columns, generator=generator)
    if sign == "positive":
        a, b, before = a.abs(), b.abs(), before.abs()
    before = before if wide else round_to_bfloat16(before).float()
    expected = [
        [
            _one_sum(a[m].tolist(), b[:, n].tolist(), ComputeConfig(fidelity, wide).phases, wide, float(before[m, n]))
            for n in range(columns)
        ]
        for m in range(rows)
    ]
    assert torch.equal(sums.sum_of_products(a, b, ComputeConfig(fidelity, wide), before), torch.tensor(expected))


@pytest.mark.parametrize("batch,b_batch", [((), ()), ((3,), ()), ((2, 3), (2, 1)), ((3,), (3,)), ((), (2,))])
def test_batches_and_a_depth_of_no_whole_tiles(batch, b_batch):
    generator = torch.Generator().manual_seed(2)
    a, b = _numbers(generator, *batch, 5, 70), _numbers(generator, *b_batch, 70, 4)
    result = sums.sum_of_products(a, b, ComputeConfig("HiFi4", True))
    whole = torch.broadcast_shapes(batch, b_batch)
    for place in itertools.product(*map(range, whole)):
        left, right = a.expand(*whole, 5, 70)[place], b.expand(*whole, 70, 4)[place]
        rows = [sums.sum_of_products(left[m : m + 1], right, ComputeConfig("HiFi4", True)) for m in range(5)]
        assert torch.equal(result[place], torch.cat(rows))


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("rows, columns", [(1, 33000), (35, 1200), (1200, 35)])
def test_a_sum_is_the_same_in_any_company(rows, columns, threads, monkeypatch):
    """Rows and columns are computed in blocks; a few of either alone are other blocks."""
    monkeypatch.setattr(torch, "get_num_threads", lambda: threads)
    generator = torch.Generator().manual_seed(3)
    a, b = _numbers(generator, rows, 40), _numbers(generator, 40, columns)
    whole = sums.sum_of_products(a, b, ComputeConfig("HiFi2", False))
    for first in range(0, columns, max(1, columns // 7)):
        some = slice(first, first + 9)
        assert torch.equal(sums.sum_of_products(a, b[:, some], ComputeConfig("HiFi2", False)), whole[:, some])
    for first in range(0, rows, max(1, rows // 7)):
        some = slice(first, first + 2)
        assert torch.equal(sums.sum_of_products(a[some], b, ComputeConfig("HiFi2", False)), whole[some])


@pytest.mark.parametrize("fidelity", ["LoFi", "HiFi4"])
@pytest.mark.parametrize("rows, columns", [(2, 130), (130, 2)])
def test_operands_in_any_order_of_memory_and_of_16_bits(rows, columns, fidelity):
    generator = torch.Generator().manual_seed(4)
    a, b = truncate(_numbers(generator, rows, 64), 8), truncate(_numbers(generator, 64, columns), 8)
    expected = sums.sum_of_products(a, b, ComputeConfig(fidelity, True))
    for first in (a, a.mT.contiguous().mT, a.bfloat16(), a.bfloat16().mT.contiguous().mT):
        for second in (b, b.mT.contiguous().mT, b.bfloat16(), b.bfloat16().mT.contiguous().mT):
            assert torch.equal(sums.sum_of_products(first, second, ComputeConfig(fidelity, True)), expected)


def test_bits_that_the_unit_does_not_see_do_not_count():
    generator = torch.Generator().manual_seed(5)
    a, b = torch.randn(3, 64, generator=generator), torch.randn(64, 40, generator=generator)
    cut = sums.sum_of_products(truncate(a, 11), truncate(b, 11), ComputeConfig("HiFi4", True))
    assert torch.equal(sums.sum_of_products(a, b, ComputeConfig("HiFi4", True)), cut)


def test_numbers_at_the_ends_of_the_range_are_zero_or_a_power_of_two():
    """What is smaller than normal is zero to the unit, and infinity is 2 ** 128."""
    small, large = torch.full((1, 32), 2.0**-127), torch.full((1, 32), torch.inf)
    one = torch.full((32, 1), 1.0)
    assert sums.sum_of_products(small, one, ComputeConfig("HiFi4", True)).item() == 0
    assert sums.sum_of_products(large, one * 2.0**-10, ComputeConfig("HiFi4", True)).item() == 2.0**123


@pytest.mark.parametrize("wide", [True, False], ids=["32 bits", "16 bits"])
@pytest.mark.parametrize("added", [0, 1, 3], ids=["by the register", "the first by the packer", "by the packer"])
@pytest.mark.parametrize("format", [Format.FLOAT32, Format.BFLOAT16, Format.BFLOAT8_B, Format.BFLOAT4_B])
def test_what_a_program_keeps_between_its_blocks(wide, added, format):
    generator = torch.Generator().manual_seed(6)
    a, b = _numbers(generator, 3, 80), _numbers(generator, 80, 40)
    total = torch.zeros(3, 40)
    for block in range(3):
        terms = slice(32 * block, 32 * (block + 1))
        before = round_to(total, format).float()
        if block < added:
            total = before + sums.sum_of_products(a[:, terms], b[terms], ComputeConfig("HiFi2", wide))
            total = total if wide else nearest_even(total).float()
        else:
            total = sums.sum_of_products(a[:, terms], b[terms], ComputeConfig("HiFi2", wide), before)
    spill = sums.Spill(32, format, added)
    assert torch.equal(sums.sum_of_products(a, b, ComputeConfig("HiFi2", wide), spill=spill), total)


def test_a_product_with_zero_has_no_exponent():
    """A group is aligned to the largest exponent of what is not zero."""
    a, b = torch.zeros(1, 32), torch.zeros(32, 1)
    a[0, 0], a[0, 1], b[1, 0] = 2.0**127, 1.25 * 2.0**-10, 2.0**-10
    assert sums.sum_of_products(a, b, ComputeConfig("LoFi", True)).item() == 1.25 * 2.0**-20


def test_sums_that_are_kept_in_16_bits_are_packed():
    """The packer rounds ties away from zero."""
    a, b = torch.zeros(1, 64), torch.ones(64, 1)
    a[0, 0], a[0, 1] = 1.0, 2.0**-8
    spill = sums.Spill(32, Format.BFLOAT16)
    assert sums.sum_of_products(a, b, ComputeConfig("LoFi", True), spill=spill).item() == 1 + 2.0**-7


@pytest.mark.parametrize("wide", [True, False], ids=["32 bits", "16 bits"])
def test_a_sum_of_two_numbers_that_is_too_small_is_zero(wide):
    least = torch.tensor([2.0**-126])
    assert matrix_add(least * 1.5, -least, wide).item() == 0
    assert matrix_add(least * 3, -least * 2, wide).item() == 2.0**-126
