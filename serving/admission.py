# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""What of a request the engine can take. An error in the engine ends it for everybody, so a request that vLLM lets
through but that would raise one is refused before it gets there."""

import json
from collections.abc import Iterable

from vllm.exceptions import VLLMValidationError
from vllm.sampling_params import SamplingParams
from vllm.v1.engine import EngineCoreRequest

_SEEDS = 2**31 - 1  # the plugin keeps a seed in 32 bits
_STRONGEST = 1e30  # of repetition penalties, which the plugin keeps in float32

LONGEST_GRAMMAR = 1 << 15  # characters; ten times as many can keep the engine busy for 10 s and fill a gigabyte


def check_texts(params: SamplingParams) -> None:
    """Raise VLLMValidationError if vLLM could not read what constrains the text: a blank word, too long a grammar."""
    if any(not word.strip() for word in params.bad_words or ()):
        raise VLLMValidationError("a bad word must not be blank", parameter="bad_words", value=params.bad_words)
    rule = params.structured_outputs
    if rule is None:
        return
    parts = (rule.json, rule.regex, rule.choice, rule.grammar, rule.structural_tag)
    length = sum(len(part if isinstance(part, str) else json.dumps(part)) for part in parts if part is not None)
    if length > LONGEST_GRAMMAR:
        raise VLLMValidationError(
            f"the grammar has {length} characters, more than {LONGEST_GRAMMAR}", parameter="structured_outputs"
        )


def check(request: EngineCoreRequest, vocabulary: int) -> None:
    """Raise VLLMValidationError if a token that the request names is none of the model's (vLLM compares some with the
    tokenizer's size, some wrongly, and some with nothing), or a number cannot be kept."""
    params = request.sampling_params
    if not 1 / _STRONGEST <= params.repetition_penalty <= _STRONGEST:
        raise VLLMValidationError(
            f"repetition_penalty must be from {1 / _STRONGEST} to {_STRONGEST}",
            parameter="repetition_penalty",
            value=params.repetition_penalty,
        )
    tokens: dict[str, Iterable[int] | None] = {
        "prompt": request.prompt_token_ids,
        "stop_token_ids": params.all_stop_token_ids,
        "allowed_token_ids": params.allowed_token_ids,
        "logit_bias": params.logit_bias,
        "logprob_token_ids": params.logprob_token_ids,
        "bad_words": [token for word in params.bad_words_token_ids or [] for token in word],
    }
    for name, given in tokens.items():
        for token in given or ():
            if not 0 <= token < vocabulary:
                raise VLLMValidationError(
                    f"token {token} is outside the vocabulary of {vocabulary}", parameter=name, value=token
                )


def fold_seed(request: EngineCoreRequest) -> None:
    """Bring a request's seed into the range that the plugin takes. (vLLM has made -1 into none.)"""
    params = request.sampling_params
    if params.seed is not None:
        params.seed %= _SEEDS
