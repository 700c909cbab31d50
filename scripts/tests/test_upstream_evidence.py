# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""`scripts/upstream_evidence` on a tiny tree: its sample, the kinds of results, and a run that was cut off."""

import json
import sys
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import ModuleType

import pytest

from ttnn_emulator.errors import MemoryFault, UnsupportedOperation

SCRIPTS = Path(__file__).resolve().parents[1]
TESTS = """
import os, time, pytest
def test_good(): print("PCC: 0.9991")
def test_bad(): assert 1 == 2, "the values differ"
@pytest.mark.skip(reason="needs 8 devices")
def test_mesh(): pass
def test_dies(): os._exit(3)
def test_slow(): time.sleep(60)
def test_after(): pass
"""


def load(name: str, file: str) -> ModuleType:
    module = ModuleType(name)
    module.__file__ = str(SCRIPTS / file)
    SourceFileLoader(name, module.__file__).exec_module(module)
    return module


@pytest.fixture
def evidence() -> ModuleType:
    return load("upstream_evidence", "upstream_evidence")


@pytest.fixture
def plugin():
    before = list(sys.meta_path)
    yield load("upstream_plugin", "upstream_plugin.py")
    sys.meta_path[:] = before


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    folder = tmp_path / "tree" / "tests" / "ttnn" / "unit_tests"
    folder.mkdir(parents=True)
    (folder / "test_all.py").write_text(TESTS)
    (folder / "test_broken.py").write_text("import there_is_no_such_module\n")
    (tmp_path / "tree" / "pytest.ini").write_text("[pytest]\naddopts = --junitxml=written.xml\n")
    return tmp_path / "tree"


def test_a_seed_draws_the_same_tests_from_any_order(evidence):
    tests = [f"test_{i}" for i in range(50)]
    assert evidence.draw(tests, 7, 1) == evidence.draw(tests[::-1], 7, 1)
    assert evidence.draw(tests, 7, 1) != evidence.draw(tests, 7, 2)
    assert len(set(evidence.draw(tests, 7, 1))) == 7
    assert evidence.draw(tests[:3], 7, 1) == tests[:3]


@pytest.mark.parametrize(
    "error, kind",
    [
        (UnsupportedOperation("ttnn.conv3d has no values"), "not emulated"),
        (MemoryFault("freed"), "error of the emulator"),
        (AttributeError("module 'ttnn' has no attribute 'new'"), "not in the wheel"),
        (ImportError("cannot import name 'new' from 'ttnn' (a.py)"), "not in the wheel"),
        (ImportError("cannot import name 'old' from 'transformers' (a.py)"), "another package or version"),
        (TypeError("value() got an unexpected keyword argument 'bias'"), "other error"),
        (AttributeError("'NoneType' object has no attribute 'shape'"), "other error"),
        (TypeError("add(): incompatible function arguments. The following"), "not in the wheel"),
        (RuntimeError("TT_FATAL @ matmul.cpp:1: shapes"), "refused by the library"),
        (AssertionError("PCC 0.5"), "failed on values"),
        (ValueError("x"), "other error"),
    ],
)
def test_errors_have_kinds(plugin, error, kind):
    assert plugin.classify_error(error) == kind


def test_an_error_that_another_one_caused_keeps_its_kind(plugin):
    error = RuntimeError("wrapped")
    error.__cause__ = UnsupportedOperation("ttnn.conv3d has no values")
    assert plugin.classify_error(error) == "not emulated"


def test_a_skip_for_the_board_is_told_from_others(plugin):
    assert plugin.classify_skip("Requires 8 devices to run") == "another board"
    assert plugin.classify_skip("issue #123: flaky") == "skipped by upstream"


def test_the_share_leaves_out_what_cannot_run(evidence):
    kinds = ["passed"] * 3 + ["failed on values", "not in the wheel", "another board", "skipped by upstream"]
    text = evidence.table([{"outcome": kind, "reason": "r"} for kind in kinds])
    assert "3 of the 4 tests that the wheel can run pass (75.0 %)" in text


def test_a_tree_is_collected_run_and_resumed(evidence, tree, tmp_path):
    build = tmp_path / "build"
    build.mkdir()
    tests, without = evidence.collect(tree, build, "n150")
    assert [test.split("::")[1] for test in tests] == sorted(TESTS.split("def ")[i].split("(")[0] for i in range(1, 7))
    assert [(line["name"].split("/")[-1], line["outcome"]) for line in without] == [("test_broken.py", "not collected")]
    assert "there_is_no_such_module" in without[0]["reason"]

    results = build / "results.jsonl"
    done = {"name": tests[0], "outcome": "passed", "reason": "from before", "pcc": None, "seconds": 0.0}
    results.write_text(json.dumps(done) + "\n" + '{"name": "half a li')
    evidence.cut_half_line(results)
    lines = evidence.run_tests(tree, build, "n150", 5, results, tests)
    found = {line["name"].split("::")[1]: line for line in lines}
    assert {name: line["outcome"] for name, line in found.items()} == {
        "test_good": "passed",
        "test_bad": "failed on values",
        "test_mesh": "another board",
        "test_dies": "ended the process",
        "test_slow": "too long",
        "test_after": "passed",
    }
    assert found["test_good"]["pcc"] == 0.9991
    assert "the values differ" in found["test_bad"]["reason"]
    assert found["test_after"]["reason"] == "from before"
    assert len(lines) == len(tests)
    assert sorted(path.name for path in tree.iterdir()) == ["pytest.ini", "tests"]
