# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""The text of the report, from made-up results."""

import json
from pathlib import Path

import pytest
import torch

import card_report.report
from card_report.check_tables import read_tests
from card_report.day import Day
from card_report.report import write
from card_report.running import Outcome
from card_report.steps import LEDGER_FILE, steps
from ttnn_emulator.ledger.record import Ledger

ABOUT = {"board": "n150", "architecture": "wormhole_b0", "chip": "8x8 cores", "ttnn": "0.81.1", "driver": ""}
DECODE = {
    "measured": "decode",
    "model": "2b",
    "precision": "performance",
    "users": 1,
    "context": 1024,
    "untraced_ms": 31.0,
    "traced_ms": 12.5,
    "programs": 550,
    "gigabytes": 1.604,
    "modelled_ms": 15.01,
    "modelled_range": [56.4, 69.8],
    "roofline_ms": 5.57,
}
PREFILL = {
    "measured": "prefill",
    "model": "2b",
    "precision": "performance",
    "tokens": 128,
    "ttft_ms": 123.4,
    "untraced_ms": 80.0,
    "traced_ms": 40.0,
    "programs": 636,
    "gigabytes": 2.6,
    "gflop": 560.0,
}
SCORES = {
    "precision": "performance",
    "top1": 0.9775,
    "top5": 1.0,
    "pcc": 0.99992,
    "relative_error": 0.0094,
    "kl": 6.7e-4,
    "perplexity": 9.9,
    "perplexity_reference": 10.0,
    "positions": 1024,
}
PROFILE = {
    "precision": "performance",
    "profiled": "traced",
    "programs": 550,
    "programs_us": 9000.0,
    "between_us": 1098.0,
    "rows": [{"name": "Matmul", "count": 151, "measured_us": 8000.0, "modelled_us": 9100.0}],
}
TESTS = """models/bitnet/tests/unit/test_mlp.py::test_mlp_decode[tiny] PCC 0.9999, relative error 0.0100
PCC 0.9990, relative error 0.0300
PASSED
models/bitnet/tests/unit/test_mlp.py::test_mlp_prefill[tiny] FAILED
models/bitnet/tests/unit/test_rope.py::test_rope PASSED
models/bitnet/tests/unit/test_rope.py::test_late PCC 0.5, relative error 0.9
=== short test summary info ===
"""


def made_up(folder: Path, kind: str, said: dict[str, str], statuses: dict[str, str] | None = None) -> Day:
    """The results of a run of the steps of `kind`. A step that is not in `statuses` is ok."""
    outcomes = []
    for step in steps(kind, folder):
        log = folder / f"{step.name}.log"
        log.write_text(said.get(step.name, ""))
        outcomes.append(Outcome(step, (statuses or {}).get(step.name, "ok"), 12.0, log))
    return Day(kind, "2026-01-02 03:04", folder, outcomes)


def lines(*entries: dict) -> str:
    return "\n".join(["a line of the library", *map(json.dumps, entries), ""])


@pytest.fixture
def said() -> dict[str, str]:
    return {
        "device": lines(ABOUT),
        "demo": lines({"text": " Son of man | so"}),
        "speed_2b": lines(DECODE, PREFILL),
        "accuracy_performance": lines(SCORES),
        "profiler": lines(PROFILE),
        "pcc": TESTS,
    }


def section(report: str, title: str) -> str:
    return report.split(f"## {title}\n")[1].split("\n## ")[0]


def row(text: str, *begins: str) -> list[str]:
    """The cells of the only row that begins with `begins`."""
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines() if line.startswith("|")]
    (found,) = [cells for cells in rows if cells[: len(begins)] == list(begins)]
    return found


def test_a_card(tmp_path, said):
    report = write(made_up(tmp_path, "card", said))
    assert report.startswith("# Card report: the n150 card, 2026-01-02 03:04\n")
    assert "Not a card" not in report and "could not be written" not in report
    assert row(section(report, "Speed"), "BitNet 2B-4T", "performance")[2:] == ["N150", "", "", "80.0", "123.4"]
    assert row(section(report, "Speed"), "the shipped model", "performance")[3:5] == ["97.75%", "100.00%"]
    decode = row(section(report, "A decode step, modelled and measured"), "BitNet 2B-4T", "performance", "1")
    assert decode[4:] == ["550", "1.604", "15.01", "12.50", "67 (56 to 70)", "80.0", "31.00", "180"]
    prefill = row(section(report, "Prefill"), "BitNet 2B-4T", "performance", "128")
    assert prefill[-4:] == ["123.4", "80.0", "40.0", "14.0"]
    profiled = section(report, "Where a decode step goes")
    assert row(profiled, "Matmul") == ["Matmul", "151", "8.000", "9.100"]
    assert "9.00 ms inside them and 1.10 ms between them, 2.00 us from the end" in profiled
    accuracy = row(section(report, "Accuracy"), "shipped")
    assert accuracy[2:] == ["97.75%", "100.00%", "0.999920", "0.94%", "6.7e-04", "-1.000%", "1024"]
    assert "Son of man | so" in section(report, "What the shipped model wrote")
    assert section(report, "What went wrong").strip() == "Nothing."


