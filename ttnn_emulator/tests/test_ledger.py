# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""Every case of the ledger, computed here, against what a simulator that runs the kernels recorded."""

import importlib.metadata
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import ttnn
import ttnn_emulator
from ttnn_emulator import ledger
from ttnn_emulator.ledger.cases import load
from ttnn_emulator.ledger.compare import distance
from ttnn_emulator.ledger.record import Ledger, open_device, record, run_case

_FILES = {"n150": "wh", "p100": "bh", "p150": "bh"}
_CHIP = _FILES.get(ttnn_emulator.installed_board().name) if ttnn_emulator.install() == "emulated" else None
pytestmark = pytest.mark.skipif(_CHIP is None, reason=f"records are of single emulated chips: {', '.join(_FILES)}")
_RECORDED = Ledger.read(Path(ledger.__file__).with_name(f"simulator_{_CHIP}.safetensors")) if _CHIP else Ledger()

# (chip, case): part of the message. Empty: every case ran on both.
NOT_ON_THE_SIMULATOR: dict[tuple[str, str], str] = {}
# (chip, case): (equal bits in %, largest difference in ulps, what is suspected), rounded to the worse side
KNOWN_DIFFERENCES: dict[tuple[str, str], tuple[int, float, str]] = {}


@pytest.fixture(scope="module")
def opened() -> Iterator:
    device = open_device()
    yield device
    ttnn.close_device(device)


def test_the_record_is_of_the_installed_library():
    assert _RECORDED.device["ttnn"] == importlib.metadata.version("ttnn")


@pytest.mark.parametrize("name", load())
def test_case(opened, name):
    recorded = _RECORDED.cases[name]
    if "failed" in recorded:
        assert NOT_ON_THE_SIMULATOR[_CHIP, name] in recorded["failed"]
        return
    assert (_CHIP, name) not in NOT_ON_THE_SIMULATOR
    here = Ledger()
    run_case(opened, load()[name], here)
    assert "failed" not in here.cases[name], here.cases[name]["failed"]
    assert here.cases[name]["inputs"] == recorded["inputs"], "record the simulator again: the inputs have changed"
    measured = distance(_RECORDED.outputs(name), here.outputs(name))
    if (_CHIP, name) not in KNOWN_DIFFERENCES:
        assert measured.meets(load()[name].bar), f"{measured}; the bar is {load()[name].bar}"
        return
    equal, ulps, reason = KNOWN_DIFFERENCES[_CHIP, name]
    assert measured.equal >= equal and measured.ulps <= ulps, f"{measured}; was {equal} %, {ulps} ulps: {reason}"
    assert not measured.meets(load()[name].bar), f"meets its bar now: take {name} out of KNOWN_DIFFERENCES"


def test_only_what_a_record_lacks_is_recorded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The cases that the recording process is started with."""
    asked: list[list[str]] = []

    def start(command: list[str], **_: Any) -> SimpleNamespace:
        asked.append(command[command.index("--case") + 1 :])
        return SimpleNamespace(stdout=[], wait=lambda: 0)

    monkeypatch.setattr("subprocess.Popen", start)
    known, lacking = Ledger(), "scalar/add bf16 0.3"
    known.cases = {name: {} for name in load() if name != lacking}
    known.write(tmp_path / "record.safetensors")
    record(tmp_path / "record.safetensors", new=True)
    assert asked == [[lacking]]


def test_a_record_of_another_version_of_the_library_is_not_continued(tmp_path: Path) -> None:
    path, old = tmp_path / "record.safetensors", Ledger()
    old.device = {"device": "card", "ttnn": "0.60.0"}
    old.write(path)
    with pytest.raises(SystemExit, match="record.safetensors is of ttnn 0.60.0, and 0.81.1 is installed"):
        record(path, new=True)
    assert Ledger.read(path).device == old.device


def test_a_record_is_written_while_another_process_does(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written, module = Ledger(), record.__module__
    written.cases = {"case": {}}
    write, others = sys.modules[module].save_file, []

    def while_another_does(*args: Any) -> None:
        write(*args)
        if not others:
            others.append(args)
            written.write(tmp_path / "record.safetensors")

    monkeypatch.setattr(f"{module}.save_file", while_another_does)
    written.write(tmp_path / "record.safetensors")
    assert others and Ledger.read(tmp_path / "record.safetensors").cases == {"case": {}}
