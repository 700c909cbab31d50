# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""Decode steps with a head in two passes choose what they would choose from all logits of a bfloat16 head."""

from dataclasses import replace

import pytest
import torch

import ttnn
from models.bitnet.tests import shipped
from models.bitnet.tt.bitnet import BitNet
from models.bitnet.tt.generation.decode_steps import StepEnd
from models.bitnet.tt.generation.penalties import Text
from models.bitnet.tt.generation.sampling import GREEDY, Draws, SamplingParams
from models.bitnet.tt.model_config import ModelConfig
from models.bitnet.tt.precision import FUSED

USERS, CONTEXT = 4, 96
WHOLE = replace(FUSED.with_matmul("lm_head", weight=ttnn.bfloat16), head="whole")
TWO_PASS = replace(WHOLE, head="two-pass")
POSITIONS = torch.tensor([40, 5, 33, 64])
TOKENS = torch.tensor([11, 200, 300, 45])
NEAR = 0.02  # the whole head multiplies 11 significant bits of its rows, the second pass 24


def start(model: BitNet) -> torch.Tensor:
    """Prefill prompts of different lengths. Returns the page table."""
    words = sum(shipped.prompts(), [])
    shipped.prefill(model, {user: words[:length] for user, length in enumerate(POSITIONS.tolist())})
    return model.pool.page_table()


@pytest.fixture(scope="module")
def both(open_device):
    """A model with a head in two passes, and one without. Both are there before a trace is captured."""
    options = {"max_batch": USERS, "max_seq_len": CONTEXT}
    with (
        shipped.load_short(open_device, TWO_PASS, **options) as two_pass,
        shipped.load_short(open_device, WHOLE, **options) as whole,
    ):
        yield (two_pass, start(two_pass)), (whole, start(whole))


@pytest.fixture
def two_pass(both):
    return both[0]


@pytest.fixture
def whole(both):
    return both[1]


def step(loaded: tuple[BitNet, torch.Tensor], params: SamplingParams | None = None, **options) -> torch.Tensor:
    """The result of one step, always the same one. Its tokens and positions are given, and its cache rows too."""
    model, table = loaded
    sampling = None if params is None else [params] * USERS
    return model.generator.decode_forward(TOKENS, POSITIONS, table, sampling_params=sampling, **options)


@pytest.mark.parametrize("enable_trace", [False, True], ids=["launched", "traced"])
def test_greedy_takes_the_largest_logit(two_pass, enable_trace):
    logits = step(two_pass)[:, 0]
    tokens = step(two_pass, GREEDY, enable_trace=enable_trace).long()
    assert (logits.gather(1, tokens[:, None])[:, 0] >= logits.max(1).values - NEAR).all()


@pytest.mark.parametrize("enable_trace", [False, True], ids=["launched", "traced"])
@pytest.mark.parametrize("params", [SamplingParams(1.0), SamplingParams(2.5), SamplingParams(1.5, top_k=5, top_p=0.9)])
def test_draws_are_those_from_the_whole_head(two_pass, whole, params, enable_trace):
    draws = [Draws.from_seed(user) for user in range(USERS)]
    expected = step(whole, params, draws=draws)
    assert len(set(expected.tolist())) > 1
    assert torch.equal(step(two_pass, params, draws=draws, enable_trace=enable_trace), expected)


def test_logits_and_penalties_take_the_whole_head(two_pass, whole):
    """Their results are those of a model without a head in two passes, bit for bit."""
    assert torch.equal(step(two_pass), step(whole))
    texts = [Text([11, 200], [300, 45])] * USERS
    for params in (SamplingParams(repetition_penalty=1.7), SamplingParams(1.0, presence_penalty=2.0)):
        draws = [Draws.from_seed(user) for user in range(USERS)]
        chosen = [step(loaded, params, draws=draws, texts=texts) for loaded in (two_pass, whole)]
        assert torch.equal(*chosen)


@pytest.mark.parametrize("params", [GREEDY, SamplingParams(1.5)], ids=["greedy", "drawn"])
def test_rows_beside_penalties_take_the_head_in_two_passes(two_pass, params):
    """The rows with penalties have the tokens of a step in which all have them, the others of one in which none has."""
    model, table = two_pass
    penalised = replace(params, repetition_penalty=1.7)
    draws = [Draws.from_seed(user) for user in range(USERS)]
    options = {"draws": draws, "texts": [Text([11, 200], [300, 45])] * USERS}
    mixed = model.generator.decode_forward(
        TOKENS, POSITIONS, table, sampling_params=[penalised, params, params, penalised], **options
    )
    none, every = (step(two_pass, each, **options) for each in (params, penalised))
    assert torch.equal(mixed, torch.where(torch.tensor([True, False, False, True]), every, none))


@pytest.mark.parametrize("end", [StepEnd.GREEDY, StepEnd.DRAWN])
def test_a_step_has_one_program_more(two_pass, whole, end):
    assert two_pass[0].generator.count_programs(end) == whole[0].generator.count_programs(end) + 1


def test_texts_are_the_same_alone_and_together(open_device):
    """Requests join and leave, greedy and drawn ones in one batch. Steps are traced."""
    prompts = shipped.prompts(5)
    sampling = [GREEDY, SamplingParams(0.8, seed=3), GREEDY, SamplingParams(1.2, top_p=0.9, seed=5), GREEDY]
    with shipped.load_short(open_device, TWO_PASS, max_batch=3, max_seq_len=CONTEXT) as model:
        together = [done.tokens for done in model.generate(prompts, max_new_tokens=6, sampling=sampling)]
        alone = [
            model.generate([prompt], max_new_tokens=6, sampling=params)[0].tokens
            for prompt, params in zip(prompts, sampling)
        ]
    assert together == alone and all(together)


def test_a_head_that_is_not_the_embedding(open_device):
    """The second pass reads the rows of lm_head, and not those of the embedding."""
    model = replace(shipped.config(), num_hidden_layers=2, tie_word_embeddings=False)
    state = shipped.state() | {"lm_head.weight": shipped.state()["model.embed_tokens.weight"].roll(7, dims=0)}
    config = ModelConfig(model, open_device, TWO_PASS, USERS, CONTEXT)
    with BitNet(config, state, shipped.tokenizer()) as loaded:
        started = loaded, start(loaded)
        logits, tokens = step(started)[:, 0], step(started, GREEDY).long()
    assert (logits.gather(1, tokens[:, None])[:, 0] >= logits.max(1).values - NEAR).all()
