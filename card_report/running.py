# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""Runs one step in a separate process with a log and a time limit, and reads its results."""

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
GRACE_S = 3  # the time between SIGINT, after which a slow step can close the device, and SIGKILL
_SETTINGS = {
    "PYTHONUNBUFFERED": "1",  # the log of a killed step still has its last output
    "HF_HUB_OFFLINE": "1",
    "COLUMNS": "120",
}


@dataclass(frozen=True)
class Step:
    """One step of the report. `command` has the arguments of the Python interpreter."""

    name: str
    what: str
    command: tuple[str, ...]
    limit_s: int


@dataclass(frozen=True)
class Outcome:
    """The end of a step: its status ("ok" or a reason), its time, and the log of its output."""

    step: Step
    status: str
    seconds: float
    log: Path

    @property
    def ok(self) -> bool:
        return self.status == "ok"

    def lines(self) -> list[str]:
        if not self.log.exists():
            return []
        return self.log.read_text(encoding="utf-8", errors="replace").replace("\r", "\n").splitlines()

    def found(self) -> Iterator[dict[str, Any]]:
        """The lines of JSON in the output of the step. A step that was stopped has only some of its lines."""
        for line in self.lines():
            start = line.find('{"')
            if start >= 0:
                try:
                    yield json.loads(line[start:])
                except ValueError:
                    continue


def run(step: Step, folder: Path) -> Outcome:
    """Run a step to its end or its time limit. A failing step does not raise an exception here."""
    log = folder / f"{step.name}.log"
    started = time.monotonic()
    # a killed step does not delete its temporary files, such as the weights of a whole model, so this folder does
    with log.open("wb") as file, tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as scratch:
        process = subprocess.Popen(
            [sys.executable, *step.command],
            cwd=ROOT,
            env={"TT_LOGGER_LEVEL": "error"} | os.environ | _SETTINGS | {"TMPDIR": scratch},
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # so that the child processes of the step can be ended with it
            # a background job ignores SIGINT, and so would the step, which must close the device at this signal
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )
        try:
            code = process.wait(step.limit_s)
            status = "ok" if code == 0 else _death(code)
        except subprocess.TimeoutExpired:
            status = f"stopped at its limit of {step.limit_s} s"
        except KeyboardInterrupt:
            status = "interrupted"
        if process.poll() is None:
            _end(process)
    return Outcome(step, status, time.monotonic() - started, log)


def not_run(step: Step, folder: Path) -> Outcome:
    return Outcome(step, "not run", 0.0, folder / f"{step.name}.log")


def _death(code: int) -> str:
    return f"ended by {signal.Signals(-code).name}" if code < 0 else f"exit status {code}"


def _end(process: subprocess.Popen) -> None:
    os.killpg(process.pid, signal.SIGINT)
    try:
        process.wait(GRACE_S)
    except subprocess.TimeoutExpired:
        pass
    try:
        os.killpg(process.pid, signal.SIGKILL)  # also ends children that remain: the next step needs the device
    except ProcessLookupError:
        pass
    process.wait()
