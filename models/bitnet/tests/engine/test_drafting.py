# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""Drafts are the tokens that followed the last occurrence of a text's newest tokens, and only those that pay."""

import sys
from itertools import accumulate, product
from operator import mul

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.bitnet.tt.engine import speculation
from models.bitnet.tt.engine.drafting import LENGTHS, Draft, Drafter
from models.bitnet.tt.engine.speculation import check_speculate, drafts_to_verify
from models.bitnet.tt.precision import ACCURACY, FUSED, PERFORMANCE

few_tokens = st.lists(st.integers(0, 2), max_size=40)


def tokens_of(drafts: list[Draft]) -> list[int]:
    return [draft.token for draft in drafts]


def searched(text: list[int], count: int) -> list[int]:
    """The drafts by a search through the whole text: of the longest sequence, the last occurrence before the end."""
    for length in sorted(LENGTHS, reverse=True):
        for start in range(len(text) - length - 1, -1, -1):
            if text[start : start + length] == text[-length:]:
                grown = list(text)
                for place in range(start + length, start + length + count):
                    grown.append(grown[place])
                return grown[len(text) :]
    return []


@given(few_tokens, few_tokens, st.integers(0, 12))
def test_drafts_are_those_of_a_search(prompt, answer, count):
    """The index, which grows with the text, finds what a search through the text finds."""
    drafter, text = Drafter(prompt), list(prompt)
    for token in [None, *answer]:
        if token is not None:
            drafter.add(token)
            text.append(token)
        assert tokens_of(drafter.draft(count)) == searched(text, count)


@given(few_tokens)
def test_chances_are_those_of_the_drafts_so_far(text):
    """A length's estimate moves one eighth towards 1 with every right draft of it, and towards 0 with a wrong one."""
    estimates = {4: 0.5, 3: 0.3, 2: 0.1}
    for end in range(len(text)):
        before = text[:end]
        found = [n for n in (4, 3, 2) if any(before[i : i + n] == before[-n:] for i in range(end - n))]
        if found:
            right = searched(before, 1) == [text[end]]
            estimates[found[0]] = 7 / 8 * estimates[found[0]] + right / 8
    found = [n for n in (4, 3, 2) if any(text[i : i + n] == text[-n:] for i in range(len(text) - n))]
    chances = [draft.chance for draft in Drafter(text).draft(5)]
    single = [estimates[min(found[0] + place, 4)] for place in range(5)] if found else []
    assert chances == pytest.approx(list(accumulate(single, mul)))


def test_a_draft_of_a_long_text_takes_as_few_steps_as_of_a_short_one():
    """Lines of Python that run for a token and its drafts, in texts of 40 and of 4096 tokens."""

    def lines(length: int) -> int:
        drafter, count = Drafter([token % 37 for token in range(length)]), [0]

        def trace(*_):
            count[0] += 1
            return trace

        before = sys.gettrace()
        sys.settrace(trace)
        try:
            drafter.add(length % 37)
            drafts = drafter.draft(4)
        finally:
            sys.settrace(before)
        assert tokens_of(drafts) == [(length + n) % 37 for n in range(1, 5)]
        return count[0]

    assert lines(4096) == lines(45) < 100


# --- which drafts are verified ---------------------------------------------------------------------------------------

chances = st.lists(st.floats(0, 1), max_size=3).map(lambda single: list(accumulate(single, mul)))


def speed(counts, given_chances, positions) -> float:
    """The tokens of a step that verifies so many drafts, for its estimated time."""
    costs = [(position + 1) * speculation._POSITION_COST for position in positions]
    tokens = len(counts) + sum(sum(own[:count]) for own, count in zip(given_chances, counts))
    time = 1 + sum(cost * (1 + count) for cost, count in zip(costs, counts))
    return tokens / (time + (speculation._UPLOAD_COST if any(counts) else 0))


@settings(max_examples=60)
@given(st.lists(chances, min_size=1, max_size=3), st.integers(1, 4000), st.integers(0, 6))
def test_the_fastest_choice_of_all(given_chances, position, rows):
    """No other numbers of drafts give more tokens in a step's estimated time, in as many rows."""
    positions = [position] * len(given_chances)
    drafts = [[Draft(7, chance) for chance in own] for own in given_chances]
    counts = drafts_to_verify(drafts, positions, rows)
    assert sum(counts) <= rows and all(count <= len(own) for count, own in zip(counts, given_chances))
    choices = product(*(range(len(own) + 1) for own in given_chances))
    best = max(speed(choice, given_chances, positions) for choice in choices if sum(choice) <= rows)
    assert speed(counts, given_chances, positions) == pytest.approx(best)


def test_long_texts_verify_fewer_drafts():
    """A row of a long text reads more keys and values."""
    drafts = [[Draft(7, 0.6), Draft(7, 0.3), Draft(7, 0.2), Draft(7, 0.1)]]
    assert [drafts_to_verify(drafts, [position], 31) for position in (100, 1500, 4000)] == [[4], [3], [2]]


@pytest.mark.parametrize("drafts, count", [([], 0), ([0.05, 0.01], 0), ([0.3], 1), ([0.9, 0.8, 0.7, 0.01], 3)])
def test_how_many_drafts_pay(drafts, count):
    assert drafts_to_verify([[Draft(7, chance) for chance in drafts]], [1024], 31) == [count]


def test_likely_drafts_go_first():
    sure, unsure = [Draft(7, 0.9), Draft(7, 0.8)], [Draft(7, 0.5), Draft(7, 0.1)]
    assert drafts_to_verify([unsure, sure], [100, 100], 2) == [0, 2]
    assert drafts_to_verify([unsure, sure], [100, 100], 3) == [1, 2]
    assert drafts_to_verify([unsure, sure], [100, 100], 0) == [0, 0]


@pytest.mark.parametrize("value", [-1, 32, 10**5000], ids=["below", "above", "huge"])
def test_more_drafts_than_rows_are_refused(value):
    with pytest.raises(ValueError, match="^speculate is .*, must be between 0 and 31: a step has 32 rows$"):
        check_speculate(value, FUSED)


@pytest.mark.parametrize("value", [None, "4", 1.5, True])
def test_a_number_of_drafts_is_an_integer(value):
    with pytest.raises(TypeError, match="^speculate is .*, must be an integer$"):
        check_speculate(value, FUSED)


@pytest.mark.parametrize("precision", [ACCURACY, PERFORMANCE], ids=lambda precision: precision.name)
def test_stock_precisions_do_not_speculate(precision):
    assert check_speculate(0, precision) == 0
    with pytest.raises(ValueError, match=f"^speculate is 4, must be 0 in precision {precision.name}: .* use .* fused$"):
        check_speculate(4, precision)
