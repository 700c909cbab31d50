# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""Sampling on the device: the distribution of draws, the states of the random generators, and the limits."""

import math
import os
from dataclasses import replace

import pytest
import torch

import ttnn
from models.bitnet.tests import shipped
from models.bitnet.tests.choices import sampling_probabilities, uniform
from models.bitnet.tt.generation.likeliest import Likeliest
from models.bitnet.tt.generation.sampling import CANDIDATES, GREEDY, Draws, Sampler, SamplerInputs, SamplingParams
from models.bitnet.tt.kernels.head.best_tokens import NO_TOKEN
from models.bitnet.tt.layout import Chip

VOCABULARY = 512
ROWS = 32
# steps of 32 users: 1536 draws, or 384 on a simulator, which takes seconds for a step
STEPS = 12 if os.environ.get("TT_METAL_SIMULATOR") else 48
SMALLEST_P = 1e-4  # a wrong distribution gives far less; the draws are seeded, so the result never changes
FEWEST = 5  # the least expected number of draws of a cell of the chi-square test


@pytest.fixture(scope="module")
def sampler(open_device) -> Sampler:
    return Sampler(open_device, Likeliest(Chip.of(open_device).grid))


def to_logits(values: torch.Tensor, device, dtype=ttnn.float32) -> ttnn.Tensor:
    return ttnn.from_torch(values[None, None], dtype=dtype, layout=ttnn.TILE_LAYOUT, device=device)


def to_tokens(device, rows: int = ROWS) -> ttnn.Tensor:
    return ttnn.from_torch(torch.zeros(1, 1, rows, dtype=torch.int32), dtype=ttnn.uint32, device=device)


def chi_square(observed: torch.Tensor, expected: torch.Tensor) -> float:
    """The p-value of a chi-square test: the probability of counts at least as far from the expected ones."""
    statistic = ((observed.double() - expected) ** 2 / expected).sum()
    freedom = torch.tensor(len(observed) - 1, dtype=torch.float64)
    return torch.special.gammaincc(freedom / 2, statistic / 2).item()


def draw(sampler: Sampler, device, values: torch.Tensor, params: list, draws: list[Draws], steps: int) -> torch.Tensor:
    """Draw tokens [steps, rows], one step after the other, from the same logits."""
    inputs, tokens = SamplerInputs(device, len(params)), to_tokens(device, len(params))
    inputs.set_params(params)
    inputs.set_draws(draws)
    drawn = []
    for _ in range(steps):
        sampler.sample(to_logits(values, device), inputs, tokens)
        drawn.append(ttnn.to_torch(tokens).flatten().long())
    for row, state in enumerate(ttnn.to_torch(inputs.tensors["state"])[0, 0].tolist()):
        for _ in range(steps):
            draws[row] = draws[row].next()
        assert tuple(state) == draws[row].state
    return torch.stack(drawn)


@pytest.mark.parametrize(
    "params",
    [
        SamplingParams(temperature=1.0),
        SamplingParams(temperature=0.5),
        SamplingParams(temperature=3.0),
        SamplingParams(temperature=1.0, top_k=5),
        SamplingParams(temperature=2.0, top_k=CANDIDATES),
        SamplingParams(temperature=1.0, top_p=0.6),
        SamplingParams(temperature=1.5, top_p=0.95),
        SamplingParams(temperature=1.2, top_k=12, top_p=0.75),
    ],
    ids=lambda p: f"t{p.temperature}-k{p.top_k}-p{p.top_p}",
)
def test_draws_have_torchs_distribution(sampler, open_device, params):
    """The draws pass a chi-square test, and no draw is a token that top-k or top-p excludes."""
    torch.manual_seed(1)
    logits = torch.randn(VOCABULARY) * 2
    draws = [Draws.from_seed(row) for row in range(ROWS)]
    drawn = draw(sampler, open_device, logits.repeat(ROWS, 1), [params] * ROWS, draws, STEPS).flatten()
    probabilities = sampling_probabilities(logits, params)
    # the kernel's sums have 11 bits: a token on the edge of top-p itself could be in or out
    more = sampling_probabilities(logits, replace(params, top_p=min(params.top_p + 2e-3, 1.0)))
    assert torch.equal(more > 0, probabilities > 0), "the test's own edge is too near"
    assert (probabilities[drawn] > 0).all(), "a token was drawn that top-k or top-p leaves out"
    counts, expected = torch.bincount(drawn, minlength=VOCABULARY).double(), probabilities * len(drawn)
    rare = expected < FEWEST  # these tokens are one cell
    cells = [(counts[i].item(), expected[i].item()) for i in range(VOCABULARY) if not rare[i]]
    if expected[rare].sum() >= FEWEST:
        cells.append((counts[rare].sum().item(), expected[rare].sum().item()))
    else:
        assert counts[rare].sum() < 4 * FEWEST
    observed, wanted = (torch.tensor(column, dtype=torch.float64) for column in zip(*cells))
    p = chi_square(observed, wanted * observed.sum() / wanted.sum())
    print(f"{len(cells)} cells, p = {p:.3f}")
    assert len(cells) > 1 and p > SMALLEST_P


