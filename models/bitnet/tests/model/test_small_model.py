# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""The whole shipped model on the device against the reference and against transformers."""

import functools
from collections.abc import Callable

import pytest
import torch
import transformers
from transformers.integrations.bitnet import replace_with_bitnet_linear
from transformers.utils.quantization_config import BitNetQuantConfig

from models.bitnet.tests import shipped
from models.bitnet.tests.choices import assert_chosen
from models.bitnet.tests.common import assert_close
from models.bitnet.tt.generator import IDLE

PROMPTS, STEPS = 10, 64
SURE = 0.05  # the least difference of the two likeliest logits, each of which is off by about 0.04 on the device
# logits against the reference: smallest PCC, largest relative error
THRESHOLDS = {"accuracy": (0.9998, 0.02), "performance": (0.9995, 0.03), "fused": (0.9998, 0.02)}
LENGTHS = (1, 31, 32, 33, 65, 160)  # lengths of prompts, around the edges of tiles


# performance is slow, and test_simulated_logits.py compares every bit of its logits with those of the real kernels
@pytest.fixture(scope="module", params=["accuracy", pytest.param("performance", marks=pytest.mark.slow), "fused"])
def model(request, open_device):
    with shipped.load(open_device, precision=request.param, max_batch=PROMPTS, max_seq_len=256) as loaded:
        yield loaded


@pytest.fixture(scope="module")
def expected(reference) -> Callable[[int], list[tuple[list[int], torch.Tensor]]]:
    """A function that gives the reference's greedy tokens for the first prompts, and the logits of these tokens."""

    @functools.cache
    def of(number: int) -> tuple[list[int], torch.Tensor]:
        return shipped.greedy(reference, shipped.prompts()[number], STEPS)

    return lambda count: [of(number) for number in range(count)]


@pytest.fixture(scope="module")
def hf() -> transformers.BitNetForCausalLM:
    """The shipped model in transformers, with transformers' ternary layers, in float32.

    The weights are set here, because transformers' loader of packed weights needs `accelerate`.
    """
    settings = {key: value for key, value in shipped.config().to_hf().items() if key != "quantization_config"}
    model = transformers.BitNetForCausalLM(transformers.BitNetConfig(**settings)).eval()
    quantization = BitNetQuantConfig(linear_class="autobitlinear", quantization_mode="offline")
    replace_with_bitnet_linear(model, ["lm_head"], quantization)
    floats = {
        name: t.float().reshape(1) if name.endswith("_scale") else t.float() for name, t in shipped.state().items()
    }
    model.load_state_dict(floats, strict=False, assign=True)
    model.tie_weights()
    return model


def assert_logits(model, golden: torch.Tensor, calculated: torch.Tensor) -> None:
    assert_close(golden, calculated, *THRESHOLDS[model.config.precision.name])


def test_prefill_logits(model, reference):
    """The logits of the last token are right for prompts of many lengths, each length on its own."""
    text = sum(shipped.prompts(), [])
    logits, _ = reference.prefill(torch.tensor([text[: max(LENGTHS)]]))
    rows = []
    for length in LENGTHS:
        rows.append(shipped.prefill(model, {0: text[:length]})[0][0])
        model.pool.release(0)
        assert_logits(model, logits[0, length - 1], rows[-1])
    assert_logits(model, logits[0, [length - 1 for length in LENGTHS]], torch.stack(rows))


