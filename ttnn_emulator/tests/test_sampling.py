# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""Sampling: the drawn tokens follow the filtered distribution, and a seed fixes them."""

import pytest
import torch
from scipy.stats import chisquare

import ttnn

USERS, WIDTH, STEPS = 32, 64, 60


def rows(device, value, dtype, layout=ttnn.ROW_MAJOR_LAYOUT):
    return ttnn.from_torch(value, dtype=dtype, layout=layout, device=device)


def inputs(device, logits, tokens, k, p, temperature):
    users = logits.shape[-2]
    return (
        rows(device, logits.reshape(1, 1, users, -1), ttnn.bfloat16, ttnn.TILE_LAYOUT),
        rows(device, tokens.reshape(1, 1, users, -1).int(), ttnn.int32),
        rows(device, torch.full((users,), k, dtype=torch.int32), ttnn.uint32),
        rows(device, torch.full((users,), p), ttnn.bfloat16),
        rows(device, torch.full((users,), 1 / temperature), ttnn.bfloat16),
    )


def draw(arguments, **options):
    return ttnn.to_torch(ttnn.sampling(*arguments, **options)).flatten().long()


def filtered(logits, k, p, temperature):
    """The distribution by its definition: the k largest, then the fewest of those whose sum exceeds p."""
    chances = torch.zeros(WIDTH, dtype=torch.float64)
    largest = logits.argsort(descending=True)[:k]
    chances[largest] = torch.softmax(logits[largest].double() / temperature, 0)
    total = 0.0
    for place in largest:
        if total > p:
            chances[place] = 0
        total += chances[place]
    return chances / chances.sum()


@pytest.mark.parametrize(
    "k,p,temperature", [(32, 1.0, 1.0), (5, 1.0, 1.0), (32, 0.75, 1.0), (20, 0.9, 2.0), (8, 0.5, 0.5)]
)
def test_distribution(device, reset_seeds, k, p, temperature):
    logits = torch.randn(WIDTH).bfloat16().float()
    numbers = torch.randperm(WIDTH) + 1000
    arguments = inputs(device, logits.repeat(USERS, 1), numbers.repeat(USERS, 1), k, p, temperature)
    ttnn.manual_seed(2024, device=device)
    counts = torch.zeros(WIDTH)
    for _ in range(STEPS):
        for token in draw(arguments).tolist():
            counts[(numbers == token).nonzero().item()] += 1
    chances = filtered(logits, k, p, temperature)
    assert not counts[chances == 0].any()
    drawn = chances > 0
    if drawn.sum() > 1:
        assert chisquare(counts[drawn], chances[drawn] * counts.sum()).pvalue > 1e-4


def test_one_candidate_is_the_largest(device):
    logits, tokens = torch.randn(USERS, 256).bfloat16(), torch.randint(0, 100_000, (USERS, 256))
    best = tokens.gather(1, logits.float().argmax(1, keepdim=True)).flatten()
    for k, p in ((1, 1.0), (32, 0.0)):
        assert torch.equal(draw(inputs(device, logits, tokens, k, p, 1.0)), best)


@pytest.mark.parametrize("users", [1, 7, 32])
def test_seeds(device, users):
    logits, tokens = torch.zeros(users, WIDTH), torch.arange(WIDTH).repeat(users, 1)
    arguments = inputs(device, logits, tokens, 32, 1.0, 1.0)
    first = draw(arguments, seed=7)
    assert torch.equal(first, draw(arguments, seed=7))
    following = [draw(arguments) for _ in range(4)]  # go on from the seed
    assert any(not torch.equal(first, other) for other in following)
    ttnn.manual_seed(7, device=device)
    assert torch.equal(first, draw(arguments, seed=0))
    assert all(torch.equal(other, draw(arguments)) for other in following)
    if users > 1:
        assert first.unique().numel() > 1  # users draw independently


def test_seed_of_one_user(device):
    arguments = inputs(device, torch.zeros(USERS, WIDTH), torch.arange(WIDTH).repeat(USERS, 1), 32, 1.0, 1.0)
    ttnn.manual_seed(1, device=device)
    several = [draw(arguments) for _ in range(8)]
    grid = ttnn.CoreRangeSet([ttnn.CoreRange(ttnn.CoreCoord(0, 0), ttnn.CoreCoord(7, 3))])
    ttnn.manual_seed(1, device=device, user_ids=5, sub_core_grids=grid)
    again = [draw(arguments) for _ in range(8)]
    column = torch.stack(again)[:, 5]
    assert torch.equal(column, torch.stack(several)[:, 5])
    assert not torch.equal(torch.stack(again), torch.stack(several))
