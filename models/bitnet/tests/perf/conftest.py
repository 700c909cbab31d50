# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""Fixtures of the speed tests: models of the 2B-4T's sizes and two layers, built once a module on one device."""

from collections.abc import Callable, Iterator

import pytest

import ttnn
from models.bitnet.perf.random_model import SteppingModel, cheap_state, sizes
from models.bitnet.perf.random_weights import SharedWeights


@pytest.fixture(scope="session")
def state() -> dict:
    return cheap_state(sizes())


@pytest.fixture(scope="module")
def stepping(open_device: ttnn.MeshDevice, state: dict) -> Iterator[Callable[[str, int], SteppingModel]]:
    """A model by precision and batch; all of a module share their weights."""
    weights = SharedWeights(open_device)
    models: dict[tuple[str, int], SteppingModel] = {}

    def get(precision: str = "performance", users: int = 1) -> SteppingModel:
        if (precision, users) not in models:
            models[precision, users] = SteppingModel(open_device, precision, users, state=state, weights=weights)
        return models[precision, users]

    yield get
    for model in models.values():
        model.generator.close()
