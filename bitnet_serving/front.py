# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""ASGI middleware in front of vLLM's server (`vllm serve --middleware bitnet_serving.front.Front`).

The middleware limits the routes, the size of a request and the number of requests that wait. It also decides whether an
error is the client's (400) or the server's (500).
"""

import asyncio
import json
import logging
import traceback
from typing import Any

from fastapi.dependencies.utils import request_body_to_args
from fastapi.responses import JSONResponse
from starlette.requests import ClientDisconnect, Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from vllm import envs
from vllm.entrypoints.generate.base.serving import GenerateBaseServing
from vllm.entrypoints.serve.utils.server_utils import AuthenticationMiddleware
from vllm.exceptions import VLLMValidationError

# The routes of OpenAI's API and of monitoring. vLLM has more routes on the same port: profiling, development, LoRA,
# scaling, other vendors' APIs, and some that need no key.
ROUTES = {
    "/health",
    "/metrics",
    "/version",
    "/v1/models",
    "/v1/completions",
    "/v1/chat/completions",
    "/v1/responses",
}
LARGEST_BODY = 1 << 20  # bytes; a prompt of 4096 tokens is about 20 kB
DEEPEST_BODY = 64  # nested objects and lists
WAITING = 16  # texts that may wait for each user of the batch
_PATIENCE_S = 60  # the longest wait for a body
_TAKEN_FOR_REFUSALS = (ValueError, TypeError, OverflowError)  # vLLM answers any of them with 400

logger = logging.getLogger(__name__)


class Refusal(Exception):
    """The middleware refuses a request with an HTTP status and a reason. vLLM does not see the request."""

    def __init__(self, status: int, reason: str):
        super().__init__(reason)
        self.status = status


class Front:
    """The middleware around vLLM's app."""

    def __init__(self, app: ASGIApp):
        self._app = app
        self._texts = 0  # texts that are being generated or wait
        GenerateBaseServing._raise_if_error = staticmethod(raise_if_error)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            return await send({"type": "websocket.close"})
        if scope["type"] != "http":
            return await self._app(scope, receive, send)
        if scope["path"].removeprefix(scope.get("root_path", "")) not in ROUTES:
            return await _answer(Refusal(404, "there is no such route"))(scope, receive, send)
        if scope["method"] != "POST":
            return await self._app(scope, receive, send)
        # vLLM checks the key only behind this middleware. The check here comes before the body is read.
        keys = [key for key in scope["app"].state.args.api_key or [envs.VLLM_API_KEY] if key]
        post = AuthenticationMiddleware(self._post, keys) if keys else self._post
        await post(scope, receive, send)

    async def _post(self, scope: Scope, receive: Receive, send: Send) -> None:
        rows = scope["app"].state.vllm_config.scheduler_config.max_num_seqs
        taken = 0
        try:
            taken = self._take(1, rows)
            body = await _body(scope, receive)
            texts = count_texts(read_object(body))
            if texts > rows:
                raise Refusal(400, f"{texts} texts are asked for, and one request can have {rows}")
            taken += self._take(texts - 1, rows)
            await self._run(body, scope, receive, send)
        except Refusal as refusal:
            await _answer(refusal)(scope, receive, send)
        except ClientDisconnect:
            pass
        finally:
            self._texts -= taken

    def _take(self, texts: int, rows: int) -> int:
        most = rows * (1 + WAITING)
        if self._texts + texts > most:
            raise Refusal(429, f"{most} texts are written or wait; ask again later")
        self._texts += texts
        return texts

    async def _run(self, body: bytes, scope: Scope, receive: Receive, send: Send) -> None:
        """Run vLLM's app on a body that has been read. Its errors become the client's (400) or the server's (500)."""
        messages: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]
        started = False

        async def given() -> Message:
            return messages.pop() if messages else await receive()

        async def sent(message: Message) -> None:
            nonlocal started
            started = True
            await send(message)

        try:
            await self._app(scope, given, sent)
        except Exception as error:
            # an error that vLLM has an answer for is the cause of another where the answer has begun
            refusal = refusal_of(error.__cause__ if started and error.__cause__ is not None else error)
            if refusal is None:
                raise
            if not started:
                raise refusal from error
            event = b"data: " + _answer(refusal).body + b"\n\n"
            await send({"type": "http.response.body", "body": event, "more_body": False})


