# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""How near the results of kernels must be to those of a golden function."""

from collections.abc import Callable

import pytest
import torch

import ttnn
from ttnn_emulator.errors import KernelMismatch
from ttnn_emulator.kernels import comparison

INPUT = torch.randn(8, 64, generator=torch.Generator().manual_seed(2)) * 3
TIED = INPUT.clone()
TIED[3, 5] = 1.5 - 2**-23  # a hair below half-way between 1 and 2
SIGNS = torch.randint(0, 2, (64, 32), generator=torch.Generator().manual_seed(3)) * 2.0 - 1


def is_near(
    result: torch.Tensor,
    golden: Callable[[torch.Tensor], torch.Tensor],
    x: torch.Tensor,
    dtype: ttnn.DataType = ttnn.float32,
    rounds_products: bool = False,
) -> bool:
    try:
        comparison.check("test", [result], [dtype], [golden(x)], lambda: [golden(comparison.moved(x, rounds_products))])
    except KernelMismatch:
        return False
    return True


def test_a_few_units_in_the_last_place():
    assert is_near(INPUT * (1 + 6 * 2**-23), lambda x: x, INPUT)
    assert not is_near(INPUT * (1 + 2**-17), lambda x: x, INPUT)


@pytest.mark.parametrize(
    "dtype, step", [(ttnn.bfloat16, 2**-8), (ttnn.bfloat8_b, 2**-7), (ttnn.bfloat4_b, 2**-3)]
)
def test_a_unit_of_the_dtype(dtype, step):
    largest = INPUT.abs().unflatten(-1, (-1, 16)).amax(-1, keepdim=True).expand(-1, -1, 16).flatten(-2)
    size = INPUT if dtype == ttnn.bfloat16 else largest
    assert is_near(INPUT + step * size, lambda x: x, INPUT, dtype)
    assert not is_near(INPUT + 5 * step * size, lambda x: x, INPUT, dtype)


def test_a_rounding_that_may_go_either_way():
    """Sums of rounded numbers may differ where a number is tied, and nowhere else."""

    def golden(x: torch.Tensor) -> torch.Tensor:
        return x.round() @ SIGNS

    codes = TIED.round()
    codes[3, 5] += 1
    assert is_near(codes @ SIGNS, golden, TIED)
    codes[2, 7] += 1
    assert not is_near(codes @ SIGNS, golden, TIED)


def test_sums_that_cancel():
    """The order of a sum changes it by units of its largest terms."""
    x = torch.cat([INPUT * 1e4, -INPUT * 1e4, INPUT], dim=-1)
    assert is_near(INPUT.sum(-1, keepdim=True), lambda x: x.sum(-1, keepdim=True), x)
    assert not is_near(INPUT.sum(-1, keepdim=True) + 10, lambda x: x.sum(-1, keepdim=True), x)


def test_products_that_the_matrix_unit_rounds():
    def golden(x: torch.Tensor) -> torch.Tensor:
        return x @ SIGNS

    cut = (INPUT.view(torch.int32) & ~0x1FFF).view(torch.float32)
    assert is_near(cut @ SIGNS, golden, INPUT, rounds_products=True)
    assert not is_near(cut @ SIGNS, golden, INPUT)
    assert not is_near(cut @ SIGNS + 1, golden, INPUT, rounds_products=True)


def test_integers_are_equal():
    x = torch.arange(64).reshape(2, 32)
    assert is_near(x, lambda x: x, x, ttnn.uint32)
    assert not is_near(x + (x == 9), lambda x: x, x, ttnn.uint32)


@pytest.mark.parametrize("value", [torch.nan, torch.inf, -torch.inf])
def test_only_itself_is_near(value):
    x = INPUT.clone()
    x[1, 1] = value
    assert is_near(x, lambda x: x, x)
    assert not is_near(x, lambda x: INPUT, x) and not is_near(INPUT, lambda x: x, x)