def test_rows_and_steps_are_independent(sampler, open_device):
    """Two equally likely tokens make all pairs of neighbouring rows and of consecutive steps equally frequent."""
    logits = torch.full((VOCABULARY,), -50.0)
    logits[[3, 400]] = 2.0
    draws = [Draws.from_seed(row) for row in range(ROWS)]
    drawn = draw(sampler, open_device, logits.repeat(ROWS, 1), [SamplingParams(1.0)] * ROWS, draws, STEPS)
    assert set(drawn.flatten().tolist()) == {3, 400}
    bits = (drawn == 400).long()
    for pairs in (2 * bits[:, 1:] + bits[:, :-1], 2 * bits[1:] + bits[:-1]):
        counts = torch.bincount(pairs.flatten(), minlength=4)
        assert chi_square(counts, counts.sum().double().expand(4) / 4) > SMALLEST_P


def test_each_row_by_its_own_parameters(sampler, open_device):
    """Greedy rows are among rows with draws. Each row has another temperature, top-k and top-p."""
    torch.manual_seed(2)
    logits = torch.randn(ROWS, VOCABULARY) * 3
    kinds = [
        GREEDY,
        SamplingParams(1.0, top_k=1),
        SamplingParams(1.0, top_p=1e-6),
        SamplingParams(1e-4),
        SamplingParams(2.0, top_k=3),
    ]
    params = [kinds[row % len(kinds)] for row in range(ROWS)]
    drawn = draw(sampler, open_device, logits, params, [Draws.from_seed(r) for r in range(ROWS)], 12)
    likeliest = logits.topk(3).indices
    for row, choice in enumerate(params):
        seen = set(drawn[:, row].tolist())
        if choice.temperature == 2.0:
            assert 1 < len(seen) and seen <= set(likeliest[row].tolist())
        else:
            assert seen == {likeliest[row, 0].item()}


@pytest.mark.parametrize("dtype", [ttnn.float32, ttnn.bfloat16], ids=["float32", "bfloat16"])
def test_greedy_is_the_first_largest(sampler, open_device, dtype):
    """A greedy step and a row with one candidate choose the first largest logit, also of tied logits in bfloat16."""
    torch.manual_seed(3)
    values = (torch.randn(ROWS, VOCABULARY) * 4).bfloat16().float()
    values[::2] = values[::2].round()
    assert ((values == values.amax(1, keepdim=True)).sum(1) > 1).any(), "no ties"
    tokens = to_tokens(open_device)
    sampler.greedy(to_logits(values, open_device, dtype), tokens)
    greedy = ttnn.to_torch(tokens).flatten().long()
    assert torch.equal(greedy, torch.stack([(row == row.max()).nonzero()[0, 0] for row in values]))
    inputs = SamplerInputs(open_device, ROWS)
    inputs.set_params([GREEDY] * ROWS)
    inputs.set_draws([Draws() for _ in range(ROWS)])
    sampler.sample(to_logits(values, open_device, dtype), inputs, tokens)
    among_others = ttnn.to_torch(tokens).flatten().long()
    assert torch.equal(among_others, greedy)


def test_the_hosts_mirror_of_the_generators(sampler, open_device):
    """After many steps the state of every row is exactly the host's, from any seed. `draw` asserts it."""
    draws = [Draws.from_seed(seed) for seed in [0, 1, -1, 2**63, "text", *range(100, 127)]]
    before = [d.state for d in draws]
    draw(sampler, open_device, torch.randn(ROWS, 64), [SamplingParams(1.0)] * ROWS, draws, STEPS)
    assert len(set(before)) == ROWS and all(d.state != b for d, b in zip(draws, before))


