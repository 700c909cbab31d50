# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""The parts of `scripts/upstream_check` that need no whole tt-metal checkout: its copies, refusals and lists."""

import sys
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import ModuleType

import pytest

SCRIPT = Path(__file__).resolve().parents[1] / "upstream_check"
PRE_COMMIT = """
repos:
- repo: https://github.com/psf/black-pre-commit-mirror
  rev: 23.10.1
  hooks:
    - id: black
- repo: https://github.com/adrienverge/yamllint.git
  rev: v1.35.1
"""


@pytest.fixture
def check() -> ModuleType:
    module = ModuleType("upstream_check")
    module.__file__ = str(SCRIPT)
    SourceFileLoader("upstream_check", str(SCRIPT)).exec_module(module)
    return module


@pytest.fixture
def tree(check: ModuleType, tmp_path: Path) -> Path:
    """A folder with the files by which the script recognises a tt-metal checkout."""
    for name in check.NEEDED:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(PRE_COMMIT)
    return tmp_path


def test_another_folder_is_refused(check, tree):
    (tree / "pytest.ini").unlink()
    with pytest.raises(SystemExit, match="not a tt-metal checkout: it has no pytest.ini"):
        check.copy_port(tree)
    assert not (tree / "models" / "bitnet").exists()


def test_a_port_of_someone_else_is_refused_and_kept(check, tree):
    theirs = tree / "models" / "bitnet" / "__init__.py"
    theirs.parent.mkdir()
    theirs.write_text("# theirs\n")
    with pytest.raises(SystemExit, match="not a copy of this project's"):
        check.copy_port(tree)
    assert theirs.read_text() == "# theirs\n"


def test_an_earlier_copy_is_replaced_by_all_of_the_port(check, tree):
    check.copy_port(tree)
    (tree / "models" / "bitnet" / "removed_since.py").write_text("")
    files = check.copy_port(tree)
    port = check.ROOT / "models" / "bitnet"
    assert not (tree / "models" / "bitnet" / "removed_since.py").exists()
    assert Path("models/bitnet/tt/model.py") in files
    assert Path("models/bitnet/demo/tiny/model.safetensors") not in files  # it is copied, but is not text
    for path in port.rglob("*"):
        if path.is_file() and "__pycache__" not in path.parts:
            assert (tree / path.relative_to(check.ROOT)).read_bytes() == path.read_bytes()


def test_versions_are_those_of_the_checkout(check, tree):
    assert check.version(tree, "black-pre-commit-mirror") == "23.10.1"
    assert check.version(tree, "yamllint") == "1.35.1"


def test_what_a_formatter_changes_is_listed_and_changed_back(check, tree):
    files = [Path("good.py"), Path("bad.py")]
    for file, text in zip(files, ("x = 1\n", "x=1\n")):
        (tree / file).write_text(text)
    formatter = "import sys; [open(f, 'w').write('x = 1\\n') for f in sys.argv[1:]]; sys.exit(1)"
    assert check.changed(tree, [sys.executable, "-c", formatter], files) == [Path("bad.py")]
    assert (tree / "bad.py").read_text() == "x=1\n"


def test_a_formatter_that_fails_ends_the_check(check, tree):
    with pytest.raises(SystemExit, match="failed"):
        check.changed(tree, [sys.executable, "-c", "import sys; sys.exit(123)"], [])
