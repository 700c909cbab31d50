# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""Texts with penalties: the device counts and penalises, and gives the tokens of penalties on the host.

A text depends on its request alone, whatever else is in the batch. Steps with penalties move no more bytes.
"""

from collections.abc import Iterator
from dataclasses import replace

import pytest
import torch

import ttnn
from models.bitnet.tests import shipped
from models.bitnet.tests.penalties import penalised
from models.bitnet.tt.bitnet import BitNet
from models.bitnet.tt.generation.decode_steps import StepEnd
from models.bitnet.tt.generation.sampling import GREEDY, Draws, SamplerInputs, SamplingParams
from models.bitnet.tt.generator import IDLE
from models.bitnet.tt.kv_cache import PagedAttentionConfig
from models.bitnet.tt.precision import FUSED, Precision

CONTEXT, COUNT, BLOCKS = 160, 24, 12
SEEDED = SamplingParams(temperature=1.0, top_k=20, top_p=0.95, seed=7)
PARAMS = [
    SamplingParams(repetition_penalty=1.4),
    replace(SEEDED, frequency_penalty=0.7, presence_penalty=0.5),
    GREEDY,
    replace(SEEDED, seed=8),
    SamplingParams(frequency_penalty=50.0),
    replace(SEEDED, repetition_penalty=0.05, presence_penalty=2.0, seed=9),
]
PROMPTS = shipped.prompts(len(PARAMS))


# The whole head has the weights of the second pass. So the host's logits are those that decode steps choose from.
FUSED_IN_BFLOAT16 = FUSED.with_matmul("lm_head", weight=ttnn.bfloat16)


def load(
    device: ttnn.MeshDevice, precision: str | Precision = FUSED_IN_BFLOAT16, users: int = 4, blocks: int = BLOCKS
) -> BitNet:
    paging = PagedAttentionConfig(block_size=32, max_num_blocks=blocks)
    return shipped.load_short(device, precision, max_batch=users, max_seq_len=CONTEXT, paging=paging)


@pytest.fixture(scope="module")
def model(open_device) -> Iterator[BitNet]:
    with load(open_device) as loaded:
        yield loaded


@pytest.fixture(scope="module")
def on_host(model) -> list[list[int]]:
    """The texts of all requests, each alone, with penalties on the host."""
    return [by_hand(model, *request) for request in zip(PROMPTS, PARAMS)]


def by_hand(model: BitNet, prompt: list[int], params: SamplingParams) -> list[int]:
    """A text that is written with penalties on the host. The device computes the logits, and chooses from the logits
    that it is given back."""
    generator, written = model.generator, []
    logits, users = shipped.prefill(model, {0: prompt})[0][0], model.config.users
    while len(written) < COUNT:
        written.append(choose(model, penalised(logits, prompt, written, params), len(prompt) + len(written), params))
        position = len(prompt) + len(written) - 1
        model.pool.reserve(0, position + 1)
        tokens, positions = torch.zeros(users), torch.full((users,), IDLE)
        tokens[0], positions[0] = written[-1], position
        logits = generator.decode_forward(tokens, positions, model.pool.page_table())[0, 0]
    model.pool.release(0)
    return written


def choose(model: BitNet, logits: torch.Tensor, length: int, params: SamplingParams) -> int:
    """The token that the device chooses from logits of the host, after `length` tokens."""
    device, sampler = model.config.device, model.generator.sampler
    given = ttnn.from_torch(logits[None, None, None], dtype=ttnn.float32, layout=ttnn.TILE_LAYOUT, device=device)
    tokens = ttnn.from_torch(torch.zeros(1, 1, 1, dtype=torch.int32), dtype=ttnn.uint32, device=device)
    if params.greedy:
        sampler.greedy(given, tokens)
    else:
        inputs = SamplerInputs(device, 1)
        inputs.set_params([params])
        inputs.set_draws([Draws.from_seed(params.seed).at(length - 1)])
        sampler.sample(given, inputs, tokens)
    return ttnn.to_torch(tokens).item()


def tokens_of(model: BitNet, prompts=PROMPTS, params=PARAMS, count: int = COUNT) -> list[list[int]]:
    return [completion.tokens for completion in model.generate(prompts, count, params)]


@pytest.fixture
def untraced(model) -> Iterator[BitNet]:
    model.engine.enable_trace = False
    yield model
    model.engine.enable_trace = True


def test_the_penalties_change_the_texts(model, on_host):
    """The tests below would not tell a device without penalties from one with them otherwise."""
    plain = replace(PARAMS[5], repetition_penalty=1.0)
    assert by_hand(model, PROMPTS[5], plain)[0] != on_host[5][0] and on_host[5][0] in PROMPTS[5]
    assert len(set(on_host[4])) == COUNT
    assert len(set(on_host[2])) < COUNT


def test_traced_texts_are_those_of_penalties_on_the_host(model, on_host):
    """Six requests in four rows: some wait, and then take a row in which another text was counted."""
    assert tokens_of(model) == on_host


def test_texts_without_a_trace(untraced, on_host):
    assert tokens_of(untraced) == on_host


def test_no_penalties_beside_penalties(model, on_host):
    """Requests without penalties have the same texts in a batch without any."""
    plain = [2, 3]
    assert tokens_of(model, [PROMPTS[i] for i in plain], [PARAMS[i] for i in plain]) == [on_host[i] for i in plain]


@pytest.mark.parametrize("precision", ["performance", pytest.param("accuracy", marks=pytest.mark.slow)])
def test_other_precisions(open_device, precision):
    """`performance` has logits in bfloat16, which are penalised in float32."""
    with load(open_device, precision) as loaded:
        assert tokens_of(loaded) == [by_hand(loaded, *request) for request in zip(PROMPTS, PARAMS)]


def test_a_preempted_request_counts_its_text_again(open_device, on_host):
    """Both requests need two blocks of three. The younger one is preempted, and goes on with the same counts."""
    chosen = [0, 1]
    prompts = [(PROMPTS[i] * 32)[:20] for i in chosen]
    with load(open_device, users=2, blocks=BLOCKS) as roomy:
        expected = tokens_of(roomy, prompts, [PARAMS[i] for i in chosen])
        assert roomy.engine.metrics.preemptions == 0
    with load(open_device, users=2, blocks=3) as narrow:
        assert tokens_of(narrow, prompts, [PARAMS[i] for i in chosen]) == expected
        assert narrow.engine.metrics.preemptions == 1 and narrow.engine.metrics.replayed_tokens > 5


@pytest.mark.parametrize("params", [GREEDY, SEEDED], ids=["greedy", "seeded"])
@pytest.mark.parametrize("ahead", [True, False], ids=["ahead", "read at once"])
def test_a_steady_step_moves_the_bytes_of_a_step_without_penalties(model, monkeypatch, params, ahead):
    """A steady step with penalties uploads nothing and downloads four bytes a user. That is so too when each step is
    submitted after the tokens of the last one were read."""
    if not ahead:
        monkeypatch.setattr(model.engine, "_reserve_ahead", lambda step: False)

    def moved(penalty: float) -> list[tuple[int, int]]:
        choice = replace(params, presence_penalty=penalty)
        model.generate([[5, 6, 7], [8, 9]], 12, choice)
        return [(step.uploaded_bytes, step.downloaded_bytes) for step in model.steps][1:]

    with_penalties, without = moved(1.0), moved(0.0)
    assert with_penalties == without == [(0, 4 * model.config.users)] * 10


def test_a_batch_without_penalties_captures_what_it_did(open_device, monkeypatch):
    """The programs of penalties are in no other step. A step with penalties is captured when a request has some."""
    capture, captured = ttnn.begin_trace_capture, []
    monkeypatch.setattr(ttnn, "begin_trace_capture", lambda *a, **k: (captured.append(1), capture(*a, **k))[1])
    with load(open_device) as loaded:
        penalise = loaded.generator.penaliser.penalise
        calls = []
        monkeypatch.setattr(loaded.generator.penaliser, "penalise", lambda *a: (calls.append(1), penalise(*a))[1])
        tokens_of(loaded, PROMPTS[:2], [GREEDY, SEEDED])
        assert len(captured) == 1 and not calls
        tokens_of(loaded, PROMPTS[:2], [GREEDY, replace(SEEDED, presence_penalty=1.0)])
        assert len(captured) == 2 and calls
        counted = loaded.generator.count_programs
        assert counted(StepEnd.PENALISED_DRAWN) - counted(StepEnd.DRAWN) == 18
        assert counted(StepEnd.PENALISED_GREEDY) - counted(StepEnd.GREEDY) == 23


def test_a_capture_in_the_middle_of_a_text(model, on_host):
    """A step with penalties runs once before its capture. The counts and texts of running requests stay the same."""
    model.generator.close()
    joined = []

    def join(number: int, text: str) -> None:
        joined.append(number)
        if len(joined) in (5, 20):
            model.generator.close()

    completions = model.generate(PROMPTS, COUNT, PARAMS, stream=join)
    assert [completion.tokens for completion in completions] == on_host and len(joined) > 20


def test_logits_that_are_nan_end_their_request(model, monkeypatch):
    """The step of a row with NaN gives no token, whether or not the row has penalties. The others go on."""
    penaliser = model.generator.penaliser
    penalise, steps = penaliser.penalise, []
    spoiled = torch.zeros(1, 1, model.config.users, 1)
    spoiled[0, 0, 1] = float("nan")
    poison = ttnn.from_torch(spoiled, dtype=ttnn.float32, layout=ttnn.TILE_LAYOUT, device=model.config.device)

    def spoil(logits, inputs):
        rows = logits.shape[2]
        steps.append(rows)
        return penalise(ttnn.add(logits, poison) if rows == model.config.users else logits, inputs)

    monkeypatch.setattr(penaliser, "penalise", spoil)
    model.generator.close()
    params = [PARAMS[0], PARAMS[4], GREEDY]
    completions = model.generate(PROMPTS[:3], 8, params)
    model.generator.close()
    assert [completion.finish_reason for completion in completions] == ["length", "error", "length"]
    assert "NaN or infinite" in completions[1].error and len(completions[1].tokens) == 1