def test_the_mirror_through_generation(open_device):
    """Prefill and decode advance the generator of a request once for each of its tokens, and never otherwise."""
    traced = not os.environ.get("TT_METAL_SLOW_DISPATCH_MODE")  # with which the library has no traces
    with shipped.load(open_device, max_batch=2, max_seq_len=96) as model:
        draws, params = [Draws.from_seed(4), Draws.from_seed(5)], [SamplingParams(1.0), GREEDY]
        prompts = shipped.prompts(2)
        tokens = []
        for row, prompt in enumerate(prompts):
            one = shipped.prefill(model, {row: prompt}, sampling_params=[params[row]], draws=[draws[row]])
            tokens.append(one[row])
            draws[row] = draws[row].next()
        tokens = torch.stack(tokens)
        for step in range(5):
            positions = torch.tensor([len(prompt) + step for prompt in prompts])
            tokens = model.generator.decode_forward(
                tokens, positions, model.pool.page_table(), enable_trace=traced, sampling_params=params, draws=draws
            )
            draws = [each.next() for each in draws]
            device = ttnn.to_torch(model.generator.inputs.sampling.tensors["state"])[0, 0]
            assert [tuple(row) for row in device.tolist()] == [d.state for d in draws]
        alone = Draws.from_seed(4)
        for _ in range(6):
            alone = alone.next()
        assert alone.state == draws[0].state


@pytest.fixture
def two_candidates(open_device):
    """A sampler of two tokens at a temperature so high that both are equally likely."""
    values = torch.full((1, VOCABULARY), -100.0)
    values[0, 70], values[0, 90] = 9.0, 8.0
    return to_logits(values, open_device), SamplingParams(1e30, top_k=2)


@pytest.mark.parametrize("number", [0.0, 0.5])
def test_a_draw_on_the_edge_of_two_candidates(sampler, open_device, two_candidates, monkeypatch, number):
    """The interval of each candidate includes its lower edge and excludes its upper edge."""
    constant = ttnn.full((1, 1, 1, 1), number, dtype=ttnn.float32, layout=ttnn.TILE_LAYOUT, device=open_device)
    monkeypatch.setattr(sampler, "draw", lambda state: constant)
    inputs, tokens = SamplerInputs(open_device, 1), to_tokens(open_device, 1)
    logits, params = two_candidates
    inputs.set_params([params])
    inputs.set_draws([Draws()])
    sampler.sample(logits, inputs, tokens)
    assert ttnn.to_torch(tokens).item() == (90 if number else 70)


def test_top_p_that_is_just_reached(sampler, open_device, two_candidates):
    """If the probabilities of the likeliest tokens reach p, the next token is excluded."""
    inputs, tokens = SamplerInputs(open_device, 1), to_tokens(open_device, 1)
    logits, params = two_candidates
    inputs.set_params([replace(params, top_p=0.5)])
    inputs.set_draws([Draws.from_seed(0)])
    drawn = set()
    for _ in range(8):
        sampler.sample(ttnn.clone(logits), inputs, tokens)
        drawn.add(ttnn.to_torch(tokens).item())
    assert drawn == {70}


def test_a_draw_next_to_one_stays_below_the_candidates_sum(sampler, open_device):
    """A draw next to 1 in float32 never chooses a rank past the last candidate."""
    x, y = torch.meshgrid(torch.arange(1, 200), torch.arange(1, 30307), indexing="ij")
    so_far = (x / 30269.0).double() + (y / 30307.0).double()
    z = ((1 - so_far.frac()) * 30323).floor().clamp(1, 30322)
    numbers = (x.double() / 30269 + y.double() / 30307 + z / 30323).frac()
    closest = (numbers.flatten() - (1 - 2**-22)).abs().topk(ROWS, largest=False).indices
    after = torch.stack([t.flatten()[closest].long() for t in (x, y, z)], -1).tolist()
    # undo one step of the generator, because the sampler makes this step
    inverses = [pow(a, -1, m) for a, m in zip((171, 172, 170), (30269, 30307, 30323))]
    draws = [Draws(tuple(s * i % m for s, i, m in zip(row, inverses, (30269, 30307, 30323)))) for row in after]
    inputs = SamplerInputs(open_device, ROWS)
    inputs.set_params([SamplingParams(1.0)] * ROWS)
    inputs.set_draws(draws)
    drawn = ttnn.to_torch(sampler.draw(inputs.tensors["state"])).flatten()
    # the sums of 32 probabilities, in two orders, differ by less than that
    assert drawn[drawn > 0.5].max() < 1 - 2**-21 and (drawn > 0.5).any()


