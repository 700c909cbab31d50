# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""vLLM's front answers some requests that it refuses (an empty prompt, a token that is none, n = 0) with an internal
error. This middleware (`vllm serve --middleware serving.refusals.refuse`) makes them what they are: bad requests."""

from collections.abc import Awaitable, Callable

from fastapi import Request, Response
from fastapi.responses import JSONResponse


async def refuse(request: Request, call_next: Callable[[Request], Awaitable[Response]]) -> Response:
    """The reason with status 400, in the form of OpenAI's errors."""
    try:
        return await call_next(request)
    except ValueError as error:
        reason = {"message": str(error), "type": "BadRequestError", "param": None, "code": 400}
        return JSONResponse({"error": reason}, status_code=400)
