# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""Fixtures of the whole-model tests: one device for a module of tests, since a model on it serves many."""

from collections.abc import Iterator

import pytest
import torch

import ttnn
from models.bitnet.reference.model import Model
from models.bitnet.tests import shipped


@pytest.fixture(scope="module")
def open_device() -> Iterator[ttnn.MeshDevice]:
    """An open device with room for traces. Not to be mixed with the fixture `device` in one module."""
    opened = ttnn.open_device(device_id=0, trace_region_size=shipped.TRACE_REGION)
    yield opened
    ttnn.close_device(opened)


@pytest.fixture(scope="session")
def reference() -> Model:
    """The shipped model in torch."""
    return Model(shipped.config(), shipped.state())


@pytest.fixture(autouse=True)
def no_gradients() -> Iterator[None]:
    with torch.no_grad():
        yield
