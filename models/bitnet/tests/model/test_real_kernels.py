# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""A few untraced steps of the shipped model, which a simulator of the real kernels can run (`make test-sim`).

A card, the simulator and the emulated device are compared with the same reference, token by token. If two of them give
different tokens, both tokens are therefore nearly tied.
"""

from collections.abc import Iterator

import pytest

from models.bitnet.tests import shipped
from models.bitnet.tests.choices import assert_chosen, assert_parts_at_a_tie
from models.bitnet.tests.common import assert_close
from models.bitnet.tests.model import test_simulated_logits
from models.bitnet.tt.bitnet import BitNet
from models.bitnet.tt.generation.sampling import GREEDY, SamplingParams

LENGTH = 40  # tokens of the prompt: more than one tile
GREEDY_STEPS, FEWER_STEPS = 16, 8
SEEDED = SamplingParams(temperature=1.0, top_k=20, top_p=0.95, seed=7)


def prompt(length: int) -> list[int]:
    return sum(shipped.prompts(), [])[:length]


def generate(model: BitNet, prompts: list[list[int]], count: int, sampling=GREEDY) -> list[list[int]]:
    completions = model.generate(prompts, count, sampling)
    assert [completion.finish_reason for completion in completions] == ["length"] * len(prompts)
    return [completion.tokens for completion in completions]


# the emulated device need not run these: test_simulated_logits.py compares its logits with recorded ones bit for bit
STOCK = [pytest.param(precision, marks=pytest.mark.slow) for precision in ("accuracy", "performance")]


@pytest.fixture(scope="module", params=[*STOCK, "fused"])
def model(request, open_device) -> Iterator[BitNet]:
    with shipped.load(open_device, precision=request.param, max_seq_len=64, enable_trace=False) as loaded:
        yield loaded


def test_greedy(model, reference):
    (tokens,) = generate(model, [prompt(LENGTH)], GREEDY_STEPS)
    print(tokens)
    assert_chosen(reference, prompt(LENGTH), tokens)


def test_seeded_draws(model, reference):
    (tokens,) = generate(model, [prompt(LENGTH)], FEWER_STEPS, SEEDED)
    print(tokens)
    assert_chosen(reference, prompt(LENGTH), tokens, SEEDED)
    assert generate(model, [prompt(LENGTH)], FEWER_STEPS, SEEDED) == [tokens]


@pytest.mark.board
def test_fused_is_near_the_simulated_logits(open_device):
    """Golden functions sum in another order than the kernels, so codes at a rounding boundary may flip."""
    calculated = test_simulated_logits.logits_of(open_device, "fused")
    assert_close(test_simulated_logits.recorded("fused"), calculated, pcc=0.9999, relative=0.01)


@pytest.mark.slow
def test_a_batch_of_three(open_device, reference):
    """Three prompts of different lengths in one batch. One request has draws."""
    prompts, sampling = [prompt(length) for length in (5, LENGTH, 33)], [GREEDY, SEEDED, GREEDY]
    with shipped.load(open_device, max_batch=3, max_seq_len=64, enable_trace=False) as model:
        texts = generate(model, prompts, FEWER_STEPS, sampling)
    for start, tokens, params in zip(prompts, texts, sampling):
        print(tokens)
        assert_chosen(reference, start, tokens, params)


@pytest.mark.slow
def test_fused_chooses_what_accuracy_chooses(open_device, reference):
    """`fused` gives the same greedy tokens as `accuracy` on one device, until two tokens are nearly tied."""
    prompts, texts = [prompt(length) for length in (5, LENGTH, 33)], []
    for precision in ("accuracy", "fused"):
        with shipped.load(open_device, precision=precision, max_batch=3, max_seq_len=64, enable_trace=False) as model:
            texts.append(generate(model, prompts, FEWER_STEPS))
    for start, *tokens in zip(prompts, *texts):
        assert_parts_at_a_tie(reference, start, *tokens)
