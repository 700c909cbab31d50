# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""`scripts/setup` with a Python that installs nothing: which build of PyTorch it asks pip for."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

SETUP = Path(__file__).resolve().parents[1] / "setup"
CPU_BUILDS = "https://download.pytorch.org/whl/cpu"
# It makes a virtual environment by copying itself. The file `reachable` says whether the index answers.
PYTHON = """#!/bin/sh
case "$*" in
    "-m venv"*) mkdir -p .venv/bin && cp "$0" .venv/bin/python ;;
    "-m pip"*) echo "$*" > pip ;;
    *urlopen*) [ -f reachable ] ;;
    *version*torch*) echo 1.2.3 ;;
esac
"""
NO_CARD = pytest.mark.skipif(bool(list(Path("/dev").glob("nvidia*"))), reason="an NVIDIA card gets PyPI's build")


def run_setup(folder: Path, reachable: bool, card: bool) -> tuple[str, str]:
    """What it says, and the arguments that pip got."""
    (folder / "scripts").mkdir()
    shutil.copy(SETUP, folder / "scripts")
    (folder / "ttnn_emulator").mkdir()
    for project in (folder, folder / "ttnn_emulator"):
        (project / "pyproject.toml").write_text("")
    (folder / "bin").mkdir()
    for name in ["python3.12"] + ["nvidia-smi"] * card:
        (folder / "bin" / name).write_text(PYTHON)
        (folder / "bin" / name).chmod(0o755)
    if reachable:
        (folder / "reachable").touch()
    environment = {**os.environ, "PATH": f"{folder / 'bin'}:{os.environ['PATH']}"}
    done = subprocess.run(
        [folder / "scripts" / "setup"], env=environment, check=True, capture_output=True, encoding="utf-8"
    )
    return done.stdout, (folder / "pip").read_text()


@NO_CARD
def test_the_cpu_build_is_taken_where_its_index_answers(tmp_path):
    said, pip = run_setup(tmp_path, reachable=True, card=False)
    assert f"--extra-index-url {CPU_BUILDS} --editable" in pip
    assert "PyTorch is 1.2.3, and .venv takes" in said


def test_the_build_of_pypi_is_taken_where_the_index_does_not_answer(tmp_path):
    _, pip = run_setup(tmp_path, reachable=False, card=False)
    assert "index" not in pip and "--editable ttnn_emulator --editable .[test,lint]" in pip


def test_the_build_of_pypi_is_taken_where_an_nvidia_card_is(tmp_path):
    _, pip = run_setup(tmp_path, reachable=True, card=True)
    assert "index" not in pip and "--editable ttnn_emulator --editable .[test,lint]" in pip
