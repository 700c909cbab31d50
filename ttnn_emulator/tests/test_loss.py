# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""Losses against torch in float64."""

import pytest
from torch.nn import functional

import ttnn
from ttnn_emulator.tests.tensors import get, put, random


@pytest.mark.parametrize("name", ["l1_loss", "mse_loss"])
@pytest.mark.parametrize("reduction", ["none", "sum", "mean"])
def test_loss(device, name, reduction):
    (first, a), (second, b) = put(random((1, 2, 40, 50), 1), device), put(random((1, 2, 40, 50), 2), device)
    how = getattr(ttnn.LossReductionMode, reduction.upper())
    result, expected = get(getattr(ttnn, name)(first, second, reduction=how)), getattr(functional, name)(
        a, b, reduction=reduction
    )
    assert result.shape == expected.shape
    assert (result - expected).abs().max() <= 2**-6 * expected.abs().max()
