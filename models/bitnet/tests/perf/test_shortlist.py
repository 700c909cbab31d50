# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""Tests of the count of tokens that a shortlist misses."""

import torch

from models.bitnet.perf.shortlist import LENGTHS, LIKELIEST, Misses, measure, written
from models.bitnet.tests import shipped


def test_misses_by_hand():
    """Three positions of a vocabulary of 128 in two groups, even and odd columns.

    The first pass is right at the first position. At the second it puts the token of rank 5 last, at the third the
    winner.
    """
    exact = torch.arange(128.0).flip(0).repeat(3, 1)  # the token of rank r is r - 1
    first = exact.clone()
    first[1, 4] = first[2, 0] = -1.0
    misses = Misses([torch.arange(0, 128, 2), torch.arange(1, 128, 2)])
    misses.add(first[:2], exact[:2])
    assert (misses.of_winner, misses.of_likeliest, misses.best_missed) == (0, 1, 5)
    misses.add(first[2:], exact[2:])
    assert (misses.of_winner, misses.of_likeliest, misses.best_missed) == (1, 2, 1)


def test_a_group_keeps_its_32_best():
    """The likeliest 33 tokens of the first pass are in one group: the last of them is missed."""
    exact = torch.arange(128.0).flip(0)[None]
    first = exact.clone()
    first[0, 32], first[0, 31] = first[0, 31].item(), first[0, 32].item()
    misses = Misses([torch.arange(64), torch.arange(64, 128)])
    misses.add(first, exact)
    assert (misses.of_winner, misses.of_likeliest, misses.best_missed) == (0, 1, LIKELIEST)


def test_bfloat16_weights_that_bfloat4_b_holds_miss_nothing(device, reset_seeds):
    head, rows = torch.randint(-1, 2, (320, 64)).bfloat16(), torch.randn(40, 64)
    misses = measure(device, head, rows, "ternary")
    assert list(misses) == list(LENGTHS)
    assert all((missed.of_winner, missed.best_missed) in ((0, None), (0, LIKELIEST)) for missed in misses.values())


def test_texts_begin_as_the_model_is_trained_and_are_those_of_the_seed(reference):
    torch.manual_seed(3)
    texts = torch.stack([tokens for tokens, _ in zip(written(reference, 2), range(5))], dim=1)
    torch.manual_seed(3)
    again = torch.stack([tokens for tokens, _ in zip(written(reference, 2), range(5))], dim=1)
    assert torch.equal(texts, again) and texts.shape == (2, 5)
    assert (texts[:, 0] == shipped.config().bos_token_id).all() and not torch.equal(texts[0], texts[1])
