# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""The pytest plugin of `scripts/upstream_evidence`: it writes what upstream's files and tests do, line by line.

It supplies the module `ttnn.database`, which upstream's tests/ttnn/conftest.py imports, where the installed ttnn has
none. `UPSTREAM_EVIDENCE_JOB` names the JSON file with the job: `tests` to choose (none: only collect), `results` and
`running`, the files to write, and `limit`, the seconds after which a test ends the process.
"""

import faulthandler
import importlib.util
import json
import os
import re
import sys
import time
from importlib.abc import Loader, MetaPathFinder
from pathlib import Path
from types import ModuleType

import pytest

from ttnn_emulator.errors import EmulatorError, UnsupportedOperation

OTHER_BOARD = re.compile(
    r"\b(devices?|chips?|boards?|mesh|grid|cores?|galaxy|tg|t3k|t3000|n300|p1[05]0|wormhole\w*|blackhole|arch\w*)\b",
    re.I,
)
# what Python and the library's bindings say of a name or an argument that the wheel does not have
LACKING = {
    AttributeError: re.compile(
        r"(module|type object) '(ttnn|ttl)?[\w.]*' has no attribute|'ttnn\.[\w.]*' object has no"
    ),
    ImportError: re.compile(r"cannot import name .* from '(ttnn|ttl)\b|No module named '(ttnn|ttl)\b"),
    TypeError: re.compile(r"incompatible (function|constructor) arguments"),
}
PCC = re.compile(r"PCC\W{1,4}([01]\.\d+)", re.I)


class _Database(MetaPathFinder, Loader):
    """Makes an empty `ttnn.database`. It stands behind all importers, so that a library's own module comes first."""

    def find_spec(self, name, path=None, target=None):
        return importlib.util.spec_from_loader(name, self) if name == "ttnn.database" else None

    def exec_module(self, module: ModuleType) -> None:
        module.SQLITE_CONNECTION = None
        module.DEVICE_IDS_IN_DATABASE = set()


def classify_error(error: BaseException) -> str:
    """Name the kind of a test's error."""
    chain = [error]
    while chain[-1].__cause__ is not None:
        chain.append(chain[-1].__cause__)
    if any(isinstance(each, UnsupportedOperation) for each in chain):
        return "not emulated"
    if any(isinstance(each, EmulatorError) for each in chain):
        return "error of the emulator"
    if any(isinstance(error, kind) and words.search(str(error)) for kind, words in LACKING.items()):
        return "not in the wheel"
    if isinstance(error, ImportError):
        return "another package or version"
    if "TT_FATAL" in str(error) or "TT_THROW" in str(error):
        return "refused by the library"
    return "failed on values" if isinstance(error, AssertionError) else "other error"


def classify_skip(reason: str) -> str:
    return "another board" if OTHER_BOARD.search(reason) else "skipped by upstream"


def reason_of(error: BaseException) -> str:
    """Return the error's first line that says something."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return f"{type(error).__name__}: {lines[0] if lines else ''}"[:300]


class Evidence:
    def __init__(self, job: dict):
        self.wanted = set(job["tests"])
        self.results, self.running, self.limit = Path(job["results"]), Path(job["running"]), job["limit"]
        self.outcome: dict = {}

    def write(self, **record) -> None:
        with self.results.open("a") as file:
            file.write(json.dumps(record) + "\n")

    def begin(self, name: str) -> None:
        self.running.write_text(json.dumps({"name": name, "since": time.time()}))
        faulthandler.dump_traceback_later(self.limit, exit=True, file=sys.__stderr__)

    def end(self) -> None:
        faulthandler.cancel_dump_traceback_later()
        self.running.unlink()

    @pytest.hookimpl(wrapper=True)
    def pytest_make_collect_report(self, collector):
        if self.wanted or not isinstance(collector, pytest.Module):
            return (yield)
        self.begin(collector.nodeid)
        report = yield
        if report.failed:
            lines = [line[4:].strip() for line in str(report.longrepr).splitlines() if line.startswith("E  ")]
            self.write(name=collector.nodeid, outcome="not collected", reason=" ".join(lines)[:300])
        elif report.skipped:
            self.write(name=collector.nodeid, outcome="skipped", reason=str(report.longrepr[2])[:300])
        else:
            self.write(name=collector.nodeid, outcome="collected")
        self.end()
        return report

    def pytest_itemcollected(self, item) -> None:
        if not self.wanted:
            self.write(test=item.nodeid)

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection_modifyitems(self, config, items) -> None:
        if self.wanted:
            items[:] = [item for item in items if item.nodeid in self.wanted]

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_logstart(self, nodeid) -> None:
        self.begin(nodeid)
        self.outcome = {"name": nodeid, "outcome": "passed", "reason": "", "pcc": None, "seconds": 0.0}

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(self, item, call):
        report = yield
        self.outcome["seconds"] = round(self.outcome["seconds"] + call.duration, 2)
        seen = [float(number) for number in PCC.findall(report.capstdout + report.capstderr)]
        self.outcome["pcc"] = seen[-1] if seen else self.outcome["pcc"]
        if self.outcome["outcome"] != "passed":
            return report
        if report.skipped:
            reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.wasxfail)
            self.outcome |= {"outcome": classify_skip(reason), "reason": reason[:300]}
        elif report.failed:
            error = call.excinfo.value if call.excinfo else AssertionError("an expected failure passed")
            self.outcome |= {"outcome": classify_error(error), "reason": reason_of(error)}
        return report

    def pytest_runtest_logfinish(self, nodeid) -> None:
        self.write(**self.outcome)
        self.end()


def pytest_configure(config: pytest.Config) -> None:
    job = json.loads(Path(os.environ["UPSTREAM_EVIDENCE_JOB"]).read_text())
    config.pluginmanager.register(Evidence(job), "upstream_evidence")


sys.meta_path.append(_Database())
