# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""Products with ternary matrices: the packed forms give the sums of `sum_of_products`, and those of int64."""

import pytest
import torch

import ttnn
from ttnn_emulator.arithmetic import sums, ternary
from ttnn_emulator.arithmetic.compute_config import ComputeConfig
from ttnn_emulator.arithmetic.formats import Format
from ttnn_emulator.tests.tensors import get, put

LOFI = ComputeConfig("LoFi", True)
SHAPES = [(1, 70, 5), (3, 256, 100), (2, 1, 1), (5, 520, 333), (32, 96, 64)]  # rows, depth, columns


@pytest.fixture(params=[1, 3], ids=["one thread", "three threads"], autouse=True)
def threads(request, monkeypatch):
    monkeypatch.setattr(sums, "_WORTH_THREADS", 0)
    monkeypatch.setattr(torch, "get_num_threads", lambda: request.param)


def _matrices(depth: int, columns: int) -> list[torch.Tensor]:
    """Return a ternary matrix in each order of memory and data type."""
    matrix = torch.randint(-1, 2, (depth, columns)).float()
    matrix[0, 0] = -0.0
    short = matrix.bfloat16()
    return [matrix, matrix.mT.contiguous().mT, short, short.mT.contiguous().mT]


def _numbers(rows: int, depth: int) -> torch.Tensor:
    """Return numbers over many binades, one in 8 of them zero."""
    value = torch.randn(rows, depth) * (4 * torch.randn(rows, depth)).exp2()
    return value.where(torch.rand(rows, depth) > 1 / 8, 0.0)


@pytest.mark.parametrize("largest", [127, 128, 2047])
@pytest.mark.parametrize("rows, depth, columns", SHAPES)
def test_sums_of_whole_numbers(rows, depth, columns, largest):
    a = torch.randint(-largest, largest + 1, (1, rows, depth))
    a[0, 0, 0], a[0, -1, -1] = largest, -largest
    for matrix in _matrices(depth, columns):
        result = ternary.whole_product(a.float(), largest, ternary.pack_columns(matrix))
        assert torch.equal(result.long(), a @ matrix.long())
        assert torch.equal(result.float(), sums.sum_of_products(a.float(), matrix, ComputeConfig("HiFi4", True)))


@pytest.mark.parametrize("spill", [None, *(sums.Spill(64, Format.FLOAT32, added) for added in (0, 1, 3, 9))])
@pytest.mark.parametrize("rows, depth, columns", SHAPES)
def test_sums_in_the_units_order(rows, depth, columns, spill):
    assert ternary.multiplies(LOFI, spill)
    a = _numbers(rows, depth)
    for matrix in _matrices(depth, columns):
        packed = ternary.pack_panels(matrix)
        for first in (a, a.bfloat16(), a.mT.contiguous().mT):
            expected = sums.sum_of_products(first, matrix, LOFI, spill=spill)
            assert torch.equal(ternary.lofi_product(first, packed, columns, spill), expected)


def test_infinity_and_numbers_at_the_ends_of_the_range():
    a = torch.tensor([[torch.inf, 2.0**-127, -torch.inf, 2.0**-126, 1.0, -0.0, 2.0**127, torch.nan]]).repeat(1, 8)
    matrix = torch.randint(-1, 2, (64, 96)).float()
    expected = sums.sum_of_products(a, matrix, LOFI)
    assert torch.equal(ternary.lofi_product(a, ternary.pack_panels(matrix), 96, None), expected)


@pytest.mark.parametrize("other", [2.0, 0.5, -1.0078125, float("inf"), float("nan"), 2.0**-127])
@pytest.mark.parametrize("place", [(0, 0), (69, 39), (33, 20)])
def test_another_number_is_no_weight(place, other):
    for matrix in _matrices(70, 40):
        assert ternary.pack_columns(matrix) is not None and ternary.pack_panels(matrix) is not None
        matrix[place] = other
        assert ternary.pack_columns(matrix) is None and ternary.pack_panels(matrix) is None


@pytest.mark.parametrize("fidelity", ["LoFi", "HiFi2"])
@pytest.mark.parametrize("transposed", [False, True])
def test_a_ternary_weight_is_packed_once_on_the_device(device, monkeypatch, fidelity, transposed):
    """Rows of whole numbers, and in LoFi of others too, take packed weights to the sums of the unpacked ones."""
    calls = []
    for name in ("pack_columns", "pack_panels"):
        pack = getattr(ternary, name)
        monkeypatch.setattr(ternary, name, lambda matrix, pack=pack, name=name: (calls.append(name), pack(matrix))[1])
    compute = ttnn.init_device_compute_kernel_config(
        device.arch(), math_fidelity=getattr(ttnn.MathFidelity, fidelity), fp32_dest_acc_en=True
    )
    matrix = torch.randint(-1, 2, (256, 64)).float()
    weight, _ = put(matrix.mT.contiguous() if transposed else matrix, device, ttnn.bfloat4_b)
    for rows in (torch.randint(-127, 128, (3, 256)).float(), _numbers(3, 256).bfloat16().float()):
        x, _ = put(rows, device)
        for _ in range(2):
            result = ttnn.matmul(x, weight, transpose_b=transposed, dtype=ttnn.float32, compute_kernel_config=compute)
            expected = sums.sum_of_products(rows, matrix, ComputeConfig(fidelity, True))
            assert torch.equal(get(result), expected)
    assert calls == ["pack_columns", "pack_panels"][: 2 if fidelity == "LoFi" else 1]
