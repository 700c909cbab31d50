# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""The lists of steps."""

import pytest

import card_report.steps
from card_report.running import GRACE_S, ROOT
from card_report.steps import steps

KINDS = ("card", "simulator", "emulated")


@pytest.fixture
def with_checkpoint(monkeypatch, tmp_path):
    monkeypatch.setattr(card_report.steps, "try_to_load_from_cache", lambda repo, name: str(tmp_path / name))


def test_a_card_is_held_for_less_than_20_minutes(tmp_path, with_checkpoint):
    planned = steps("card", tmp_path)
    assert "accuracy_2b" in [step.name for step in planned]
    assert sum(step.limit_s + GRACE_S for step in planned) < 20 * 60


@pytest.mark.parametrize("kind", KINDS)
def test_all_parts_are_there(tmp_path, kind):
    planned = steps(kind, tmp_path)
    names = [step.name for step in planned]
    assert len(set(names)) == len(names), "their logs have the same name"
    assert set(names) >= {"device", "demo", "speed_shipped", "profiler", "accuracy_performance", "pcc", "ledger"}


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_run_exists(tmp_path, kind):
    for step in steps(kind, tmp_path):
        for word in step.command:
            if word.endswith(".py"):
                assert (ROOT / word).is_file(), word


def test_the_2b_is_not_downloaded(tmp_path, monkeypatch):
    monkeypatch.setattr(card_report.steps, "try_to_load_from_cache", lambda repo, name: None)
    assert "accuracy_2b" not in [step.name for step in steps("card", tmp_path)]
