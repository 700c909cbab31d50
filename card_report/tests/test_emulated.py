# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""Real steps on the emulated device: a few of them, and in a slow test all of them."""

import subprocess
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch

import ttnn_emulator
from card_report.__main__ import make_report
from card_report.running import Step
from card_report.stepping import full_size, repeated
from card_report.steps import steps
from models.bitnet.perf.random_weights import random_state
from models.bitnet.tests.common import TINY

pytestmark = pytest.mark.skipif(ttnn_emulator.hardware() is not None, reason="the steps are the emulated device's")


def test_some_steps_and_one_that_fails(tmp_path, capsys):
    short = ("-m", "card_report.speed", "shipped", "--steps", "1", "--precisions", "performance", "--prompts", "32")
    ledger = ("-m", "ttnn_emulator.ledger", "record", str(tmp_path / "ledger.safetensors"), "--only", "scalar")
    whole = {step.name: step for step in steps("emulated", tmp_path)}
    planned = [
        whole["device"],
        Step("failing", "what fails", ("-c", "raise SystemExit('no device')"), 30),
        replace(whole["speed_shipped"], command=short),
        replace(whole["ledger"], command=ledger),
    ]
    assert not make_report("emulated", tmp_path, planned)
    shown = capsys.readouterr().out
    assert "[2/4] what fails (at most 30 s) ... exit status 1" in shown and "report.md" in shown
    report = (tmp_path / "report.md").read_text()
    assert "# Card report: the emulated" in report and "**Not a card" in report
    assert "could not be written" not in report and "\nno device\n" in report
    assert "| the shipped model | performance | 1 " in report and "prefill, the shipped model" in report
    assert " cases ran on the emulated" in report


def test_interrupted(tmp_path, capsys, monkeypatch):
    """After Ctrl-C the report has the steps that ran until then."""
    monkeypatch.setattr("subprocess.Popen.wait", interrupted_once(subprocess.Popen.wait))
    planned = [Step(name, f"what is {name}", ("-c", "import time; time.sleep(600)"), 30) for name in ("one", "two")]
    assert not make_report("emulated", tmp_path, planned)
    assert "[1/2] what is one (at most 30 s) ... interrupted" in capsys.readouterr().out
    report = (tmp_path / "report.md").read_text()
    assert "### one: interrupted" in report and "### two: not run" in report


def interrupted_once(wait: Callable) -> Callable:
    """Make the first call of `wait` raise KeyboardInterrupt, as Ctrl-C would."""
    calls = []

    def instead(process: subprocess.Popen, *args: Any) -> int:
        calls.append(process)
        if len(calls) == 1:
            raise KeyboardInterrupt
        return wait(process, *args)

    return instead


@pytest.mark.slow
def test_all_steps(tmp_path):
    assert make_report("emulated", tmp_path, steps("emulated", tmp_path)), (tmp_path / "report.md").read_text()
    assert "could not be written" not in (tmp_path / "report.md").read_text()


@pytest.mark.parametrize(
    "precision, weight_of", [("performance", lambda down: down.linears[0].weight), ("fused", lambda down: down.weights)]
)
def test_repeated_layers(device, tmp_path, reset_seeds, precision, weight_of):
    """All layers have the values of one layer, each layer in separate memory."""
    model = replace(TINY, num_hidden_layers=3)
    stepping = full_size(device, tmp_path, model)(precision, 1)
    assert len({weight_of(layer.mlp.down).buffer_address() for layer in stepping.model.layers}) == 3
    stepping.start(40)
    assert stepping.step().shape == (1,)
    assert stepping.positions.tolist() == [41]


def test_repeated_state():
    state = random_state(TINY)
    many = repeated(state, 3)
    assert many.keys() == random_state(replace(TINY, num_hidden_layers=3)).keys()
    name = "model.layers.{}.mlp.up_proj.weight"
    assert torch.equal(many[name.format(2)], state[name.format(0)])
