# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""A step in a separate process may fail, hang or be killed. Its output is kept."""

import os
import sys
import time

from card_report.running import Step, run


def step(code: str, limit_s: int = 30) -> Step:
    return Step("tried", "what is tried", ("-c", code), limit_s)


def test_what_it_said_and_found(tmp_path):
    outcome = run(
        step("import sys; print('{\"a\": 1}'); sys.stderr.write('10%\\r20% {\"b\": 2}\\n'); print('{\"')"), tmp_path
    )
    assert outcome.ok and outcome.status == "ok"
    assert sorted(map(str, outcome.found())) == ["{'a': 1}", "{'b': 2}"]
    assert "10%" in outcome.lines()


def test_it_asks_nothing(tmp_path):
    outcome = run(step("input('a question?')"), tmp_path)
    assert outcome.status == "exit status 1" and "EOFError" in outcome.lines()[-1]


def test_killed(tmp_path):
    assert run(step("import os; os.kill(os.getpid(), 11)"), tmp_path).status == "ended by SIGSEGV"


def test_time_limit(tmp_path):
    """The process of a step and its children are ended at the time limit. The output until then is kept."""
    code = (
        "import subprocess, sys, signal, time; signal.signal(signal.SIGINT, signal.SIG_IGN);"
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)']);"
        "print('{\"child\": %d}' % child.pid); time.sleep(600)"
    )
    started = time.monotonic()
    outcome = run(step(code, limit_s=5), tmp_path)
    assert outcome.status == "stopped at its limit of 5 s" and not outcome.ok
    assert 5 <= outcome.seconds <= time.monotonic() - started < 60
    (said,) = outcome.found()
    deadline = time.monotonic() + 30
    while alive(said["child"]) and time.monotonic() < deadline:
        time.sleep(0.1)  # a killed process takes a moment to go
    assert not alive(said["child"])


def alive(process: int) -> bool:
    """Whether the process runs. A zombie does not count."""
    try:
        with open(f"/proc/{process}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_closes_what_it_can(tmp_path):
    """A step that is stopped gets SIGINT first, so that it can close the device."""
    code = "import time\ntry:\n    time.sleep(600)\nfinally:\n    print('closed')"
    assert "closed" in run(step(code, limit_s=5), tmp_path).lines()


def test_nothing_is_left_in_the_temporary_folder(tmp_path):
    code = (
        "import json, signal, tempfile, time; signal.signal(signal.SIGINT, signal.SIG_IGN);"
        "print(json.dumps({'made': tempfile.mkdtemp()})); time.sleep(600)"
    )
    (said,) = run(step(code, limit_s=5), tmp_path).found()
    assert said["made"] and not os.path.exists(said["made"])


def test_is_this_python(tmp_path):
    outcome = run(step("import sys, os; print(sys.executable); print(os.getcwd())"), tmp_path)
    assert outcome.lines()[0] == sys.executable and os.path.isdir(os.path.join(outcome.lines()[1], "card_report"))