def test_no_step_is_lost(tmp_path, said):
    """The report names a failed, a stopped and an unrun step. The first two have the end of their output."""
    said["ledger"] = "\n".join(f"line {n}" for n in range(40))
    statuses = {"pcc": "exit status 1", "ledger": "stopped at its limit of 240 s", "accuracy_accuracy": "not run"}
    day = made_up(tmp_path, "card", said, statuses)
    report = write(day)
    for outcome in day.outcomes:
        assert row(section(report, "Steps"), outcome.step.name)[2] == outcome.status
    wrong = section(report, "What went wrong")
    assert "### pcc: exit status 1" in wrong and "test_rope.py::test_late" in wrong
    assert "### ledger: stopped at its limit of 240 s" in wrong
    assert "\nline 39\n" in wrong and "\nline 3\n" not in wrong
    assert "### accuracy_accuracy: not run" in wrong and "(it said nothing)" in wrong
    assert "tt-smi -r" in wrong


def test_a_stopped_step_counts_as_far_as_it_came(tmp_path, said):
    statuses = {"speed_2b": "stopped at its limit of 180 s"}
    report = write(made_up(tmp_path, "card", said | {"speed_2b": lines(DECODE)}, statuses))
    assert row(section(report, "Speed"), "BitNet 2B-4T", "performance")[-2:] == ["80.0", ""]
    assert "`speed_2b` is incomplete" in section(report, "A decode step, modelled and measured")


def test_a_measurement_that_failed_is_blank(tmp_path, said):
    failed = {key: DECODE[key] for key in ("measured", "model", "precision", "users", "context")}
    failed |= {"untraced_ms": 31.0, "traced_ms": None}
    report = write(made_up(tmp_path, "card", said | {"speed_2b": lines(failed)}))
    assert "could not be written" not in report
    decode = row(section(report, "A decode step, modelled and measured"), "BitNet 2B-4T")
    assert decode[4:] == ["", "", "", "", "", "", "31.00", ""]


def test_nothing_but_the_steps(tmp_path):
    """If the device did not open, no step has results, and the report is still written."""
    statuses = {step.name: "exit status 1" for step in steps("card", tmp_path)}
    report = write(made_up(tmp_path, "card", {}, statuses))
    assert "could not be written" not in report
    assert "The device could not be opened" in report


@pytest.mark.parametrize("kind, name", [("emulated", "the emulated n150"), ("simulator", "the simulated wormhole_b0")])
def test_only_a_cards_times_are_speeds(tmp_path, said, kind, name):
    said["speed_shipped"] = lines(DECODE | {"model": "shipped"}, PREFILL | {"model": "shipped"})
    report = write(made_up(tmp_path, kind, said))
    assert f"# Card report: {name}" in report and "**Not a card" in report
    decode = row(section(report, "A decode step, modelled and measured"), "the shipped model")
    assert (decode[7], decode[9], decode[10]) == ("", "", "")
    assert row(section(report, "Prefill"), "the shipped model")[-4:] == [""] * 4
    assert "t/s/u" not in section(report, "Speed")
    assert "no device's speed" in section(report, "Times of this CPU")


def test_the_ledger(tmp_path, said):
    """The cases are: equal, one bit off, failed here, not in the kept record, and not run."""
    kept = Ledger.read(
        Path(card_report.check_tables.ttnn_emulator.ledger.__file__).with_name("simulator_wh.safetensors")
    )
    good = [n for n, case in kept.cases.items() if "failed" not in case and len(kept.outputs(n)) == 1]
    same, off, failing = good[:3]
    here = Ledger()
    here.cases = {name: dict(kept.cases[name]) for name in (same, off)}
    here.cases |= {failing: {"failed": "RuntimeError: no"}, "binary/new": {"inputs": "1"}}
    here.tensors = {name: kept.tensors[name].clone() for name in (same, off)}
    bits = here.tensors[off].view(-1)[:1].view(torch.uint8)
    bits[0] ^= 1
    here.write(tmp_path / LEDGER_FILE)
    report = section(write(made_up(tmp_path, "card", said)), "The ledger: operations that differ")
    assert "4 cases ran on the n150 card" in report
    assert "1 with every bit equal, 2 not, 1 failed here" in report
    assert f"{len(kept.cases) - 3} of the kept record's {len(kept.cases)} were not run" in report
    assert row(report, off)[1].endswith(" %") and row(report, failing) == [failing, "RuntimeError: no"]
    assert "is not in it" in row(report, "binary/new")[-1]


def test_reading_tests():
    modules, failed = read_tests(TESTS.splitlines())
    assert modules["mlp"].counts == {"PASSED": 1, "FAILED": 1, "ERROR": 0, "SKIPPED": 0}
    assert (modules["mlp"].pcc, modules["mlp"].error) == (0.999, 0.03)
    assert modules["rope"].counts["PASSED"] == 1, "a test that did not end is not counted"
    assert failed == ["models/bitnet/tests/unit/test_mlp.py::test_mlp_prefill[tiny]"]


def test_a_part_that_cannot_be_written(tmp_path, said):
    said["accuracy_performance"] = lines({"top1": 1.0})
    report = write(made_up(tmp_path, "card", said))
    assert "This part could not be written: KeyError" in section(report, "Accuracy")
    assert row(section(report, "Speed"), "BitNet 2B-4T", "performance")
