# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""The checks of requests before vLLM's engine, and the replacement of a grammar that cannot be compiled."""

from types import SimpleNamespace
from typing import Any

import pytest
import torch
from vllm.exceptions import VLLMValidationError
from vllm.sampling_params import SamplingParams, StructuredOutputsParams
from vllm.v1.structured_output import StructuredOutputManager

from bitnet_serving.admission import LONGEST_GRAMMAR, check, check_texts, fold_seed
from bitnet_serving.grammars import NoText, end_only_the_request

VOCABULARY = 2048


def request(prompt: list[int] | None = None, **settings: Any) -> SimpleNamespace:
    """A request as vLLM passes it to the engine, with bad words as tokens."""
    words = settings.pop("bad_tokens", None)
    params = SamplingParams(**settings)
    params._bad_words_token_ids = words
    return SimpleNamespace(prompt_token_ids=prompt or [1], sampling_params=params)


SETTINGS = {
    "prompt": lambda token: request([5, token, 5]),
    "stop_token_ids": lambda token: request(stop_token_ids=[5, token]),
    "allowed_token_ids": lambda token: request(allowed_token_ids=[5, token]),
    "logit_bias": lambda token: request(logit_bias={5: 1.0, token: 1.0}),
    "logprob_token_ids": lambda token: request(logprob_token_ids=[5, token]),
    "bad_words": lambda token: request(bad_tokens=[[5], [5, token]]),
}


@pytest.mark.parametrize("name", SETTINGS)
def test_tokens_outside_the_vocabulary(name):
    for token in (0, VOCABULARY - 1):
        check(SETTINGS[name](token), VOCABULARY)
    for token in (-1, VOCABULARY, 99999, 2**63):
        with pytest.raises(VLLMValidationError, match=f"token {token} is outside the vocabulary") as error:
            check(SETTINGS[name](token), VOCABULARY)
        assert error.value.parameter == name


@pytest.mark.parametrize("penalty", [1e40, 1e-40])
def test_numbers_that_float32_does_not_hold(penalty):
    with pytest.raises(VLLMValidationError, match="repetition_penalty"):
        check(request(repetition_penalty=penalty), VOCABULARY)


def test_texts():
    check_texts(SamplingParams(bad_words=["the"]))
    check_texts(SamplingParams(structured_outputs=StructuredOutputsParams(regex="a" * LONGEST_GRAMMAR)))
    with pytest.raises(VLLMValidationError, match="blank"):
        check_texts(SamplingParams(bad_words=["the", " "]))
    too_long = "a" * (LONGEST_GRAMMAR + 1)
    for rule in ({"regex": too_long}, {"choice": [too_long]}, {"json": {"const": too_long}}, {"grammar": too_long}):
        with pytest.raises(VLLMValidationError, match="characters"):
            check_texts(SamplingParams(structured_outputs=StructuredOutputsParams(**rule)))


@pytest.mark.parametrize("seed", [None, 0, 2**31 - 2, 2**31 - 1, 2**63 - 1, -5])
def test_seeds(seed):
    given = request(seed=seed)
    fold_seed(given)
    assert given.sampling_params.seed == (None if seed is None else seed % (2**31 - 1))


def test_a_grammar_that_cannot_be_made_refuses_every_token(monkeypatch):
    def fail(kind: Any, text: str) -> None:
        raise RuntimeError("the grammar cannot be compiled")

    manager = SimpleNamespace(backend=SimpleNamespace(compile_grammar=fail))
    given = SimpleNamespace(request_id="a", structured_output_request=SimpleNamespace(structured_output_key=(None, "")))
    monkeypatch.setattr(StructuredOutputManager, "_create_grammar", StructuredOutputManager._create_grammar)
    end_only_the_request()
    grammar = StructuredOutputManager._create_grammar(manager, given)
    assert isinstance(grammar, NoText) and not grammar.is_terminated()
    bitmask = torch.zeros(2, 64, dtype=torch.int32)
    grammar.fill_bitmask(bitmask, 1)
    assert bitmask[1].eq(-1).all() and bitmask[0].eq(0).all()
    assert not grammar.accept_tokens("a", [0]) and grammar.validate_tokens([0]) == []
