# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""The shipped model's first layers, tensor parallel over several chips, give the same tokens as on one chip."""

import functools

import pytest
import torch

import ttnn
from models.bitnet.tests import shipped
from models.bitnet.tests.common import assert_close
from models.bitnet.tests.mesh.rows import TRACES, row_of
from models.bitnet.tt.generation.decode_inputs import IDLE
from models.bitnet.tt.generation.sampling import CANDIDATES, GREEDY, SamplingParams
from models.bitnet.tt.kv_cache import PagedAttentionConfig

DRAWN = SamplingParams(temperature=0.8, top_p=0.9, seed=7)
USERS, CONTEXT, STEPS = 3, 96, 6
PROMPTS = [(prompt * 3)[:28] for prompt in shipped.prompts(USERS)]
# each request needs two blocks, so that the youngest is preempted and continues later
POOL = PagedAttentionConfig(block_size=32, max_num_blocks=3)


def write(chips, precision, *choices):
    """Returns (tokens of the prompts for each of `choices`, logits [2, vocabulary] of a prefill and of a step)."""
    options = {"paging": POOL, "enable_trace": TRACES}
    with row_of(chips) as device, shipped.load_short(device, precision, USERS, CONTEXT, **options) as model:
        texts = [
            [completion.tokens for completion in model.generate(PROMPTS[: len(sampling)], STEPS, sampling)]
            for sampling in choices
        ]
        assert (model.engine.metrics.preemptions > 0) == any(len(sampling) > 1 for sampling in choices)
        prefilled = shipped.prefill(model, {0: PROMPTS[0]})[0][0]
        positions = torch.tensor([len(PROMPTS[0]), IDLE, IDLE])
        step = torch.zeros(USERS), positions, model.pool.page_table()
        stepped = model.generator.decode_forward(*step, enable_trace=TRACES)[0, 0]
        return texts, torch.stack([prefilled, stepped])


@functools.cache
def on_one_chip(*what):
    return write(1, *what)


@pytest.mark.parametrize("chips", [2, 4])
def test_accuracy_writes_one_chips_tokens(chips):
    """Greedy and drawn tokens, also after a preemption, are those of one chip. The logits are equal bit for bit."""
    what = "accuracy", (GREEDY,), (GREEDY, DRAWN, DRAWN)
    texts, logits = write(chips, *what)
    assert texts == on_one_chip(*what)[0]
    assert torch.equal(logits, on_one_chip(*what)[1])


@pytest.mark.parametrize("chips", [2, pytest.param(4, marks=pytest.mark.slow)])
def test_performance_writes_one_chips_greedy_tokens(chips):
    what = "performance", (GREEDY,)
    texts, logits = write(chips, *what)
    assert texts == on_one_chip(*what)[0]
    assert_close(on_one_chip(*what)[1], logits, 0.9999, 0.0141)


def test_a_folder_and_prompts_that_begin_alike():
    """The whole model, loaded from its folder, streams the same text on one and on two chips.

    Two prompts begin alike and use the same cache block on every chip.
    """
    beginning = (PROMPTS[0] * 2)[:40]
    prompts = [beginning + PROMPTS[1][:4], beginning + PROMPTS[2][:6]]
    texts = {}
    for chips, precision in ((1, "accuracy"), (2, None)):  # accuracy is the default of several chips
        options = {"precision": precision, "max_batch": 2, "max_seq_len": 64, "paging": POOL, "enable_trace": TRACES}
        with row_of(chips) as device, shipped.load(device, **options) as model:
            assert model.config.precision.name == "accuracy"
            streamed = ["", ""]

            def show(number, text, streamed=streamed):
                streamed[number] += text

            completions = model.generate(prompts, 4, stream=show)
            assert [completion.shared_tokens for completion in completions] == [0, 32]
            assert streamed == [completion.text for completion in completions]
            texts[chips] = [completion.tokens for completion in completions]
    assert texts[2] == texts[1]


def test_four_gathers_a_layer_and_two_for_the_token(monkeypatch):
    gathered, gather = [], ttnn.experimental.all_gather_async

    def counted(x, **options):
        gathered.append(x.shape[3])
        return gather(x, **options)

    with row_of(2) as device, shipped.load_short(device, "accuracy", max_seq_len=64, enable_trace=False) as model:
        monkeypatch.setattr(ttnn.experimental, "all_gather_async", counted)
        model.generator.decode_forward(torch.zeros(1), torch.zeros(1), sampling_params=[GREEDY], enable_trace=False)
        hidden, inner = model.config.model.hidden_size // 2, model.config.model.intermediate_size // 2
        assert gathered == 2 * [hidden, hidden, inner, hidden] + 2 * [CANDIDATES]
