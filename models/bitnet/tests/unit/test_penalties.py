# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""Penalties on the device against their definition in torch."""

import math
from collections import Counter

import pytest
import torch

import ttnn
from models.bitnet.tests.common import BATCHES, SMALL
from models.bitnet.tests.penalties import penalised
from models.bitnet.tt.generation.likeliest import Likeliest
from models.bitnet.tt.generation.penalties import Penaliser, PenaltyInputs, Text
from models.bitnet.tt.generation.sampling import GREEDY, SamplingParams
from models.bitnet.tt.kernels.head.best_tokens import NO_TOKEN
from models.bitnet.tt.layout import Chip
from models.bitnet.tt.model_config import ModelConfig

VOCABULARY = SMALL.vocab_size
KINDS = (
    SamplingParams(repetition_penalty=1.3),
    GREEDY,
    SamplingParams(repetition_penalty=0.7, presence_penalty=-0.5, frequency_penalty=0.25),
    SamplingParams(presence_penalty=1.5),
    SamplingParams(temperature=1.0, frequency_penalty=-0.3),
)
dtypes = pytest.mark.parametrize("dtype", [ttnn.float32, ttnn.bfloat16], ids=["float32", "bfloat16"])


def texts(rows: int) -> list[Text]:
    """Random texts with tokens of the prompt that were written again, and tokens that were written often."""
    prompts = [torch.randint(VOCABULARY, (9,)).tolist() for _ in range(rows)]
    prompts = [[*prompt, prompt[8], prompt[8]] for prompt in prompts]
    return [Text(p, [*p[:4], *torch.randint(VOCABULARY, (6,)).tolist() * 3, p[0], p[0]]) for p in prompts]


class Device:
    """The penalties of a batch on the device."""

    def __init__(self, device: ttnn.MeshDevice, params: list[SamplingParams]):
        config = ModelConfig(SMALL, device, "accuracy", users=len(params), max_seq_len=64)
        self.device, self.penaliser, self.inputs = device, Penaliser(config), PenaltyInputs(config, len(params))
        self.inputs.set_params(params)

    def penalise(self, logits: torch.Tensor, dtype: ttnn.DataType = ttnn.float32) -> ttnn.Tensor:
        given = ttnn.from_torch(logits[None, None], dtype=dtype, layout=ttnn.TILE_LAYOUT, device=self.device)
        return self.penaliser.penalise(given, self.inputs)

    def count(self, tokens: list[int]) -> None:
        rows = torch.tensor(tokens, dtype=torch.int32)[None, None]
        self.penaliser.count(ttnn.from_torch(rows, dtype=ttnn.uint32, device=self.device), self.inputs)


def on_host(tensor: ttnn.Tensor) -> torch.Tensor:
    return ttnn.to_torch(tensor)[0, 0]


def params_of(rows: int) -> list[SamplingParams]:
    return [KINDS[row % len(KINDS)] for row in range(rows)]


@dtypes
@pytest.mark.parametrize("rows", BATCHES)
def test_penalised_logits(device, reset_seeds, rows, dtype):
    """Seen tokens have the penalised logit, to the rounding of float32. All others keep their bits."""
    params, before = params_of(rows), texts(rows)
    logits = (torch.randn(rows, VOCABULARY) * 4).bfloat16().float()
    for row, text in zip(logits, before):
        row[text.prompt[1]], row[text.written[-3]] = 0.0, -0.0
    batch = Device(device, params)
    batch.inputs.set_texts(before)
    result = on_host(batch.penalise(logits, dtype))
    assert result.dtype == torch.float32
    for row, (text, kind) in enumerate(zip(before, params)):
        expected = penalised(logits[row], *text, kind)
        torch.testing.assert_close(result[row].double(), expected, rtol=1e-6, atol=1e-6)
        seen = torch.zeros(VOCABULARY, dtype=torch.bool)
        if kind.penalised:
            seen[[*text.prompt, *text.written]] = True
            assert not torch.equal(result[row], logits[row])
        assert torch.equal(result[row][~seen], logits[row][~seen])


@pytest.mark.parametrize("rows", BATCHES)
def test_steps_count_their_tokens(device, reset_seeds, rows):
    """After some steps the device has counted the texts as if they had been uploaded. A row may choose no token."""
    before, batch = texts(rows), Device(device, params_of(rows))
    batch.inputs.set_texts(before)
    for step in range(5):
        tokens = [int(token) for token in torch.randint(VOCABULARY, (rows,))]
        tokens[step % rows] = before[step % rows].prompt[step]
        tokens[-1] = (0, VOCABULARY - 1, 0, VOCABULARY - 1, NO_TOKEN)[step]
        batch.count(tokens)
        for text, token in zip(before, tokens):
            text.written.append(token)
    counts = on_host(batch.inputs.counts)
    for row, text in enumerate(before):
        written = Counter(text.written)
        assert counts[row].floor().tolist() == [written[token] for token in range(VOCABULARY)]
        seen = {*text.prompt, *text.written} - {NO_TOKEN}
        assert set((counts[row] > 0).nonzero().flatten().tolist()) == seen


