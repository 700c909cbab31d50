# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""The pytest plugin in folders of tests that know nothing of it."""

import subprocess
from pathlib import Path

import pytest

from ttnn_emulator.tests.subprocesses import new_python, python

PLUGIN = "ttnn_emulator.pytest_plugin"
SUM = """
import torch
import ttnn

def total(device):
    x = ttnn.from_torch(torch.ones(32, 32), dtype=ttnn.bfloat16, layout=ttnn.TILE_LAYOUT, device=device)
    return float(ttnn.to_torch(ttnn.add(x, x)).sum())
"""


def run(folder: Path, *options: str, **variables: str) -> subprocess.CompletedProcess:
    return python("-m", "pytest", "-p", "no:cacheprovider", "-p", PLUGIN, *options, cwd=folder, **variables)


def write(folder: Path, **files: str) -> None:
    for name, text in files.items():
        (folder / f"{name}.py").write_text(text)


FIXTURES = """
import random
import numpy
import pytest

def test_device(device, reset_seeds):
    assert total(device) == 2048 and ttnn.get_arch_name() == "wormhole_b0"
    assert random.random() == random.Random(213919).random()
    assert numpy.random.rand() == numpy.random.RandomState(213919).rand()
    assert torch.equal(torch.rand(3), torch.rand(3, generator=torch.Generator().manual_seed(213919)))

@pytest.mark.parametrize("device_params", [{"l1_small_size": 32768}], indirect=True)
def test_parameters(device, device_params):
    assert total(device) == 2048 and device_params["l1_small_size"] == 32768

@pytest.mark.use_module_device({"l1_small_size": 16384})
def test_parameters_of_a_marker(device_params):
    assert device_params == {"l1_small_size": 16384}

@pytest.mark.parametrize("mesh_device", [2, (2, 1)], indirect=True)
@pytest.mark.parametrize("device_params", [{"fabric_config": ttnn.FabricConfig.FABRIC_1D}], indirect=True)
def test_meshes(mesh_device):
    assert tuple(mesh_device.shape) in ((1, 2), (2, 1)) and total(mesh_device) == 2 * 2048

def test_whole_mesh(mesh_device):
    assert tuple(mesh_device.shape) == (1, 2)

@pytest.mark.parametrize("mesh_device", [(1, 4)], indirect=True)
def test_more_chips_than_there_are(mesh_device):
    assert False
"""


def test_fixtures_and_the_board_in_a_worker_of_xdist(tmp_path: Path) -> None:
    """The folder's conftest imports ttnn before its tests do."""
    composed = "ttnn.to_torch(ttnn.add(x, x), mesh_composer=ttnn.ConcatMeshToTensor(device, dim=0))"
    tests = SUM.replace("ttnn.to_torch(ttnn.add(x, x))", composed) + FIXTURES
    write(tmp_path, conftest="import ttnn", test_fixtures=tests)
    done = run(tmp_path, "-n", "1", "--strict-markers", "--ttnn-board", "n300")
    assert done.returncode == 0 and "6 passed, 1 skipped" in done.stdout, done.stdout + done.stderr


OWN = """
import pytest

pytest_plugins = ["ttnn_emulator.pytest_plugin"]

@pytest.fixture
def device():
    return "the repository's own"
"""


def test_a_conftest_loads_the_plugin_and_has_a_fixture_of_its_own(tmp_path: Path) -> None:
    tests = "def test_it(device, mesh_device):\n    assert device == 'the repository\\'s own'\n"
    write(tmp_path, conftest=OWN, test_it=SUM + tests + "    assert total(mesh_device) == 2048\n")
    alone = {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}  # pytest loads no installed plugin by itself
    done = python("-m", "pytest", "--ttnn-board", "p100", cwd=tmp_path, **alone)
    assert done.returncode == 0 and "ttnn: runs on an emulated p100" in done.stdout, done.stdout + done.stderr


def test_tests_that_do_not_import_ttnn_load_nothing(tmp_path: Path) -> None:
    write(
        tmp_path,
        test_it="import sys\ndef test_it():\n    assert not {'torch', 'ttnn'} & set(sys.modules)\n",
    )
    done = new_python("-m", "pytest", "-p", PLUGIN, cwd=tmp_path)
    assert done.returncode == 0 and "1 passed" in done.stdout, done.stdout + done.stderr


def test_a_simulator_is_left_alone(tmp_path: Path) -> None:
    tests = "import ttnn\nimport ttnn_emulator\ndef test_it():\n    assert ttnn_emulator.installed_board() is None\n"
    write(tmp_path, test_it=tests)
    done = run(tmp_path, "--ttnn-board", "p100", TT_METAL_SIMULATOR="/some/libttsim.so")
    assert done.returncode == 0 and "1 passed" in done.stdout and "emulated" not in done.stdout + done.stderr


def test_an_unknown_board_is_one_line(tmp_path: Path) -> None:
    done = run(tmp_path, "--ttnn-board", "n151")
    assert done.returncode == pytest.ExitCode.USAGE_ERROR and done.stdout == ""
    assert done.stderr.strip().startswith("ERROR: unknown board 'n151'; choose one of n150,")


def test_every_import_of_ttnn_fails_without_a_device(tmp_path: Path) -> None:
    """A file that is collected after the first error has no device that gives zeros."""
    write(tmp_path, test_first=SUM, test_second=SUM)
    done = run(tmp_path, CXX="/no/compiler")
    assert done.returncode == pytest.ExitCode.INTERRUPTED
    errors = [line for line in done.stdout.splitlines() if line.startswith("E ")]
    assert len(errors) == 2, done.stdout
    assert all("EmulatorError: the C++ compiler does not start" in line for line in errors), done.stdout


ALIVE = """
import atexit
import ctypes
import sys

atexit.register(lambda: print("the last words", file=sys.stderr))

def test_it(device):
    import torch, ttnn
    x = ttnn.from_torch(torch.ones(32, 32), dtype=ttnn.bfloat16, layout=ttnn.TILE_LAYOUT, device=device)
    ctypes.pythonapi.Py_IncRef(ctypes.py_object(x))
"""


@pytest.mark.parametrize("options", [(), ("-vv",)], ids=["quiet", "verbose"])
def test_a_tensor_that_is_alive_at_exit_is_not_reported(tmp_path: Path, options: tuple[str, ...]) -> None:
    """What others print at exit stays."""
    write(tmp_path, test_it=ALIVE)
    done = run(tmp_path, *options, TT_LOGGER_LEVEL="off")
    assert done.returncode == 0 and "1 passed" in done.stdout, done.stdout + done.stderr
    assert done.stderr == "the last words\n"
