# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""Fixtures of the whole-model tests. A module of tests has one device, because its tests use the same model."""

from collections.abc import Iterator

import pytest
import torch

import ttnn
from models.bitnet.reference.model import Model
from models.bitnet.tests import shipped


def pytest_configure(config: pytest.Config) -> None:
    about = "board: depends on the chip's grid of cores and its DRAM banks. `make test` runs it on two boards"
    config.addinivalue_line("markers", about)
    about = "sanitized: on the emulated device, kernels run in several orders of events, with checks"
    config.addinivalue_line("markers", about)


@pytest.fixture(scope="module")
def open_device() -> Iterator[ttnn.MeshDevice]:
    """An open device with room for traces. A module must not use both this fixture and the fixture `device`."""
    opened = ttnn.open_device(device_id=0, trace_region_size=shipped.TRACE_REGION)
    yield opened
    ttnn.close_device(opened)


@pytest.fixture(scope="session")
def reference() -> Model:
    """The reference model with the shipped checkpoint."""
    return Model(shipped.config(), shipped.state())


@pytest.fixture(autouse=True)
def no_gradients() -> Iterator[None]:
    with torch.no_grad():
        yield