def test_seeds():
    assert Draws.from_seed(1) == Draws.from_seed(1) != Draws.from_seed(2)
    assert Draws.from_seed(None) != Draws.from_seed(None)
    for seed in range(2000):
        for state, modulus in zip(Draws.from_seed(seed).state, (30269, 30307, 30323)):
            assert 0 < state < modulus  # zero would stay zero


def test_the_draw_is_uniform():
    """The numbers of the published generator, in exact arithmetic, are uniform in [0, 1)."""
    first = Draws((1, 1, 1)).next()
    assert first.state == (171, 172, 170)
    draws, numbers = Draws.from_seed(9), []
    for _ in range(4000):
        draws = draws.next()
        numbers.append(uniform(draws))
    counts = torch.histc(torch.tensor(numbers, dtype=torch.float64), bins=50, min=0, max=1)
    assert chi_square(counts, torch.full((50,), len(numbers) / 50, dtype=torch.float64)) > SMALLEST_P


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"temperature": -0.1}, "temperature is -0.1, must be 0 (greedy) or positive"),
        ({"temperature": math.inf}, "temperature is inf"),
        ({"temperature": math.nan}, "temperature is nan"),
        ({"top_k": -1}, "top_k is -1, must be between 0 (all) and 32"),
        ({"top_k": 33}, "top_k is 33, must be between 0 (all) and 32"),
        ({"top_p": 0.0}, "top_p is 0.0, must be above 0 and at most 1"),
        ({"top_p": 1.1}, "top_p is 1.1"),
        ({"top_p": math.nan}, "top_p is nan"),
        ({"seed": 2**64}, "seed is 18446744073709551616, must fit in 64 bits"),
        ({"seed": -(10**5000)}, "seed is an integer of 16610 bits, must fit in 64 bits"),
    ],
)
def test_limits(values, message):
    with pytest.raises(ValueError) as error:
        SamplingParams(**values)
    assert message in str(error.value)


@pytest.mark.parametrize("bits", [0x7FC00000, 0xFFC00000, 0x7F800000])
def test_rows_with_nan_or_infinity_choose_no_token(sampler, open_device, bits):
    """A row with NaN or infinity gives no token, whatever its parameters are. All other rows are not affected."""
    torch.manual_seed(5)
    logits = torch.randn(ROWS, VOCABULARY) * 3
    kinds = [
        GREEDY,
        SamplingParams(1.0),
        SamplingParams(1e-30),
        SamplingParams(1e30, top_k=3),
        SamplingParams(2.0, 0, 0.5),
    ]
    params = [kinds[row % len(kinds)] for row in range(ROWS)]
    bad = torch.arange(ROWS) % 3 == 1
    spoiled = logits.clone()
    spoiled.view(torch.int32)[bad, torch.arange(ROWS)[bad] * 7] = torch.tensor(bits).to(torch.int32)

    def drawn(values: torch.Tensor) -> torch.Tensor:
        return draw(sampler, open_device, values, params, [Draws.from_seed(row) for row in range(ROWS)], 4)

    assert torch.equal(drawn(spoiled), drawn(logits).masked_fill(bad, NO_TOKEN))
    tokens = to_tokens(open_device)
    sampler.greedy(to_logits(spoiled, open_device), tokens)
    assert torch.equal(ttnn.to_torch(tokens).flatten().long(), logits.argmax(1).masked_fill(bad, NO_TOKEN))


@pytest.mark.parametrize("temperature", [1e-3, 1e-6, 1e-30, 1e-320, 1e30])
def test_extreme_temperatures_give_tokens(sampler, open_device, temperature):
    """A temperature near zero is greedy. A near infinite temperature is uniform. Neither overflows."""
    torch.manual_seed(4)
    logits = torch.randn(ROWS, VOCABULARY) * 5
    logits[torch.arange(ROWS), logits.argmax(1)] += 0.1
    draws = [Draws.from_seed(r) for r in range(ROWS)]
    drawn = draw(sampler, open_device, logits, [SamplingParams(temperature)] * ROWS, draws, 6)
    if temperature < 1:
        assert torch.equal(drawn, logits.argmax(1).repeat(6, 1))
    else:
        assert torch.equal(drawn.unsqueeze(-1).eq(logits.topk(CANDIDATES).indices).any(-1), torch.ones(6, ROWS) > 0)
        assert len(set(drawn.flatten().tolist())) > ROWS
