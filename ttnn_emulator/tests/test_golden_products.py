# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""The product that takes the place of `torch._int_mm` while a golden function runs."""

import gc

import pytest
import torch

from ttnn_emulator.device.golden_products import GoldenProducts

TORCH_PRODUCT = torch._int_mm


def _rows(count: int, depth: int = 96) -> torch.Tensor:
    return torch.randint(-128, 128, (count, depth)).to(torch.int8)


def _matrix(largest: int = 1) -> torch.Tensor:
    """An int8 matrix [96, 64] whose columns are contiguous."""
    return torch.randint(-largest, largest + 1, (64, 96)).to(torch.int8).T


@pytest.fixture
def torchs(monkeypatch):
    """The products that torch computes."""
    calls = []
    monkeypatch.setattr(torch, "_int_mm", lambda *operands: (calls.append(operands), TORCH_PRODUCT(*operands))[1])
    return calls


@pytest.mark.parametrize("rows", [1, 7, 16, 17, 40])
@pytest.mark.parametrize("largest", [1, 2, 127])
def test_the_integers_are_torchs(torchs, rows, largest):
    """Few rows take a ternary matrix from its second product on in packed form."""
    products, matrix = GoldenProducts(), _matrix(largest)
    for number in range(1, 4):
        a = _rows(rows)
        result = products.multiply(a, matrix)
        assert result.dtype == torch.int32 and torch.equal(result.long(), a.long() @ matrix.long())
        assert len(torchs) == (1 if number > 1 and rows <= 16 and largest == 1 else number)


def test_a_matrix_that_was_changed_is_packed_anew():
    products, matrix, a = GoldenProducts(), _matrix(), _rows(2)
    for value in (1, -1):
        matrix[5] = value
        for _ in range(3):
            assert torch.equal(products.multiply(a, matrix).long(), a.long() @ matrix.long())


def test_a_matrix_that_is_gone_leaves_nothing():
    products = GoldenProducts()
    for _ in range(2):
        matrix = _matrix()
        for _ in range(2):
            products.multiply(_rows(1), matrix)
    assert len(products._matrices) == 1
    del matrix
    gc.collect()
    assert len(products._matrices) == 0


@pytest.mark.parametrize(
    "rows, matrix", [(_rows(1, 95), _matrix()), (_rows(1).float(), _matrix()), (_rows(1)[0], _matrix())]
)
def test_what_torch_refuses_is_refused(rows, matrix):
    products = GoldenProducts()
    for _ in range(3):
        with pytest.raises((RuntimeError, IndexError)):
            products.multiply(rows, matrix)
