# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""Generates requests that no client should send. The same seed makes the same requests.

The requests have every field at and beyond its limits, wrong types, combinations of the settings that the host handles,
bodies that are cut, and bodies that are not JSON.
"""

import json
import random
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

COMPLETIONS, CHAT, RESPONSES = "/v1/completions", "/v1/chat/completions", "/v1/responses"
VOCABULARY, CONTEXT = 2048, 512  # the sizes of the shipped model
_TEXT = "And the children of Israel"
_TOKENS = [VOCABULARY - 1, VOCABULARY, VOCABULARY + 1, 99999, -1, 0, 2, 5, 2**31, 2**63, 0.5, "5", None]
_NUMBERS = [
    0,
    1,
    -1,
    2,
    0.5,
    -0.5,
    1e-30,
    1e30,
    -1e30,
    1e308,
    2**31,
    2**63,
    2**64,
    -(2**63),
    10**30,
    "1",
    "x",
    None,
    True,
]
_WRONG = [None, True, 0, -1, 1.5, "", "x", "\0", "🦙" * 9, "\ud800", [], [[]], [None], {}, {"a": {}}, [[[1]]], 10**40]
_DEEP: Any = json.loads("[" * 60 + "]" * 60)

_REGEXES = [
    *("", "[", "a", "[0-9]{3}", "(a+)+b", "a{1000000}", "((a{1,99}){1,99}){1,99}", "(" * 500 + ")" * 500),
    *("\\", "(?=a)", "^$", "🦙+"),
]
_GRAMMARS = [
    *("", " ", "nonsense", "root ::= ", 'root ::= "a"', "root ::= root", 'root ::= ""', 'root ::= root "a" | "b"'),
    *("start: X", 'start: "a"', "?start: /a/", "root ::= [^", 'a ::= "b"', "root ::= nope", "\0"),
]
_SCHEMAS: list[Any] = [
    *({}, {"type": "object"}, {"type": "foo"}, {"type": []}, {"type": 5}, {"$ref": "#"}, {"$ref": "#/nope"}),
    {"enum": []},
    *({"type": "string", "pattern": "["}, {"type": "string", "format": "foo"}, {"type": "string", "maxLength": -1}),
    *(
        {"type": "integer", "multipleOf": 0},
        {"type": "integer", "minimum": 10**30},
        {"type": "number", "minimum": "x"},
    ),
    *({"type": "array", "uniqueItems": True}, {"type": "array", "minItems": 9, "maxItems": 1}),
    *({"type": "array", "items": 5}, {"const": "\0"}, {"anyOf": []}, {"allOf": [{"type": "null"}, {}]}),
    {"type": "object", "patternProperties": {"[": 1}},
    *({"type": "object", "properties": {"a": {"$ref": "#"}}, "required": ["a"]}, "", "{", "[]", "5", 5, [], True, None),
]
_RULES: list[Any] = [
    *({"regex": pattern} for pattern in _REGEXES),
    *({"grammar": grammar} for grammar in _GRAMMARS),
    *({"json": schema} for schema in _SCHEMAS),
    *({"choice": choice} for choice in ([], [""], ["a", "b"], ['"', "\\"], ["🦙"], [5], "ab", ["a"] * 2000, ["\n"])),
    *({"json_object": value} for value in (True, False, None, "x")),
    *({"structural_tag": tag} for tag in ("", "{}", '{"structures": []}', '{"type": "structural_tag"}', "x", 5)),
    {"structural_tag": '{"structures": [{"begin": "<a>", "schema": {}, "end": "</a>"}], "triggers": ["<a>"]}'},
    *({"regex": "a", "choice": ["b"]}, {"regex": "a", "_backend": "guidance"}),
    {"regex": "a", "whitespace_pattern": "["},
]
_FORMATS: list[Any] = [
    *({"type": kind} for kind in ("text", "json_object", "json_schema", "structural_tag", "foo", 5, None)),
    *({"type": "json_schema", "json_schema": {"name": "a", "schema": schema}} for schema in _SCHEMAS),
]

_SAMPLING: dict[str, list[Any]] = {
    "temperature": [0, 1e-9, 0.5, 1, 2, 2.1, *_NUMBERS],
    "top_p": [0, 1e-9, 0.9, 1, 1.1, *_NUMBERS],
    "top_k": [-2, -1, 0, 1, 2, 32, 33, VOCABULARY, VOCABULARY + 1, *_NUMBERS],
    "min_p": [0, 0.1, 1, 1.1, *_NUMBERS],
    "n": [1, 2, 3, 4, 5, 64, *_NUMBERS],
    "seed": [0, 1, 2**31 - 1, 2**32, *_NUMBERS],
    "presence_penalty": [-2, 2, 2.1, *_NUMBERS],
    "frequency_penalty": [-2, 2, 2.1, *_NUMBERS],
    "repetition_penalty": [1.3, 0.7, *_NUMBERS],
    "logit_bias": [
        *({str(token): 1} for token in _TOKENS),
        *({"5": value} for value in [100, -100, *_NUMBERS]),
        {str(token): -100 for token in range(VOCABULARY)},
    ],
    "min_tokens": [0, 1, 3, 4, 5, *_NUMBERS],
    "stop": ["a", "", [], [""], ["x"] * 200, ["\0"], [1], "🦙", " ", ["e", "a"], "a" * 5000],
    "stop_token_ids": [[], *([token] for token in _TOKENS), list(range(VOCABULARY)), list(range(VOCABULARY + 1))],
    "allowed_token_ids": [[], *([token] for token in _TOKENS), list(range(VOCABULARY)), [5, 5, 6]],
    "bad_words": [[], [""], ["the"], [" "], ["\0"], ["🦙"], ["a"] * 500, [5]],
    "structured_outputs": _RULES,
    "response_format": _FORMATS,
    "ignore_eos": [True, False, "x"],
    "skip_special_tokens": [True, False],
    "spaces_between_special_tokens": [True, False],
    "include_stop_str_in_output": [True, False],
    "use_beam_search": [True, False],
    "length_penalty": _NUMBERS,
    "prompt_logprobs": _NUMBERS,
    "truncate_prompt_tokens": [1, 2, CONTEXT - 1, CONTEXT, *_NUMBERS],
    "truncation_side": ["left", "right", "up"],
    "add_special_tokens": [True, False],
    "priority": _NUMBERS,
    "stream": [True, True, False, "x"],
    "stream_options": [{"include_usage": True}, {"include_usage": True, "continuous_usage_stats": True}, {}, {"x": 1}],
    "return_token_ids": [True, False],
    "return_tokens_as_token_ids": [True, False],
    "repetition_detection": [
        {"max_pattern_size": size, "min_pattern_size": 1, "min_count": count}
        for size in (0, 1, 9, 10**9)
        for count in (0, 2)
    ],
    "thinking_token_budget": _NUMBERS,
    "logits_processors": [["a.b"], [{"qualname": "os.system"}], []],
    "kv_transfer_params": [{}, {"do_remote_decode": True}, {"a": 1}],
    "vllm_xargs": [{}, {"a": 1}, {"a": [1, "x"]}, {"a": {}}],
    "cache_salt": ["", "a", "🦙"],
    "request_id": ["", "a", "🦙" * 99, "\n"],
    "user": ["", "a"],
    "model": ["bitnet", "another", "", None, 5],
    "lora_request": [{"lora_name": "a"}],
    "nothing_of_this_name": _WRONG,
}
_PROMPTS: list[Any] = [
    *("", " ", "a", "\0", "🦙" * 50, "a" * 20000, "<|begin_of_text|>", "\ufffe", "e\u0301"),
    *([], [[]], [""], ["a", 3], [[5], [6, 7], [8]], ["a", "b", "c", "d", "e"], [[5]] * 99, [["a"]], None, 5, {"a": 1}),
    *([token] for token in _TOKENS),
    *([1] * count for count in (31, 32, 33, CONTEXT - 4, CONTEXT - 1, CONTEXT, CONTEXT + 1, 9999)),
    *([[5], [VOCABULARY]], [[5], [-1]], [True, False]),
]
_MESSAGES: list[Any] = [
    *([], [{}], [[]], [None], "a", {"role": "user"}, [{"role": "user"}], [{"role": "x", "content": "a"}]),
    *([{"role": "user", "content": content}] for content in ("", "a", None, 5, [], {}, "\0", "🦙" * 99, "a" * 9999)),
    [{"role": "user", "content": _DEEP}],
    *(
        [{"role": "user", "content": [part]}]
        for part in (
            *({"type": "text", "text": "a"}, {"type": "text"}, {"type": "foo"}, {}, 5),
            *({"type": "image_url", "image_url": {"url": url}} for url in ("", "data:image/png;base64,AA", "file:///")),
            *({"type": "input_audio", "input_audio": {"data": "AA", "format": "wav"}}, {"type": "video_url"}),
        )
    ),
    [{"role": "system", "content": "a"}, {"role": "user", "content": "b"}, {"role": "assistant", "content": "c"}],
    [{"role": "assistant", "content": None, "tool_calls": [{"function": {"name": "a", "arguments": "{"}}]}],
    [{"role": "tool", "content": "a", "tool_call_id": "b"}],
    [{"role": "user", "content": "a"}] * 200,
]
_TOOLS: list[Any] = [
    *([], [{}], [None], [{"type": "function"}], [{"type": "function", "function": {}}], "x"),
    *([{"type": "function", "function": {"name": "f", "parameters": schema}}] for schema in _SCHEMAS),
]
_FIELDS: dict[str, dict[str, list[Any]]] = {
    COMPLETIONS: {
        **_SAMPLING,
        "prompt": _PROMPTS,
        "prompt_embeds": ["", "AA==", ["AA=="], 5],
        "max_tokens": [0, 1, 4, *_NUMBERS],
        "logprobs": [0, 1, 5, 20, 21, VOCABULARY, *_NUMBERS],
        "echo": [True, True, False],
        "suffix": ["", "a"],
    },
    CHAT: {
        **_SAMPLING,
        "messages": _MESSAGES,
        "max_tokens": [0, 1, 4, *_NUMBERS],
        "max_completion_tokens": [0, 1, 4, *_NUMBERS],
        "logprobs": [True, True, False, 5],
        "top_logprobs": [0, 1, 5, 20, 21, VOCABULARY, *_NUMBERS],
        "echo": [True, False],
        "tools": _TOOLS,
        "tool_choice": ["none", "auto", "required", "x", {"type": "function", "function": {"name": "f"}}, {}],
        "parallel_tool_calls": [True, False],
        "add_generation_prompt": [True, False],
        "continue_final_message": [True, False],
        "chat_template": ["{{ messages }}", "{{", "{% for x in range(10**9) %}{% endfor %}", ""],
        "chat_template_kwargs": [{}, {"messages": 5}, {"tokenize": True}, {"chat_template": "x"}],
        "documents": [[], [{}], [{"title": "a"}]],
        "mm_processor_kwargs": [{}, {"a": 1}],
        "reasoning_effort": ["low", "none", "x"],
        "include_reasoning": [True, False],
    },
    RESPONSES: {
        "input": [*_PROMPTS, *_MESSAGES],
        "max_output_tokens": [0, 1, 4, *_NUMBERS],
        "temperature": _SAMPLING["temperature"],
        "top_p": _SAMPLING["top_p"],
        "top_k": _SAMPLING["top_k"],
        "top_logprobs": [0, 1, 20, 21, *_NUMBERS],
        "text": [
            *({"format": each} for each in _FORMATS),
            *({"format": {"type": "json_schema", "name": "a", "schema": {}}}, {}),
        ],
        "tools": [
            *_TOOLS,
            *([{"type": "function", "name": "f", "parameters": {}}], [{"type": "web_search"}], [{"type": "mcp"}]),
        ],
        "tool_choice": ["none", "auto", "required", "x", {}],
        "previous_response_id": ["", "a", "resp_a", 5],
        "background": [True, False],
        "store": [True, False],
        "stream": [True, False],
        "include": [["reasoning.encrypted_content"], ["message.output_text.logprobs"], ["x"], []],
        "instructions": ["", "a", 5],
        "reasoning": [{"effort": "low"}, {"effort": "x"}, {}],
        "truncation": ["auto", "disabled", "x"],
        "metadata": [{}, {"a": "b"}, {"a": 5}],
        "model": _SAMPLING["model"],
        "prompt": [{"id": "a"}, 5],
        "priority": _NUMBERS,
        "cache_salt": _SAMPLING["cache_salt"],
        "stop": _SAMPLING["stop"],
        "seed": _SAMPLING["seed"],
        "logit_bias": _SAMPLING["logit_bias"],
        "structured_outputs": _RULES,
        "repetition_penalty": _SAMPLING["repetition_penalty"],
        "previous_input_messages": [[], [{}], 5],
        "enable_response_messages": [True, False],
    },
}
_BASES: dict[str, dict[str, Any]] = {
    COMPLETIONS: {"model": "bitnet", "prompt": _TEXT, "max_tokens": 2},
    CHAT: {"model": "bitnet", "messages": [{"role": "user", "content": _TEXT}], "max_tokens": 2},
    RESPONSES: {"model": "bitnet", "input": _TEXT, "max_output_tokens": 2},
}
# settings that the host handles; a request has several of them together
_ON_HOST = [
    *("structured_outputs", "logit_bias", "stop_token_ids", "min_tokens", "n", "logprobs", "echo", "bad_words", "stop"),
    *("allowed_token_ids", "presence_penalty", "repetition_penalty", "min_p", "temperature", "stream"),
]
_NO_JSON = [
    *(b"", b"{", b"[1]", b"null", b'"text"', b"\xff\xfe", b'{"prompt": NaN}', b"[" * 99999, b'{"a":' * 9999, b"\0"),
    *(b'{"n": 1e999}', b'{"n": ' + b"9" * 9999 + b"}", b"\xef\xbb\xbf{}"),
]
_CONTENT_TYPES = [
    *("application/json", "Application/JSON", "application/json; charset=utf-8", "text/plain", "multipart/form-data"),
    *("application/x-www-form-urlencoded", ""),
]


@dataclass(frozen=True)
class Sent:
    """One request. `left`: the client leaves before the answer ends. `chunked`: the request has no content length."""

    path: str
    body: bytes
    content_type: str = "application/json"
    chunked: bool = False
    left: bool = False


def requests(seed: int, count: int) -> Iterator[Sent]:
    """Generate `count` requests from this seed."""
    chance = random.Random(seed)
    for _ in range(count):
        path = chance.choices((COMPLETIONS, CHAT, RESPONSES), (6, 3, 1))[0]
        body = json.dumps(_body(chance, path)).encode()
        kind = chance.random()
        if kind < 0.04:
            body = body[: chance.randrange(len(body))]
        elif kind < 0.08:
            body = chance.choice(_NO_JSON)
        elif kind < 0.12:
            place = chance.randrange(len(body))
            body = body[:place] + bytes(chance.choices(range(256), k=chance.randint(1, 4))) + body[place:]
        yield Sent(
            path,
            body,
            chance.choice(_CONTENT_TYPES) if chance.random() < 0.05 else "application/json",
            chunked=chance.random() < 0.1,
            left=chance.random() < 0.02,
        )


def _body(chance: random.Random, path: str) -> dict[str, Any]:
    body, fields = dict(_BASES[path]), _FIELDS[path]
    names = [name for name in _ON_HOST if name in fields] if chance.random() < 0.4 else list(fields)
    for name in chance.sample(names, min(len(names), chance.choice((1, 1, 1, 2, 2, 3, 5)))):
        body[name] = chance.choice(_WRONG) if chance.random() < 0.1 else chance.choice(fields[name])
    if chance.random() < 0.05:
        del body[chance.choice(list(body))]
    return _short(body, path)


def _short(body: dict[str, Any], path: str) -> dict[str, Any]:
    """The body, changed if its answer could fill the context: the prompt then fills most of the context.

    Answers are thereby short, and the whole test takes a few minutes.
    """
    names = [name for name in ("max_tokens", "max_completion_tokens", "max_output_tokens") if name in body]
    if names and all(isinstance(body[name], (int, float)) and body[name] <= 4 for name in names):
        return body
    if path == COMPLETIONS:
        return {**body, "prompt": [5] * (CONTEXT - 4)}
    return {**body, **dict.fromkeys(names or ["max_tokens", "max_output_tokens"], 2)}
