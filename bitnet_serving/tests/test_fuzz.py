# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""Two thousand requests that no client should send: each gets an answer, and a later client gets the usual answer."""

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import httpx

from bitnet_serving.tests.fuzz import Sent, requests
from bitnet_serving.tests.server import Server
from models.bitnet.tests import shipped

COUNT, SEED, CLIENTS = 2000, 1, 8
PATIENCE_S = 600


def answer(server: Server, sent: Sent) -> tuple[int, str]:
    """The status and text of the answer. Each request has a new connection, since a refusal may end the connection."""
    content: bytes | Iterator[bytes] = iter([sent.body[:50], sent.body[50:]]) if sent.chunked else sent.body
    headers = {"content-type": sent.content_type}
    with httpx.stream("POST", server.url + sent.path, content=content, headers=headers, timeout=PATIENCE_S) as response:
        if sent.left and response.status_code == 200:
            return 200, next(response.iter_text(), "")
        return response.status_code, response.read().decode()


def codes(text: str) -> list[int]:
    """The codes of the errors in a stream. The status of a stream is sent before its errors are known."""
    events = [line.removeprefix("data: ") for line in text.splitlines() if line.startswith('data: {"error"')]
    return [json.loads(event)["error"]["code"] for event in events]


def four_texts(server: Server) -> list[str]:
    answers = [server.post(prompt=text, max_tokens=8, temperature=0) for text in shipped.texts(4)]
    return [answer.json()["choices"][0]["text"] for answer in answers]


def test_requests_at_and_beyond_the_edges(server):
    expected = four_texts(server)
    with ThreadPoolExecutor(CLIENTS) as clients:
        wrong = [
            f"{status} {sent.path} {sent.body[:500]!r}: {text[:300]}"
            for sent, (status, text) in clients.map(lambda sent: (sent, answer(server, sent)), requests(SEED, COUNT))
            if not 200 <= status < 500 or any(code >= 500 for code in codes(text))
        ]
    assert not wrong, "\n".join(wrong)
    assert server.healthy() and four_texts(server) == expected
