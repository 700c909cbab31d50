# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""The tables of correctness in the report: accuracy, the PCC tests, and the cases of the ledger that differ."""

import re
from dataclasses import dataclass, field
from pathlib import Path

import ttnn_emulator.ledger
from card_report.day import Day
from card_report.markdown import number, paragraphs, table
from card_report.steps import LEDGER_FILE
from ttnn_emulator.ledger.compare import distance
from ttnn_emulator.ledger.record import Ledger

_KEPT = {"wormhole_b0": "simulator_wh.safetensors", "blackhole": "simulator_bh.safetensors"}
_RESULTS = ("PASSED", "FAILED", "ERROR", "SKIPPED")


def accuracy(day: Day) -> str:
    """The table of accuracy in the form of PERF.md, which has the figures of the emulated device."""
    names = [outcome.step.name for outcome in day.outcomes if outcome.step.name.startswith("accuracy_")]
    rows = []
    for name in names:
        for scores in day.found(name):
            off = scores["perplexity"] / scores["perplexity_reference"] - 1
            rows.append(
                (
                    "2B-4T" if name == "accuracy_2b" else "shipped",
                    scores["precision"],
                    f"{scores['top1']:.2%}",
                    f"{scores['top5']:.2%}",
                    f"{scores['pcc']:.6f}",
                    f"{scores['relative_error']:.2%}",
                    f"{scores['kl']:.1e}",
                    f"{off:+.3%}",
                    str(scores["positions"]),
                )
            )
    header = ("model", "precision", "top-1", "top-5", "logits PCC", "relative error", "KL", "perplexity", "positions")
    return paragraphs(
        *map(day.warning, names),
        table(header, rows),
        f"Against the float32 reference, teacher-forced over the sample text on {day.device}. PERF.md has "
        "the emulated device's figures over 1024 positions; fewer positions than that say little of top-1.",
    )


@dataclass
class Module:
    """The results of the tests of one module."""

    counts: dict[str, int] = field(default_factory=lambda: dict.fromkeys(_RESULTS, 0))
    pcc: float | None = None
    error: float | None = None


def read_tests(lines: list[str]) -> tuple[dict[str, Module], list[str]]:
    """Parse the output of `pytest -v -s`: (the results by module, the names of the failed tests)."""
    modules: dict[str, Module] = {}
    failed: list[str] = []
    name = None  # the name of the running test
    for line in lines:
        begins = re.match(r"(\S+/test_(\w+)\.py::\S+)", line)
        if begins:
            name, module = begins.group(1), modules.setdefault(begins.group(2), Module())
        if name is None:
            continue
        for pcc, error in re.findall(r"PCC (\S+), relative error ([\d.]+|nan|inf)", line):
            module.pcc = min(float(pcc), module.pcc if module.pcc is not None else 1.0)
            module.error = max(float(error), module.error or 0.0)
        ended = re.search(rf"\b({'|'.join(_RESULTS)})\b", line)
        if ended:
            module.counts[ended.group(1)] += 1
            failed += [name] if ended.group(1) in ("FAILED", "ERROR") else []
            name = None
    return modules, failed


def pcc(day: Day) -> str:
    outcome = day.outcome("pcc")
    modules, failed = read_tests(outcome.lines() if outcome else [])
    header = ("module", *(result.lower() for result in _RESULTS), "least PCC", "largest relative error")
    rows = [
        (name, *map(str, module.counts.values()), number(module.pcc, 6), number(module.error, 5))
        for name, module in modules.items()
    ]
    names = "\n".join(f"- `{name}`" for name in failed)
    return paragraphs(day.warning("pcc"), table(header, rows), f"Failed:\n\n{names}" if failed else "")


def ledger(day: Day) -> str:
    kept_name = _KEPT.get(day.about.get("architecture", ""))
    if kept_name is None:
        return paragraphs(
            day.warning("ledger"), "The device could not be opened, so no kept record is known to fit it."
        )
    kept = Ledger.read(Path(ttnn_emulator.ledger.__file__).with_name(kept_name))
    here = Ledger.read_or_new(day.folder / LEDGER_FILE)
    rows, failed, equal = [], [], 0
    for name, case in here.cases.items():
        before = kept.cases.get(name, {"failed": "is not in it"})
        if "failed" in case:
            failed.append((name, case["failed"]))
        elif "failed" in before:
            rows.append((name, "", "", "", f"the kept record: {before['failed']}"))
        elif before["inputs"] != case["inputs"]:
            rows.append((name, "", "", "", "the kept record had other inputs"))
        else:
            apart = distance(kept.outputs(name), here.outputs(name))
            equal += apart.equal == 100
            if apart.equal < 100:
                rows.append((name, f"{apart.equal:.2f} %", f"{apart.ulps:g}", f"{apart.pcc:.6f}", ""))
    left_out = len(kept.cases.keys() - here.cases.keys())
    return paragraphs(
        day.warning("ledger"),
        f"{len(here.cases)} cases ran on {day.device}, against what the simulated kernels gave (`{kept_name}`): "
        f"{equal} with every bit equal, {len(rows)} not, {len(failed)} failed here. {left_out} of the kept record's "
        f"{len(kept.cases)} were not run.",
        table(("case", "equal bits", "largest difference, ulps", "PCC", "note"), rows) if rows else "",
        table(("failed here", "why"), failed) if failed else "",
        f"The record is `{LEDGER_FILE}` beside this report; `python -m ttnn_emulator.ledger compare` compares any two.",
    )
