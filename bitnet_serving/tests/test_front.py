# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""The middleware in front of vLLM's server, tested around small apps instead of vLLM's."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from pydantic import BaseModel, model_validator
from starlette.requests import Request
from starlette.responses import JSONResponse, StreamingResponse
from vllm.exceptions import VLLMValidationError
from vllm.sampling_params import SamplingParams

from bitnet_serving import front

ROWS = 4
COMPLETIONS = "/v1/completions"


class Body(BaseModel):
    """A request body that raises an AttributeError for a wrong type during validation, as some of vLLM's bodies do."""

    @model_validator(mode="before")
    @classmethod
    def read(cls, given: dict[str, Any]) -> dict[str, Any]:
        (given.get("structured_outputs") or {}).get("regex")
        return given


class Around:
    """The middleware around an app whose completions are the results of `handle`."""

    def __init__(self, handle: Callable[[], Any] = dict, key: str | None = None):
        app = FastAPI()
        app.state.args = SimpleNamespace(api_key=[key] if key else None)
        app.state.vllm_config = SimpleNamespace(scheduler_config=SimpleNamespace(max_num_seqs=ROWS))
        self.bodies: list[Any] = []

        @app.post(COMPLETIONS)
        async def completions(body: Body, request: Request) -> Any:
            self.bodies.append(await request.json())
            result = handle()
            return await result if asyncio.iscoroutine(result) else result

        async def empty() -> dict[str, Any]:
            return {}

        for path in ("/health", "/tokenize", "/start_profile", "/v1/load_lora_adapter"):
            app.add_api_route(path, empty, methods=["GET", "POST"])
        app.exception_handler(VLLMValidationError)(lambda *_: JSONResponse({}, status_code=400))
        app.add_middleware(front.Front)
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        self.client = httpx.AsyncClient(transport=transport, base_url="http://server")

    def post(self, path: str = COMPLETIONS, **options: Any) -> httpx.Response:
        return asyncio.run(self.client.post(path, **options))


def test_only_the_apis_routes():
    around = Around()
    assert around.post(json={"prompt": "a"}).status_code == 200
    for path in ("/tokenize", "/start_profile", "/v1/load_lora_adapter", "/docs", "/openapi.json", "/v1/completions/"):
        assert around.post(path, json={}).status_code == 404
    assert asyncio.run(around.client.get("/health")).status_code == 200
    assert asyncio.run(around.client.get("/openapi.json")).status_code == 404


@pytest.mark.parametrize("content_type", ["application/json", "Application/JSON", "text/plain", ""])
@pytest.mark.parametrize(
    "body", [b"", b"[1]", b"null", b"{", b"\xff", b'{"a": NaN}', b'{"a": "\\ud800"}', b"[" * 10**5]
)
def test_a_body_that_is_no_json_object(body, content_type):
    around = Around()
    answer = around.post(content=body, headers={"content-type": content_type})
    assert answer.status_code == 400 and answer.json()["error"]["code"] == 400 and not around.bodies


def test_a_body_of_wrong_types_is_the_clients():
    assert Around().post(json={"structured_outputs": [[]]}).status_code == 400


def nested(depth: int) -> dict[str, Any]:
    return {} if depth == 1 else {"a": nested(depth - 1)}


def test_depth():
    around = Around()
    assert around.post(json=nested(front.DEEPEST_BODY)).status_code == 200
    assert around.post(json=nested(front.DEEPEST_BODY + 1)).status_code == 400


@pytest.mark.parametrize("is_chunked", [False, True])
def test_size(is_chunked):
    async def pieces(body: bytes) -> AsyncIterator[bytes]:
        for start in range(0, len(body), 1 << 16):
            yield body[start : start + (1 << 16)]

    around = Around()
    frame = len(json.dumps({"prompt": ""}))
    for length, status in ((front.LARGEST_BODY, 200), (front.LARGEST_BODY + 1, 413)):
        body = json.dumps({"prompt": "a" * (length - frame)}).encode()
        headers = {"content-type": "application/json"}
        assert around.post(content=pieces(body) if is_chunked else body, headers=headers).status_code == status
    assert len(around.bodies) == 1


def test_a_body_that_does_not_arrive(monkeypatch):
    async def pieces() -> AsyncIterator[bytes]:
        yield b"{"
        await asyncio.Event().wait()

    monkeypatch.setattr(front, "_PATIENCE_S", 0)
    assert Around().post(content=pieces()).status_code == 408


@pytest.mark.parametrize(
    "body, status",
    [
        *(({"n": n}, 200) for n in (None, 1, ROWS)),
        *(({"n": n}, 400) for n in (0, -1, ROWS + 1, 64, 2.0, "2", True, [])),
        *(({"prompt": prompt}, 200) for prompt in ("a", [1] * 99, ["a"] * ROWS, [[1, 2]] * ROWS)),
        *(({"prompt": prompt}, 400) for prompt in (["a"] * (ROWS + 1), [[1]] * 99)),
        ({"prompt": ["a"] * 2, "n": 2}, 200),
        ({"prompt": ["a"] * 2, "n": 3}, 400),
    ],
)
def test_texts_of_one_request(body, status):
    assert Around().post(json=body).status_code == status


def test_texts_that_wait():
    """Texts beyond the limit are refused with 429 at once. Texts that end make room for new ones."""

    async def run() -> None:
        end = asyncio.Event()

        async def wait() -> dict[str, Any]:
            await end.wait()
            return {}

        around = Around(wait)
        full = [
            asyncio.create_task(around.client.post(COMPLETIONS, json={"n": ROWS})) for _ in range(1 + front.WAITING)
        ]
        while len(around.bodies) < len(full):
            await asyncio.sleep(0)
        assert (await around.client.post(COMPLETIONS, json={})).status_code == 429
        end.set()
        assert [answer.status_code for answer in await asyncio.gather(*full)] == [200] * len(full)
        assert (await around.client.post(COMPLETIONS, json={"n": ROWS})).status_code == 200

    asyncio.run(run())


def test_without_the_key_no_body_is_read():
    async def endless() -> AsyncIterator[bytes]:
        raise AssertionError("the body was read")
        yield b""

    around = Around(key="secret")
    assert around.post(content=endless()).status_code == 401
    assert around.post(json={}, headers={"authorization": "Bearer wrong"}).status_code == 401
    assert around.post(json={}, headers={"authorization": "Bearer secret"}).status_code == 200


def test_an_error_in_a_stream_is_its_last_event():
    async def stream() -> AsyncIterator[str]:
        yield "data: {}\n\n"
        raise VLLMValidationError("not this")

    answer = Around(lambda: StreamingResponse(stream(), media_type="text/event-stream")).post(json={})
    first, second = answer.text.strip().split("\n\n")
    assert first == "data: {}" and json.loads(second.removeprefix("data: "))["error"]["code"] == 400


def fail() -> None:
    raise ValueError("a bug")


@pytest.mark.parametrize(
    "handle, status",
    [
        (lambda: SamplingParams(n=0), 400),  # vLLM refuses with a ValueError
        (fail, 500),
        (lambda: int("x"), 500),
        (lambda: len(5), 500),
    ],
)
def test_whose_error_it_is(handle, status):
    answer = Around(handle).post(json={})
    assert answer.status_code == status
    assert status == 400 or "a bug" not in answer.text