def test_decode_logits(model, reference):
    """Decode after prompts of different lengths. Each step gets the next token of a given text."""
    prompts, text = shipped.prompts(PROMPTS), sum(shipped.prompts(), [])
    given = [text[7 * row :][:STEPS] for row in range(PROMPTS)]
    first = shipped.prefill(model, dict(enumerate(prompts)))
    calculated = [[first[row][0]] for row in range(PROMPTS)]
    fed = torch.tensor(given)
    lengths = torch.tensor([len(prompt) for prompt in prompts])
    for row in range(PROMPTS):
        model.pool.reserve(row, len(prompts[row]) + STEPS)
    for step in range(STEPS - 1):
        logits = model.generator.decode_forward(fed[:, step], lengths + step, model.pool.page_table())
        for row in range(PROMPTS):
            calculated[row].append(logits[row, 0])
    for row in range(PROMPTS):
        model.pool.release(row)
        golden, _ = reference.prefill(torch.tensor([prompts[row] + given[row][:-1]]))
        assert_logits(model, golden[0, len(prompts[row]) - 1 :], torch.stack(calculated[row]))


def test_logits_against_transformers(open_device, hf, expected):
    """Prefill of half of the reference's text and decode of the rest agree with transformers."""
    prompts = shipped.prompts(4)
    with (
        shipped.load(open_device, precision="accuracy", max_batch=4, max_seq_len=256) as model,
        torch.compiler.set_stance("force_eager"),
    ):
        texts = [prompt + tokens for prompt, (tokens, _) in zip(prompts, expected(4))]
        half = STEPS // 2
        cut = [len(text) - half for text in texts]
        first = shipped.prefill(model, {row: text[:c] for row, (text, c) in enumerate(zip(texts, cut))})
        rows = [[first[row][0]] for row in range(4)]
        for row in range(4):
            model.pool.reserve(row, len(texts[row]))
        for step in range(half):
            tokens = torch.tensor([text[c + step] for text, c in zip(texts, cut)])
            logits = model.generator.decode_forward(tokens, torch.tensor(cut) + step, model.pool.page_table())
            for row in range(4):
                rows[row].append(logits[row, 0])
        for text, c, calculated in zip(texts, cut, rows):
            golden = hf(torch.tensor([text])).logits[0, c - 1 :]
            assert_logits(model, golden, torch.stack(calculated))


def test_greedy_tokens(open_device, reference):
    """Every token for the demo's prompts is the reference's choice, or nearly tied with it.

    All tokens of a text are the reference's if the reference is sure at each of them. Other texts may differ. Relative
    noise of 1e-6 on the reference's attention flips int8 codes, changes the logits by half a percent, and changes 10 of
    these 32 texts.
    """
    prompts = shipped.prompts()
    with shipped.load(open_device, precision="accuracy", max_batch=len(prompts), max_seq_len=128) as model:
        # end tokens are compared too and do not end a text
        model.engine.answers.ends = ()
        texts = [completion.tokens for completion in model.generate(prompts, STEPS)]
    identical, margins = [], []
    for prompt, text in zip(prompts, texts):
        best = assert_chosen(reference, prompt, text).topk(2)
        margins.append((best.values[:, 0] - best.values[:, 1]).min().item())
        identical.append(text == best.indices[:, 0].tolist())
    sure = [row for row in range(len(prompts)) if margins[row] > SURE]
    print(f"{sum(identical)} of {len(prompts)} texts identical; the reference is sure of {len(sure)}")
    assert len(sure) >= 5 and all(identical[row] for row in sure)
    assert sum(identical) >= len(prompts) // 3


def test_idle_rows_do_not_matter(model, expected):
    """A prompt in the last row gives the expected tokens in an otherwise idle batch."""
    prompt, (tokens, logits) = shipped.prompts(1)[0], expected(1)[0]
    row = PROMPTS - 1
    shipped.prefill(model, {row: prompt})
    model.pool.reserve(row, len(prompt) + STEPS)
    fed, positions = torch.zeros(PROMPTS), torch.full((PROMPTS,), IDLE)
    calculated = []
    for step in range(8):
        fed[row], positions[row] = tokens[step], len(prompt) + step
        calculated.append(model.generator.decode_forward(fed, positions, model.pool.page_table())[row, 0])
    model.pool.release(row)
    assert_logits(model, logits[1:9], torch.stack(calculated))
