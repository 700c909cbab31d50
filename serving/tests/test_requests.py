# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""Nothing that a client sends ends the server: every request gets an answer, or a refusal of its own."""

import json

from models.bitnet.tests import shipped

PROMPT = shipped.texts(1)[0]
CHAT = "/v1/chat/completions"
# settings of a completion, beside the prompt and four tokens at most
SETTINGS = [
    *(
        {"prompt": prompt}
        for prompt in ("", [], [[]], [99999], [-1], [0.5], ["a", 3], None, 5, {"a": 1}, "\0", "🦙" * 50)
    ),
    {"prompt": PROMPT * 100},
    {"prompt": [1] * 511},
    {"prompt": [1] * 512},
    {"prompt": [[5], [6, 7], [8]]},
    *({"max_tokens": count} for count in (0, -1, 10**9, "x", None)),
    *({"temperature": value} for value in (-1, 1e30, 1e-300, "hot", None)),
    *({"temperature": 1, "top_p": value} for value in (0, 1.1, -1, 1e-30)),
    *({"temperature": 1, "top_k": value} for value in (-2, 0, 1, 10**9, "x")),
    *({"temperature": 1, "min_p": value} for value in (1.0, 2.0)),
    *({"temperature": 1, "n": count} for count in (0, -1, 5)),
    *({"temperature": 1, "seed": seed} for seed in (-1, 2**63 - 1, 2**64, "s")),
    *({"stop": stop} for stop in ([""], [1], ["x"] * 100)),
    *({"presence_penalty": value} for value in (3, -2)),
    {"frequency_penalty": 1e9},
    *({"repetition_penalty": value} for value in (0, -1, 1e30, 1e-30)),
    *({"logit_bias": bias} for bias in ({"99999": 1}, {"5": 1e9}, {"x": 1})),
    *({"logprobs": count} for count in (-1, 20, 21, 10**6)),
    {"prompt_logprobs": 1},
    *({"min_tokens": count} for count in (-1, 10)),
    *({"structured_outputs": {"regex": pattern}} for pattern in ("[", "(a+)+b")),
    *({"structured_outputs": rule} for rule in ({"json": {"type": "foo"}}, {"grammar": "nonsense"}, {"choice": []})),
    *({"allowed_token_ids": tokens} for tokens in ([], [99999], [5])),
    *({"bad_words": words} for words in ([""], ["the"])),
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