async def _body(scope: Scope, receive: Receive) -> bytes:
    """Read the whole body of a request, with or without a content-length header."""
    request, body = Request(scope, receive), bytearray()
    if int(request.headers.get("content-length", 0)) > LARGEST_BODY:
        raise Refusal(413, f"the body is larger than {LARGEST_BODY} bytes")
    try:
        async with asyncio.timeout(_PATIENCE_S):
            async for piece in request.stream():
                body += piece
                if len(body) > LARGEST_BODY:
                    raise Refusal(413, f"the body is larger than {LARGEST_BODY} bytes")
    except TimeoutError:
        raise Refusal(408, f"the body did not arrive within {_PATIENCE_S} s") from None
    return bytes(body)


def read_object(body: bytes) -> dict[str, Any]:
    """Parse the JSON object in `body`. Refuse text that is not Unicode and nesting that is too deep."""
    try:
        value = json.loads(body, parse_constant=_no_number)
        json.dumps(value, ensure_ascii=False).encode()  # raises for half a surrogate pair, which is not Unicode
    except (ValueError, RecursionError) as error:
        raise Refusal(400, f"the body is not JSON: {ascii(str(error))}") from None
    if not isinstance(value, dict):
        raise Refusal(400, "the body must be a JSON object")
    level: list[Any] = [value]
    for _ in range(DEEPEST_BODY):
        level = [
            inner
            for outer in level
            for inner in (outer.values() if isinstance(outer, dict) else outer)
            if isinstance(inner, (dict, list))
        ]
    if level:
        raise Refusal(400, f"the body is more than {DEEPEST_BODY} objects and lists deep")
    return value


def _no_number(name: str) -> float:
    raise ValueError(f"{name} is not a JSON number")


def count_texts(body: dict[str, Any]) -> int:
    """The number of texts that a request asks for: `n` for each prompt."""
    each = body.get("n", 1)
    if each is None:
        each = 1
    if not isinstance(each, int) or isinstance(each, bool) or each < 1:
        raise Refusal(400, "n must be a positive integer")
    prompts = body.get("prompt")
    several = isinstance(prompts, list) and not all(isinstance(token, int) for token in prompts)
    return each * (len(prompts) if several else 1)


def refusal_of(error: BaseException) -> Refusal | None:
    """The answer to an error, or None if vLLM answers it. An error that vLLM takes for the client's, and that neither
    vLLM nor its plugin raised, is the server's own."""
    if isinstance(error, VLLMValidationError) or read_the_body(error):
        return Refusal(400, str(error))
    if not isinstance(error, _TAKEN_FOR_REFUSALS):
        return None
    if refused_by_vllm(error):
        return Refusal(400, str(error))
    logger.error("an error of the server", exc_info=error)
    return Refusal(500, "an internal error; the server's log has the details")


def refused_by_vllm(error: BaseException) -> bool:
    """Whether vLLM or its plugin raised the error. A library below them or this project may have raised it instead."""
    *_, (innermost, _) = traceback.walk_tb(error.__traceback__)
    return innermost.f_globals["__name__"].partition(".")[0] in ("vllm", "vllm_tt_plugin")


def read_the_body(error: BaseException) -> bool:
    """Whether the error came while vLLM validated the body. A wrong type there can raise an error of any class."""
    frames = traceback.walk_tb(error.__traceback__)
    return any(frame.f_code is request_body_to_args.__code__ for frame, _ in frames)


def raise_if_error(finish_reason: str | None, request_id: str) -> None:
    """Raise VLLMValidationError, a client's error, if a text ended with an error.

    vLLM ends a text with an error if the grammar refuses a token, and reports a server's error. The cause is in the
    request: its grammar, with its other settings, allows no token.
    """
    if finish_reason == "error":
        raise VLLMValidationError("no text fits the request: its grammar allows no token")


def _answer(refusal: Refusal) -> JSONResponse:
    """An error response in OpenAI's format."""
    kind = "InternalServerError" if refusal.status >= 500 else "BadRequestError"
    error = {"message": str(refusal), "type": kind, "param": None, "code": refusal.status}
    return JSONResponse({"error": error}, status_code=refusal.status)
