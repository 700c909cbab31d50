# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""Drafts pay on the prompts of the benchmark: texts that repeat themselves gain, and others hardly lose."""

import json
from argparse import Namespace

import pytest

from models.bitnet.perf.benchmark_speculation import KINDS, PROMPTS, Counts, measure, table, written
from models.bitnet.tt.engine.speculation import DEFAULT_DRAFTS
from models.bitnet.tt.generation.sampling import GREEDY, SamplingParams

OF_ROWS = [1 + 0.0625 * drafts for drafts in range(DEFAULT_DRAFTS + 1)]  # of a plain step, at 1024 tokens on an n150


def test_a_written_answer_that_repeats_its_prompt():
    """Every step but the first few has all drafts, and all of them are right."""
    piece = list(range(20))
    counts = written(piece + piece, piece * 3, 4)
    assert counts.tokens == 59
    assert counts.steps[-3:-1] == [(5, 4)] * 2 and len(counts.steps) < 18
    assert counts.accepted == counts.drafted == 59 - len(counts.steps)


def test_a_written_answer_without_repetitions_has_no_drafts():
    counts = written(list(range(20)), list(range(20, 60)), 4)
    assert counts.steps == [(1, 0)] * 39


def test_the_table():
    counts = {("free", "greedy"): Counts([(1, 0), (3, 4), (1, 1)], 2.0, 4.0, 90), ("edit", "written"): Counts([(5, 4)])}
    lines = table(counts, 2.0, [2.0, 2.1, 2.2, 2.3, 2.4]).splitlines()
    assert lines[2] == "| free continuation, greedy | 5 | 1.67 | 2 of 5 | 30 | 0.50 | 769 | 1.54 |"
    assert lines[3] == "| edit, written | 5 | 5.00 | 4 of 4 |  |  | 2083 | 4.17 |"


@pytest.mark.slow
def test_tokens_a_step(open_device):
    """A step gives 1.8 tokens or more in greedy texts that repeat, and 0.98 of plain decoding or more in free text."""
    kinds = json.loads(PROMPTS.read_text())
    drawn = [SamplingParams(0.7, top_p=0.9, seed=seed) for seed in range(8)]
    options = Namespace(speculate=DEFAULT_DRAFTS, tokens=120)
    counts = measure(open_device, kinds, {"greedy": [GREEDY] * 8, "drawn": drawn}, options)
    for kind in KINDS:
        for way in ("greedy", "drawn"):
            each = counts[kind, way]
            assert each.tokens / each.milliseconds(OF_ROWS) >= 0.98, f"{kind}, {way}: drafts cost more than they give"
        if kind != "free":
            each = counts[kind, "greedy"]
            assert each.tokens / len(each.steps) >= 1.8, kind
