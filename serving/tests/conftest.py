# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""Fixtures: a server for the session, and the tokens that `BitNet.generate` gives for the same prompts."""

from collections.abc import Callable, Iterator

import pytest

import ttnn
from models.bitnet.tests import shipped
from models.bitnet.tt.generation.sampling import SamplingParams
from models.bitnet.tt.kv_cache import PagedAttentionConfig
from serving.tests.server import Server


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    # these settings add routes to vLLM, which the middleware must hide
    settings = {"VLLM_SERVER_DEV_MODE": "1", "VLLM_ALLOW_RUNTIME_LORA_UPDATING": "1"}
    with Server(tmp_path_factory.mktemp("server") / "log", **settings) as running:
        yield running


@pytest.fixture(scope="session")
def generated() -> Iterator[Callable[..., list[list[int]]]]:
    """A function that gives the tokens of `BitNet.generate` without the end token.

    The blocks of its KV cache have the size of the server's blocks.
    """
    device = ttnn.open_device(device_id=0, trace_region_size=shipped.TRACE_REGION)
    with shipped.load(device, max_batch=8, paging=PagedAttentionConfig(32, 128)) as model:

        def generate(texts: list[str], count: int, params: list[SamplingParams]) -> list[list[int]]:
            return [completion.tokens for completion in model.generate(texts, count, params)]

        yield generate
    ttnn.close_device(device)
