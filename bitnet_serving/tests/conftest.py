# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""Fixtures: a server for the session, and the tokens that `BitNet.generate` gives for the same prompts."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

import ttnn
from bitnet_serving.tests.server import Server
from models.bitnet.tests import shipped
from models.bitnet.tt.generation.sampling import SamplingParams
from models.bitnet.tt.kv_cache import PagedAttentionConfig


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    # these settings add routes to vLLM, which the middleware must hide
    settings = {"VLLM_SERVER_DEV_MODE": "1", "VLLM_ALLOW_RUNTIME_LORA_UPDATING": "1"}
    with Server(tmp_path_factory.mktemp("server") / "log", **settings) as running:
        yield running


Generate = Callable[[list[str], int, list[SamplingParams]], list[list[int]]]


@pytest.fixture(scope="session")
def device() -> Iterator[ttnn.MeshDevice]:
    opened = ttnn.open_device(device_id=0, trace_region_size=shipped.TRACE_REGION)
    yield opened
    ttnn.close_device(opened)


@pytest.fixture(scope="session")
def generated(device: ttnn.MeshDevice) -> Iterator[Generate]:
    """A function that gives the tokens of `BitNet.generate`, without the end token, in the server's precision."""
    with _model(device, None) as model:
        yield model


@pytest.fixture(scope="session")
def generated_in_accuracy(device: ttnn.MeshDevice) -> Iterator[Generate]:
    """A function that gives the tokens of `BitNet.generate` in `accuracy`, which a server on several chips uses."""
    with _model(device, "accuracy") as model:
        yield model


@contextmanager
def _model(device: ttnn.MeshDevice, precision: str | None) -> Iterator[Generate]:
    """The blocks of the KV cache have the size of the server's blocks."""
    paging = PagedAttentionConfig(32, 128)
    with shipped.load(device, precision=precision, max_batch=8, paging=paging) as model:
        yield lambda texts, count, params: [completion.tokens for completion in model.generate(texts, count, params)]
