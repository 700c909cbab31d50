# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""The whole shipped model on the device against the reference and against transformers."""

import pytest
import torch
import transformers
from transformers.integrations.bitnet import replace_with_bitnet_linear
from transformers.utils.quantization_config import BitNetQuantConfig

from models.bitnet.tests import shipped
from models.bitnet.tests.common import assert_close
from models.bitnet.tt.generator import IDLE
from models.bitnet.tt.sampling import GREEDY

PROMPTS, STEPS = 10, 64
NEAR_TIE = 0.1  # between the two largest logits, which spread over tens
# logits against the reference: smallest PCC, largest relative error
THRESHOLDS = {"accuracy": (0.9998, 0.02), "performance": (0.9995, 0.03)}
LENGTHS = (1, 31, 32, 33, 65, 160)  # of prompts, around the edges of tiles


@pytest.fixture(scope="module", params=["accuracy", "performance"])
def model(request, open_device):
    with shipped.load(open_device, precision=request.param, max_batch=PROMPTS, max_seq_len=256) as loaded:
        yield loaded


@pytest.fixture(scope="module")
def expected(reference) -> list[tuple[list[int], torch.Tensor]]:
    """What the reference makes of each prompt: its greedy tokens, and the logits they come from."""
    with torch.no_grad():
        return [shipped.greedy(reference, prompt, STEPS) for prompt in shipped.prompts(PROMPTS)]


@pytest.fixture(scope="module")
def hf() -> transformers.BitNetForCausalLM:
    """transformers' own model with its own ternary layers, in float32. (Its loader of packed ones needs accelerate.)"""
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
    """The last token's, for prompts of many lengths; no length may be worse than the rest."""
    text = sum(shipped.prompts(), [])
    logits, _ = reference.prefill(torch.tensor([text[: max(LENGTHS)]]))
    rows = []
    for length in LENGTHS:
        rows.append(shipped.prefill(model, {0: text[:length]})[0][0])
        model.pool.release(0)
        assert_logits(model, logits[0, length - 1], rows[-1])
    assert_logits(model, logits[0, [length - 1 for length in LENGTHS]], torch.stack(rows))


def test_decode_logits(model, expected):
    """Prompts of different lengths, each fed the reference's tokens."""
    prompts = shipped.prompts(PROMPTS)
    first = shipped.prefill(model, dict(enumerate(prompts)))
    calculated = [[first[row][0]] for row in range(PROMPTS)]
    fed = torch.tensor([tokens for tokens, _ in expected])
    lengths = torch.tensor([len(prompt) for prompt in prompts])
    for row in range(PROMPTS):
        model.pool.reserve(row, len(prompts[row]) + STEPS)
    for step in range(STEPS - 1):
        logits = model.generator.decode_forward(fed[:, step], lengths + step, model.pool.page_table())
        for row in range(PROMPTS):
            calculated[row].append(logits[row, 0])
    for row in range(PROMPTS):
        model.pool.release(row)
        assert_logits(model, expected[row][1], torch.stack(calculated[row]))


def test_logits_against_transformers(open_device, hf, expected):
    """Prefill of half of what the reference wrote, then decode of the rest."""
    prompts = shipped.prompts(4)
    with shipped.load(open_device, max_batch=4, max_seq_len=256) as model, torch.compiler.set_stance("force_eager"):
        texts = [prompt + tokens for prompt, (tokens, _) in zip(prompts, expected)]
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


def test_greedy_tokens(open_device, expected):
    """At least nine of ten prompts give the reference's 64 tokens; another may leave them where it was near a tie."""
    prompts = shipped.prompts(PROMPTS)
    with shipped.load(open_device, max_batch=PROMPTS, max_seq_len=256) as model:
        first = shipped.prefill(model, dict(enumerate(prompts)), sampling_params=[GREEDY], draws=model._idle_draws[:1])
        steps = [torch.stack([first[row] for row in range(PROMPTS)])]
        lengths = torch.tensor([len(prompt) for prompt in prompts])
        for row in range(PROMPTS):
            model.pool.reserve(row, len(prompts[row]) + STEPS)
        for step in range(STEPS - 1):
            steps.append(
                model.generator.decode_forward(
                    steps[-1], lengths + step, model.pool.page_table(), sampling_params=[GREEDY] * PROMPTS
                )
            )
    different = 0
    for row, calculated in enumerate(torch.stack(steps, dim=1).tolist()):
        tokens, logits = expected[row]
        if calculated != tokens:
            different += 1
            place = next(i for i in range(STEPS) if calculated[i] != tokens[i])
            best, second = logits[place].topk(2).values.tolist()
            print(f"prompt {row} differs from token {place} on, where the reference's margin is {best - second:.4f}")
            assert best - second < NEAR_TIE
            assert logits[place, calculated[place]] == second, "not the runner-up"
    assert different <= PROMPTS // 10


def test_idle_rows_do_not_matter(model, expected):
    """One prompt in the last row of an otherwise idle batch."""
    prompt, (tokens, logits) = shipped.prompts(1)[0], expected[0]
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
