# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""The distribution `ttnn-emulator`: what its archives have, and whether it works without the rest of this repository.

The archives are built as `python -m build --no-isolation` builds them, the wheel from the source archive. The wheel is
installed into an environment of its own, which sees the other packages of the environment that runs the tests.
"""

import os
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

from ttnn_emulator.install import TTNN_VERSION

SOURCE = Path(__file__).resolve().parents[2] / "ttnn_emulator"
BUILD = "import sys; from setuptools import build_meta; getattr(build_meta, sys.argv[1])(sys.argv[2])"
NOT_IN_THE_WHEEL = {"pyproject.toml", "LICENSE", "NOTICE"}  # the wheel has the last two elsewhere
EXAMPLE = re.search(r"```python\n(# total.py.*?)```", (SOURCE / "README.md").read_text(), re.DOTALL)[1]


def files_of(folder: Path) -> set[str]:
    """The files that belong to the project in a folder, relative to it."""
    ignored = ("__pycache__", "ttnn_emulator.egg-info", "build", "dist")
    files = (path.relative_to(folder) for path in folder.rglob("*") if path.is_file())
    return {str(file) for file in files if not set(file.parts) & set(ignored)}


def run(*command: object, folder: Path) -> subprocess.CompletedProcess:
    """Run a command in a folder, with nothing of this repository on Python's path."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "PYTEST", "TT"))}
    return subprocess.run(list(map(str, command)), cwd=folder, env=environment, capture_output=True, text=True)


def built(kind: str, project: Path, archives: Path) -> Path:
    done = run(sys.executable, "-c", BUILD, f"build_{kind}", archives, folder=project)
    assert done.returncode == 0, done.stdout + done.stderr
    (archive,) = archives.iterdir()
    return archive


@pytest.fixture(scope="module")
def source_archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    project = tmp_path_factory.mktemp("project") / "ttnn_emulator"
    shutil.copytree(SOURCE, project, ignore=shutil.ignore_patterns("__pycache__", "*.egg-info", "build", "dist"))
    return built("sdist", project, tmp_path_factory.mktemp("sdist"))


@pytest.fixture(scope="module")
def wheel(source_archive: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("unpacked")
    with tarfile.open(source_archive) as archive:
        archive.extractall(folder)
    (project,) = folder.iterdir()
    return built("wheel", project, tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="module")
def python(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Python of an environment that has the wheel."""
    folder = tmp_path_factory.mktemp("environment")
    executable = folder / "bin" / "python"
    install = (sys.executable, "-m", "pip", "--python", executable, "install", "--no-deps", "--no-index", wheel)
    for command in ((sys.executable, "-m", "venv", "--without-pip", folder), install):
        done = run(*command, folder=folder)
        assert done.returncode == 0, done.stdout + done.stderr
    (packages,) = folder.glob("lib/python*/site-packages")
    # Python searches these folders for packages. It heeds none of their .pth files, such as those of editable projects.
    (packages / "others.pth").write_text("\n".join(path for path in sys.path if path.endswith("site-packages")))
    return executable


def test_the_source_archive_has_every_file(source_archive: Path) -> None:
    with tarfile.open(source_archive) as archive:
        files = {name.partition("/")[2] for name in archive.getnames()}
    assert not files_of(SOURCE) - files


def test_the_wheel_has_every_file_and_no_other_package(wheel: Path) -> None:
    archive = zipfile.ZipFile(wheel)
    names = set(archive.namelist())
    about = {name for name in names if name.partition("/")[0].endswith(".dist-info")}
    assert names - about == {f"ttnn_emulator/{name}" for name in files_of(SOURCE) - NOT_IN_THE_WHEEL}
    assert {name.rpartition("/")[2] for name in about if "/licenses/" in name} == {"LICENSE", "NOTICE"}
    (metadata,) = (name for name in about if name.endswith("/METADATA"))
    assert f"\nRequires-Dist: ttnn=={TTNN_VERSION}\n" in archive.read(metadata).decode()


def test_the_example_of_the_readme_runs_elsewhere(python: Path, tmp_path: Path) -> None:
    """It runs as a program by the command, and as a test by the plugin."""
    (tmp_path / "test_total.py").write_text(EXAMPLE)
    script = run(python.with_name("ttnn-emulator"), "test_total.py", folder=tmp_path)
    assert (script.returncode, script.stdout, script.stderr) == (0, "the sum is 2048.0\n", "")
    test = run(python, "-m", "pytest", "test_total.py", folder=tmp_path)
    assert test.returncode == 0 and "1 passed" in test.stdout, test.stdout + test.stderr
    assert "\nttnn: runs on an emulated n150\n" in test.stdout


def test_the_ledger_is_compared_elsewhere_and_fails_without_its_record(python: Path, tmp_path: Path) -> None:
    ledger = (python, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--pyargs", "ttnn_emulator.tests.test_ledger")
    done = run(*ledger, "-k", "test_case and scalar", folder=tmp_path)
    assert done.returncode == 0 and " passed" in done.stdout and "skipped" not in done.stdout, done.stdout + done.stderr
    (record,) = python.parents[1].glob("lib/python*/site-packages/ttnn_emulator/ledger/simulator_wh.safetensors")
    kept = record.rename(tmp_path / record.name)
    done = run(*ledger, folder=tmp_path)
    kept.rename(record)
    assert done.returncode == pytest.ExitCode.INTERRUPTED and "simulator_wh.safetensors" in done.stdout, done.stdout