def test_counts_past_256_are_exact(device):
    batch = Device(device, [KINDS[3]])
    batch.inputs.set_texts([Text([7], [7] * 5000 + [8] * 4097)])
    batch.count([7])
    assert on_host(batch.inputs.counts)[0, [7, 8, 9]].tolist() == [5001.5, 4097.0, 0.0]


def test_a_row_that_gets_another_text_starts_anew(device, reset_seeds):
    params, (first, second) = [KINDS[2]] * 2, texts(2)
    batch, logits = Device(device, params), torch.randn(2, VOCABULARY)
    batch.inputs.set_texts([first, first])
    batch.count([5, 6])
    batch.inputs.set_texts([None, second])
    result = on_host(batch.penalise(logits))
    assert torch.equal(result[0], logits[0])
    torch.testing.assert_close(result[1].double(), penalised(logits[1], *second, params[1]), rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("place", ["prompt", "written", "unseen"])
def test_logits_that_are_not_finite_stay(device, reset_seeds, value, place):
    """A row with NaN or infinity still has no best token. A banned token, -inf, stays banned."""
    text, logits = Text([3, 4], [9, 9]), torch.randn(2, VOCABULARY)
    token = {"prompt": 3, "written": 9, "unseen": 40}[place]
    logits[0, token] = value
    params = SamplingParams(repetition_penalty=2.0, presence_penalty=1.0, frequency_penalty=1.0)
    batch = Device(device, [params] * 2)
    batch.inputs.set_texts([text, text])
    result = batch.penalise(logits)
    expected = torch.stack([penalised(row, *text, params) for row in logits])
    torch.testing.assert_close(on_host(result).double(), expected, rtol=1e-6, atol=1e-6, equal_nan=True)
    best = expected.argmax(-1).tolist()
    if value != -math.inf:
        best[0] = NO_TOKEN
    tokens = ttnn.from_torch(torch.zeros(1, 1, 2, dtype=torch.int32), dtype=ttnn.uint32, device=device)
    Likeliest(Chip.of(device).grid).best(result, tokens)
    assert ttnn.to_torch(tokens).flatten().tolist() == best


@pytest.mark.parametrize(
    "penalties",
    [
        {"repetition_penalty": 1e30},
        {"repetition_penalty": 1e-30},
        {"presence_penalty": 1e30, "frequency_penalty": 1e30},
        {"presence_penalty": -1e30, "frequency_penalty": -1e30},
    ],
    ids=str,
)
def test_extreme_penalties_leave_sound_rows(device, reset_seeds, penalties):
    """The strongest penalties leave finite logits, of which the largest is chosen, also for large logits."""
    params, text = SamplingParams(**penalties), Text([3, 4], [9, 9, 10])
    logits = torch.randn(1, VOCABULARY)
    logits[0, 4], logits[0, 9] = 3e10, -3e10
    batch = Device(device, [params])
    batch.inputs.set_texts([text])
    result = batch.penalise(logits)
    expected = penalised(logits[0], *text, params)
    torch.testing.assert_close(on_host(result)[0].double(), expected, rtol=1e-6, atol=1e-6)
    tokens = ttnn.from_torch(torch.zeros(1, 1, 1, dtype=torch.int32), dtype=ttnn.uint32, device=device)
    Likeliest(Chip.of(device).grid).best(result, tokens)
    assert ttnn.to_torch(tokens).item() == int(on_host(batch.penalise(logits))[0].argmax())


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"repetition_penalty": 0.0}, "repetition_penalty is 0.0, must be between"),
        ({"repetition_penalty": -1.0}, "repetition_penalty is -1.0"),
        ({"repetition_penalty": math.nan}, "repetition_penalty is nan"),
        ({"repetition_penalty": 1e31}, "repetition_penalty is 1e\\+31"),
        ({"presence_penalty": math.inf}, "presence_penalty is inf, must be between"),
        ({"frequency_penalty": -1e31}, "frequency_penalty is -1e\\+31, must be between"),
    ],
)
def test_limits(values, message):
    with pytest.raises(ValueError, match=message):
        SamplingParams(**values)
    with pytest.raises(TypeError, match="must be a number"):
        SamplingParams(**{name: "1" for name in values})
