# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""`python -m card_report` runs all steps on the card, the simulator or the emulated device, and writes the report.

It asks no questions. If a step fails or takes too long, the report says so and the next step runs. The exit status is 0
if all steps succeed. The report is written in any case.
"""

import sys
import time
from pathlib import Path

import ttnn_emulator
from card_report.day import Day
from card_report.report import write
from card_report.running import ROOT, Step, not_run, run
from card_report.steps import steps


def make_report(kind: str, folder: Path, planned: list[Step]) -> bool:
    """Run the steps and write `folder`/report.md. Returns whether all steps succeeded."""
    started = time.strftime("%Y-%m-%d %H:%M")
    outcomes = []
    stopped = False
    for number, step in enumerate(planned, start=1):
        if not stopped:
            print(f"[{number}/{len(planned)}] {step.what} (at most {step.limit_s} s) ...", end=" ", flush=True)
        outcome = not_run(step, folder) if stopped else run(step, folder)
        if not stopped:
            print(f"{outcome.status}, {outcome.seconds:.0f} s", flush=True)
        stopped = stopped or outcome.status == "interrupted"
        outcomes.append(outcome)
    path = folder / "report.md"
    path.write_text(write(Day(kind, started, folder, outcomes)), encoding="utf-8")
    print(f"The report: {path}")
    return all(outcome.ok for outcome in outcomes)


def main() -> int:
    kind = ttnn_emulator.hardware() or "emulated"
    folder = ROOT / "generated" / f"card-report-{kind}-{time.strftime('%Y%m%d-%H%M%S')}"
    folder.mkdir(parents=True)
    print(f"Reporting on {'the emulated device' if kind == 'emulated' else f'a {kind}'}, into {folder}")
    return 0 if make_report(kind, folder, steps(kind, folder)) else 1


if __name__ == "__main__":
    sys.exit(main())
