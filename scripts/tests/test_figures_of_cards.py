# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""The port and the emulated device are distributions of their own, with the same figures of cards."""

import pytest

from models.bitnet.perf import card_model
from ttnn_emulator.report import modelled


@pytest.mark.parametrize("architecture", ["wormhole_b0", "blackhole"])
def test_bandwidth_and_clock_are_the_same(architecture: str) -> None:
    figures = modelled.ARCHITECTURES[architecture]
    assert figures.bank_gigabytes == card_model._BANK_BANDWIDTH[architecture]
    assert figures.gigahertz == card_model._CLOCK[architecture]


def test_dispatch_and_the_matrix_unit_are_the_same() -> None:
    assert modelled.DISPATCH_US == card_model.DISPATCH_US
    assert modelled._CYCLES_A_TILE_PRODUCT == card_model._CYCLES_A_TILE_PRODUCT
    assert modelled._FLOPS_A_TILE_PRODUCT == card_model._FLOPS_A_TILE_PRODUCT
