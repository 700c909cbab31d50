# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""Checks of a request before it reaches vLLM's engine.

An error inside the engine ends the engine for all clients. vLLM accepts some requests that would raise such an error.
The checks here refuse these requests first.
"""

import json
from collections.abc import Iterable

from vllm.exceptions import VLLMValidationError
from vllm.sampling_params import SamplingParams
from vllm.v1.engine import EngineCoreRequest

_SEEDS = 2**31 - 1  # the plugin keeps a seed in 32 bits
_STRONGEST = 1e30  # the largest repetition penalty: the plugin keeps penalties in float32

LONGEST_GRAMMAR = 1 << 15  # characters; a grammar ten times as long can take 10 s of the engine and fill a gigabyte


def check_texts(params: SamplingParams) -> None:
    """Raise VLLMValidationError if a bad word is blank or a grammar is too long for vLLM."""
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
    """Raise VLLMValidationError if a token is outside the vocabulary or the repetition penalty is out of range.

    vLLM compares some tokens with the size of the tokenizer, some wrongly, and some not at all.
    """
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
    """Fold a request's seed into the range that the plugin takes. vLLM has already replaced the seed -1 by None."""
    params = request.sampling_params
    if params.seed is not None:
        params.seed %= _SEEDS
