# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""No request of a client ends the server: every request gets an answer or a refusal."""

import json
import socket

import httpx
import pytest

from models.bitnet.tests import shipped

PROMPT = shipped.texts(1)[0]
CHAT = "/v1/chat/completions"
# settings of a completion; the test adds a prompt and max_tokens=4 if they are missing
SETTINGS = [
    *(
        {"prompt": prompt}
        for prompt in ("", [], [[]], [99999], [-1], [0.5], ["a", 3], None, 5, {"a": 1}, "\0", "🦙" * 50)
    ),
    {"prompt": PROMPT * 100},
    {"prompt": [1] * 511},
    {"prompt": [1] * 512},
    {"prompt": [[5], [6, 7], [8]]},
    {"prompt": [2048]},  # the vocabulary's size
    {"min_tokens": 3, "stop_token_ids": [99999]},
    *({"max_tokens": count} for count in (0, -1, 10**9, "x", None)),
    *({"temperature": value} for value in (-1, 1e30, 1e-300, "hot", None)),
    *({"temperature": 1, "top_p": value} for value in (0, 1.1, -1, 1e-30)),
    *({"temperature": 1, "top_k": value} for value in (-2, 0, 1, 10**9, "x")),
    *({"temperature": 1, "min_p": value} for value in (1.0, 2.0)),
    *({"temperature": 1, "n": count} for count in (0, -1, 5, 64)),
    *({"temperature": 1, "seed": seed} for seed in (-1, 2**63 - 1, 2**64, "s")),
    *({"stop": stop} for stop in ([""], [1], ["x"] * 100)),
    *({"presence_penalty": value} for value in (3, -2)),
    {"frequency_penalty": 1e9},
    *({"repetition_penalty": value} for value in (0, -1, 1e30, 1e-30, 1e40)),
    *({"logit_bias": bias} for bias in ({"99999": 1}, {"5": 1e9}, {"x": 1})),
    *({"logprobs": count} for count in (-1, 20, 21, 10**6)),
    {"prompt_logprobs": 1},
    *({"min_tokens": count} for count in (-1, 10)),
    *({"structured_outputs": {"regex": pattern}} for pattern in ("[", "(a+)+b")),
    *({"structured_outputs": rule} for rule in ({"json": {"type": "foo"}}, {"grammar": "nonsense"}, {"choice": []})),
    *({"structured_outputs": {"grammar": f"root ::= {rule}"}} for rule in ("", "root")),
    *({"allowed_token_ids": tokens} for tokens in ([], [99999], [5])),
    *({"bad_words": words} for words in ([""], [" "], ["the"])),
    {"echo": True, "max_tokens": 0},
    {"suffix": "x"},
    {"stream_options": {"include_usage": True}},
    {"model": "another"},
    {"nothing_of_this_name": 1},
]
BODIES = [b"", b"{", b"[]", b"null", b'"text"', b'{"model": "bitnet", "prompt": "a", "temperature": NaN}', b"\xff\xfe"]
CHATS = [
    {"messages": messages} for messages in ([], [{}], [{"role": "user", "content": "a"}], [{"role": "x", "content": 1}])
]


def test_every_request_is_answered(server):
    assert len(SETTINGS) + len(BODIES) + len(CHATS) >= 60
    expected = server.post(prompt=PROMPT, max_tokens=4, temperature=0).json()["choices"][0]["text"]
    answers = [(given, server.post(**{"prompt": PROMPT, "max_tokens": 4, **given})) for given in SETTINGS]
    answers += [(body, server.post(raw=body)) for body in BODIES]
    answers += [(chat, server.post(CHAT, **chat)) for chat in CHATS]
    wrong = [f"{given!r}: {answer.status_code}" for given, answer in answers if not 200 <= answer.status_code < 500]
    assert not wrong, "\n".join(wrong)
    refused = [answer for _, answer in answers if answer.status_code != 200]
    assert all(json.loads(answer.text) for answer in refused)
    assert server.post(prompt=PROMPT, max_tokens=4, temperature=0).json()["choices"][0]["text"] == expected


@pytest.mark.parametrize("content_type", ["application/json", "Application/JSON"])
def test_a_list_is_no_request(server, content_type):
    answer = httpx.post(f"{server.url}/v1/completions", content=b"[1]", headers={"content-type": content_type})
    assert answer.status_code == 400


def test_a_grammar_without_a_text_is_the_clients(server):
    """Only vLLM's scheduler finds out that the grammar allows no text. The answer is still the client's error, 400."""
    rule = {"structured_outputs": {"grammar": "root ::= root"}}
    assert server.post(prompt=PROMPT, max_tokens=4, **rule).status_code == 400
    stream = server.post(prompt=PROMPT, max_tokens=4, stream=True, **rule)
    assert '"code":400' in stream.text.replace(" ", "")


def test_too_large(server):
    assert server.post(prompt="a" * 2**20).status_code == 413
    chunked = httpx.post(f"{server.url}/v1/completions", content=(b" " * 2**16 for _ in range(17)), timeout=60)
    assert chunked.status_code == 413


def test_only_the_api_is_there(server):
    """The routes of vLLM's development mode are hidden, although conftest.py starts the server in that mode."""
    for path in (
        *("/tokenize", "/detokenize", "/inference/v1/generate", "/scale_elastic_ep", "/invocations", "/start_profile"),
        *("/reset_prefix_cache", "/collective_rpc", "/sleep", "/v1/load_lora_adapter", "/v1/messages", "/pause"),
    ):
        assert httpx.post(f"{server.url}{path}", json={}, timeout=60).status_code == 404, path
    for path in ("/server_info", "/tokenizer_info", "/openapi.json", "/docs", "/load"):
        assert httpx.get(f"{server.url}{path}", timeout=60).status_code == 404, path
    for path in ("/health", "/metrics", "/version", "/v1/models"):
        assert httpx.get(f"{server.url}{path}", timeout=60).status_code == 200, path


def test_only_this_machine_is_listened_to(server):
    """The server refuses 127.0.0.2, an address of the same interface that it would hear if it listened to all."""
    with socket.socket() as other, pytest.raises(ConnectionRefusedError):
        other.connect(("127.0.0.2", server.port))


def test_no_page_of_a_browser_may_ask(server):
    asked = {"origin": "http://elsewhere", "access-control-request-method": "POST"}
    answer = httpx.options(f"{server.url}/v1/completions", headers=asked, timeout=60)
    assert "access-control-allow-origin" not in answer.headers
