# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""vLLM's front answers some requests that it refuses (an empty prompt, n = 0, a body that is a list) with an internal
error. This middleware (`vllm serve --middleware serving.refusals.refuse`) makes them what they are: bad requests."""

from collections.abc import Awaitable, Callable

from fastapi import Request, Response
from fastapi.responses import JSONResponse


async def refuse(request: Request, call_next: Callable[[Request], Awaitable[Response]]) -> Response:
    """The reason with status 400, in the form of OpenAI's errors."""
    is_json = request.headers.get("content-type", "").startswith("application/json")
    if request.method == "POST" and is_json and not (await request.body()).lstrip().startswith(b"{"):
        return _bad("the body must be a JSON object")
    try:
        return await call_next(request)
    except ValueError as error:
        return _bad(str(error))


def _bad(reason: str) -> JSONResponse:
    error = {"message": reason, "type": "BadRequestError", "param": None, "code": 400}
    return JSONResponse({"error": error}, status_code=400)
