# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""`scripts/faults` on a project of one file, and the list of faults against the files and tests that it names."""

import subprocess
import sys
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import ModuleType

import pytest

SCRIPT = Path(__file__).resolve().parents[1] / "faults"
LIST = '''
[[fault]]
name = "off-by-one"
file = "double.py"
old = "return 2 * x"
new = "return 2 * x + 1"
tests = ["test_double.py::test_double"]

[[fault]]
name = "not-tested"
file = "double.py"
old = "return x / 2"
new = "return x"
tests = ["test_double.py"]

[[fault]]
name = "endless"
file = "double.py"
old = "return 2 * x"
new = """while True:
        pass"""
tests = ["test_double.py::test_double"]

[[fault]]
name = "ambiguous"
file = "double.py"
old = "return"
new = "yield"
tests = ["test_double.py"]

[[fault]]
name = "without-tests"
file = "double.py"
old = "return x / 2"
new = "return x"
tests = ["test_double.py::no_such_test"]
'''
FILES = {
    "double.py": "def double(x):\n    return 2 * x\n\n\ndef half(x):\n    return x / 2\n",
    "test_double.py": """
import pytest
from double import double, half

def test_double():
    assert double(2) == 4

@pytest.mark.slow
def test_half():
    assert half(2) == 1
""",
    "pytest.ini": "[pytest]\nmarkers = slow: not run\n",
    "faults.toml": LIST,
}


@pytest.fixture
def faults(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    module = ModuleType("faults")
    module.__file__ = str(SCRIPT)
    monkeypatch.setitem(sys.modules, "faults", module)  # where its dataclass looks for its module
    SourceFileLoader("faults", str(SCRIPT)).exec_module(module)
    return module


@pytest.fixture
def project(faults: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The script in a project of two functions, of which one is tested only by a slow test."""
    for name, text in FILES.items():
        (tmp_path / name).write_text(text)
    subprocess.run(["git", "init", "-q"], cwd=tmp_path, check=True)
    values = {"ROOT": tmp_path, "LIST": tmp_path / "faults.toml", "PYTHON": Path(sys.executable)}
    for name, value in values.items():
        monkeypatch.setattr(faults, name, value)
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")  # the project's tests need none, and start sooner
    return faults


def test_a_fault_is_caught_or_missed(project, capsys):
    """The exit status says whether all were caught. The working tree stays as it was."""
    assert project.main(["off-by-one"]) == 0
    assert project.main(["not-tested", "off-by-one"]) == 1
    assert capsys.readouterr().out.splitlines() == [
        "caught  off-by-one",
        "1 of 1 faults were caught",
        "MISSED  not-tested",
        "caught  off-by-one",
        "1 of 2 faults were caught",
    ]
    assert {name: (project.ROOT / name).read_text() for name in FILES} == FILES


def test_a_fault_that_makes_the_tests_hang_is_caught(project, monkeypatch, capsys):
    monkeypatch.setattr(project, "SECONDS", 3)
    assert project.main(["endless"]) == 0
    assert capsys.readouterr().out.startswith("caught  endless")


@pytest.mark.parametrize(
    "names, message",
    [
        (["ambiguous"], "ambiguous: the old text is 2 times in double.py, must be there once"),
        (["without-tests"], "without-tests: the tests could not run"),
        (["off-by-one", "unknown"], "there is no fault unknown"),
    ],
)
def test_what_cannot_be_tried_is_an_error(project, names, message):
    with pytest.raises(SystemExit, match=f"^faults: {message}"):
        project.main(names)


def test_every_fault_fits_the_project(faults):
    """Every fault's old text is once in its file, its new text differs, and the tests that must catch it exist."""
    for fault in faults.read().values():
        text = (faults.ROOT / fault.file).read_text(encoding="utf-8")
        assert faults.with_fault(fault, text) != text, fault.name
        for test in fault.tests:
            path, *names = test.split("::")
            source = (faults.ROOT / path).read_text(encoding="utf-8")
            kinds = ["def "] if len(names) == 1 else ["class ", "def "]
            assert all(
                f"{kind}{name}(" in source or f"{kind}{name}:" in source for kind, name in zip(kinds, names)
            ), test
