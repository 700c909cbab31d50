# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""Measurements of speed: an error in one measurement costs one figure, not all."""

import json
import sys

import pytest

import ttnn
from card_report import speed
from models.bitnet.demo.arguments import SHIPPED_MODEL
from models.bitnet.tt.config import BitNetConfig


def entries_of(output: str) -> list[dict]:
    return [json.loads(line) for line in output.splitlines() if line.startswith("{")]


@pytest.fixture
def shipped(monkeypatch):
    arguments = ["speed", "shipped", "--precisions", "performance", "--batches", "1", "32", "--prompts", "32"]
    monkeypatch.setattr(sys, "argv", [*arguments, "--steps", "1"])


def test_all_that_was_asked_for(shipped, capsys):
    assert speed.main() == 0
    first, prefill, second = entries_of(capsys.readouterr().out)
    assert prefill["measured"] == "prefill" and prefill["tokens"] == 32 and prefill["programs"] > 50
    assert (first["users"], second["users"]) == (1, 32)
    for entry in (first, prefill, second):
        assert entry["untraced_ms"] > 0 and entry["traced_ms"] > 0
    for entry in (first, second):
        assert entry["roofline_ms"] < entry["modelled_ms"]
        assert entry["modelled_range"][0] < 1e3 / entry["modelled_ms"] < entry["modelled_range"][1]


def test_merged_programs_and_separate_ones(capsys, monkeypatch):
    """A layer of the shipped model has three programs more where each projection is a program."""
    monkeypatch.setattr(sys, "argv", ["speed", "shipped", "--precisions", "fused", "--steps", "1"])
    assert speed.main() == 0
    merged, separate = entries_of(capsys.readouterr().out)
    assert (merged["precision"], separate["precision"]) == ("fused", speed.SEPARATE)
    assert merged["traced_ms"] > 0 and separate["traced_ms"] > 0
    layers = BitNetConfig.from_pretrained(SHIPPED_MODEL).num_hidden_layers
    assert separate["programs"] == merged["programs"] + 3 * layers - 1


def test_a_device_without_traces(shipped, capsys, monkeypatch):
    def refuse(*args, **kwargs):
        raise RuntimeError("no traces here")

    monkeypatch.setattr(ttnn, "begin_trace_capture", refuse)
    assert speed.main() == 1
    output = capsys.readouterr()
    entries = entries_of(output.out)
    assert len(entries) == 3
    for entry in entries:
        assert entry["untraced_ms"] > 0 and entry["programs"] > 50 and entry["traced_ms"] is None
    assert "failed: decode, performance, batch 1, traced" in output.err and "no traces here" in output.err


def test_the_median_without_the_first(monkeypatch):
    clock = iter([0.0, 0.001, 10.0, 10.004, 20.0, 20.002])
    monkeypatch.setattr(speed.time, "perf_counter", lambda: next(clock))
    runs = []
    assert speed.median_ms(lambda: runs.append(1), 3) == pytest.approx(2.0)
    assert len(runs) == 4
