# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""Fixtures of the speed tests: models of the 2B-4T's sizes with three layers, built once for each test module."""

from collections.abc import Callable, Iterator

import pytest

import ttnn
from models.bitnet.perf.random_model import SteppingModel, cheap_state, sizes
from models.bitnet.perf.random_weights import EmptyWeights


@pytest.fixture(scope="session")
def state() -> dict:
    return cheap_state(sizes())


@pytest.fixture(scope="module")
def stepping(open_device: ttnn.MeshDevice, state: dict) -> Iterator[Callable[[str, int], SteppingModel]]:
    """A function that gives a model by precision and batch.

    All models of a test module use the same weights. The weights hold nothing, because the models are only counted.
    """
    weights = EmptyWeights(open_device)
    models: dict[tuple[str, int], SteppingModel] = {}

    def get(precision: str = "performance", users: int = 1) -> SteppingModel:
        if (precision, users) not in models:
            models[precision, users] = SteppingModel(open_device, precision, users, state=state, weights=weights)
        return models[precision, users]

    yield get
    for model in models.values():
        model.generator.close()
