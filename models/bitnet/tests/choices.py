# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""Whether the tokens that a device chose are those that the reference chooses: the likeliest, or by the same draws."""

import torch

from models.bitnet.reference.model import Model
from models.bitnet.tt.generation.sampling import CANDIDATES, GREEDY, Draws, SamplingParams

# How far two logits may move against each other. They spread over tens; on the device each is off by some 0.04, and
# of 2048 choices the two likeliest have swapped at up to 0.11.
NEAR_TIE = 0.2


def assert_chosen(reference: Model, prompt: list[int], tokens: list[int], params: SamplingParams = GREEDY) -> None:
    """Each token is the reference's own choice after the prompt and the tokens before it, or nearly tied with it.

    Choosing is laying the tokens out by rank, each as wide as it is likely, and taking the one that the draw falls on.
    """
    logits, _ = reference.prefill(torch.tensor([prompt + tokens[:-1]]))
    draws = Draws.from_seed(params.seed).at(len(prompt) - 1)
    # what moving logits make of the probability p of all tokens before one is at most p * (1 - p) times the move
    shift = 0 if params.greedy else NEAR_TIE / params.temperature / 4
    for place, (row, token) in enumerate(zip(logits[0, len(prompt) - 1 :], tokens, strict=True)):
        draws = draws.next()
        draw = 0.0 if params.greedy else uniform(draws)
        probabilities, order = sampling_probabilities(row, params), row.argsort(descending=True)
        own = int(order[(probabilities[order].cumsum(0) <= draw).sum()])
        if token != own:
            begin = probabilities[row > row[token]].sum()
            outside = max(begin - draw, draw - begin - probabilities[token])
            near = "" if params.greedy else f", the draw {outside:.4f} outside its share"
            print(f"token {place} is {token}, the reference's {own}: {row[own] - row[token]:.4f} between logits{near}")
        likelier = probabilities[row > row[token] + NEAR_TIE].sum()
        as_likely = probabilities[row >= row[token] - NEAR_TIE].sum()
        assert likelier - shift <= draw < as_likely + shift, f"token {place} of {tokens}"


def assert_parts_at_a_tie(reference: Model, prompt: list[int], ours: list[int], theirs: list[int]) -> None:
    """Two greedy continuations are the same until, if ever, the reference finds both of their tokens nearly tied."""
    place = next((place for place, pair in enumerate(zip(ours, theirs, strict=True)) if pair[0] != pair[1]), None)
    if place is None:
        return
    row = reference.prefill(torch.tensor([prompt + ours[:place]]))[0][0, -1]
    apart = (row[ours[place]] - row[theirs[place]]).abs()
    print(f"token {place} is {ours[place]} or {theirs[place]}: {apart:.4f} between logits")
    assert apart <= NEAR_TIE, f"token {place} of {ours} and {theirs}"


def sampling_probabilities(logits: torch.Tensor, params: SamplingParams) -> torch.Tensor:
    """As every sampler does it, in float64: temperature, then top-k, then top-p (the token that reaches p is kept)."""
    if params.greedy:
        params = SamplingParams(temperature=1.0, top_k=1)
    order = logits.double().argsort(descending=True)[: params.top_k or CANDIDATES]
    kept = (logits.double()[order] / params.temperature).softmax(0)
    count = int((kept.cumsum(0) - kept < params.top_p).sum())
    result = torch.zeros(len(logits), dtype=torch.float64)
    result[order[:count]] = kept[:count] / kept[:count].sum()
    return result


def uniform(draws: Draws) -> float:
    """The number in [0, 1) that Wichmann and Hill's generator gives in this state."""
    return sum(s / m for s, m in zip(draws.state, (30269, 30307, 30323))) % 1.0
