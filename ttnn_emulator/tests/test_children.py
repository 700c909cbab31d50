# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""Programs that an emulating process starts: one that calls `install` too has the device; another gets an error."""

import pytest

from ttnn_emulator.tests.subprocesses import emulator, new_python

NONE = "ttnn_emulator.install-was-not-called-in-this-process"
# the sum on the device that the process finds
TOTAL = """
import sys
import torch
import ttnn

def total():
    device = ttnn.open_device(device_id=0)
    x = ttnn.from_torch(torch.ones(32, 32), dtype=ttnn.bfloat16, layout=ttnn.TILE_LAYOUT, device=device)
    print("sum", float(ttnn.to_torch(ttnn.add(x, x)).sum()), flush=True)
    ttnn.close_device(device)
"""
INSTALL = "import ttnn_emulator\nttnn_emulator.install()\n"


def write(folder, **files):
    for name, text in files.items():
        (folder / f"{name}.py").write_text(text)


@pytest.mark.parametrize(
    "opened", [pytest.param(False, marks=pytest.mark.slow), True], ids=["before_opening", "after_opening"]
)
@pytest.mark.parametrize("install", ["", INSTALL], ids=["unaware", "installs"])
def test_a_script_that_is_run(tmp_path, install, opened):
    start = "import subprocess\nraise SystemExit(subprocess.run([sys.executable, 'child.py']).returncode)\n"
    write(tmp_path, child=install + TOTAL + "total()\n", parent=TOTAL + "total()\n" * opened + start)
    run = emulator("parent.py", cwd=tmp_path)
    sums = "sum 2048.0\n" * (opened + bool(install))
    assert (run.returncode, run.stdout) == (0 if install else 1, sums)
    assert (NONE in run.stderr) is not bool(install)


@pytest.mark.parametrize(
    "method, install, emulated",
    [("fork", "", True), pytest.param("spawn", "", False, marks=pytest.mark.slow), ("spawn", INSTALL, True)],
)
def test_multiprocessing(tmp_path, method, install, emulated):
    start = f"""
if __name__ == "__main__":
    import multiprocessing
    process = multiprocessing.get_context({method!r}).Process(target=total)
    process.start()
    process.join()
    sys.exit(process.exitcode)
"""
    write(tmp_path, parent=install + TOTAL + start)
    run = new_python("-m", "ttnn_emulator", "parent.py", cwd=tmp_path)
    assert (run.returncode, run.stdout) == ((0, "sum 2048.0\n") if emulated else (1, ""))
    assert (NONE in run.stderr) is not emulated


@pytest.mark.parametrize("conftest", ["", pytest.param(INSTALL, marks=pytest.mark.slow)], ids=["unaware", "installs"])
def test_the_workers_of_another_projects_pytest(tmp_path, conftest):
    """pytest runs without the emulator's plugin."""
    tests = "def test_first():\n    total()\n\ndef test_second():\n    total()\n"
    write(tmp_path, test_sums=TOTAL + tests, conftest=conftest)
    options = ("-n", "2", "-rP", "-p", "no:cacheprovider", "-p", "no:ttnn_emulator.pytest_plugin")
    run = emulator("-m", "pytest", *options, cwd=tmp_path)
    if conftest:
        assert run.returncode == 0 and run.stdout.count("\nsum 2048.0\n") == 2
    else:
        assert run.returncode == 1 and "2 failed" in run.stdout and "sum 0.0" not in run.stdout
        assert "E       RuntimeError: Cluster descriptor file does not exist" in run.stdout and NONE in run.stdout
