# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""Compares the tokens that a device chose with the choices of the reference, greedy or by the same draws."""

import torch

from models.bitnet.reference.model import Model
from models.bitnet.tt.generation.sampling import CANDIDATES, GREEDY, Draws, SamplingParams

# The largest change of the difference of two logits. Logits spread over tens. On the device each logit is off by about
# 0.04. In 2048 choices the two likeliest tokens have swapped at differences up to 0.11.
NEAR_TIE = 0.2


def assert_chosen(
    reference: Model, prompt: list[int], tokens: list[int], params: SamplingParams = GREEDY
) -> torch.Tensor:
    """Assert that each token is the reference's choice after the prompt and the tokens before, or nearly tied with it.

    A draw chooses a token as follows. The tokens are intervals, ordered by rank, each as long as its probability. The
    chosen token is the one whose interval contains the draw. Returns the reference's logits [tokens, vocabulary].
    """
    logits = reference.prefill(torch.tensor([prompt + tokens[:-1]]))[0][0, len(prompt) - 1 :]
    draws = Draws.from_seed(params.seed).at(len(prompt) - 1)
    # the probability p of all tokens before one changes by at most p * (1 - p) times the change of the logits
    shift = 0 if params.greedy else NEAR_TIE / params.temperature / 4
    for place, (row, token) in enumerate(zip(logits, tokens, strict=True)):
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
    return logits


def assert_parts_at_a_tie(reference: Model, prompt: list[int], ours: list[int], theirs: list[int]) -> None:
    """Assert that two greedy continuations are equal up to a place where the reference has both tokens nearly tied."""
    place = next((place for place, pair in enumerate(zip(ours, theirs, strict=True)) if pair[0] != pair[1]), None)
    if place is None:
        return
    row = reference.prefill(torch.tensor([prompt + ours[:place]]))[0][0, -1]
    apart = (row[ours[place]] - row[theirs[place]]).abs()
    print(f"token {place} is {ours[place]} or {theirs[place]}: {apart:.4f} between logits")
    assert apart <= NEAR_TIE, f"token {place} of {ours} and {theirs}"


def sampling_probabilities(logits: torch.Tensor, params: SamplingParams) -> torch.Tensor:
    """The probabilities of sampling in float64: temperature, then top-k, then top-p.

    Top-p keeps the token with which the sum of probabilities reaches p.
    """
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
