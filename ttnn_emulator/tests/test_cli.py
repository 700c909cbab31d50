# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""The ways in: the command line, `install`, the cache, and what is said when something is wrong."""

import importlib.metadata
import subprocess
import sys

import pytest

import ttnn_emulator
from ttnn_emulator import EmulatorError, install
from ttnn_emulator.__main__ import main
from ttnn_emulator.tests.subprocesses import emulator, environment, python

PROGRAM = """
import sys
import torch
import ttnn

device = ttnn.open_device(device_id=0)
x = ttnn.from_torch(torch.ones(32, 32), dtype=ttnn.bfloat16, layout=ttnn.TILE_LAYOUT, device=device)
print(float(ttnn.to_torch(ttnn.add(x, x)).sum()), sys.argv[1:], __name__)
ttnn.close_device(device)
"""


def said(process):
    """What a failed run printed: one line, to standard error."""
    assert process.stdout == "" and "Traceback" not in process.stderr
    lines = process.stderr.splitlines()
    assert len(lines) == 1, process.stderr
    return lines[0]


def here(monkeypatch, capsys, *arguments):
    """The command in this process, which has the device: its exit status, its output and its errors."""
    monkeypatch.setattr(sys, "argv", ["ttnn_emulator", *arguments])
    monkeypatch.setattr(sys, "path", [*sys.path])
    try:
        status = main()
    except SystemExit as end:
        status = end.code
    return status, *capsys.readouterr()


def test_a_script_runs_unmodified_and_the_terminal_is_its_own(tmp_path):
    (tmp_path / "helper.py").write_text("VALUE = 1")
    (tmp_path / "program.py").write_text("import helper\n" + PROGRAM)
    run = emulator("program.py", "--board", "mine", "-v", cwd=tmp_path)
    assert (run.returncode, run.stderr) == (0, "")
    assert run.stdout == "2048.0 ['--board', 'mine', '-v'] __main__\n"
    assert sorted(p.name for p in tmp_path.iterdir() if p.name != "__pycache__") == ["helper.py", "program.py"]


def test_a_module(tmp_path):
    (tmp_path / "program.py").write_text(PROGRAM)
    run = emulator("-m", "program", "a", "b", cwd=tmp_path)
    assert (run.returncode, run.stderr, run.stdout) == (0, "", "2048.0 ['a', 'b'] __main__\n")


def test_code_that_leaves_its_device_open():
    """The device is closed at the end in silence."""
    run = emulator("-c", PROGRAM.replace("ttnn.close_device(device)", "y = ttnn.add(x, 1.0)"), "a")
    assert (run.returncode, run.stderr, run.stdout) == (0, "", "2048.0 ['a'] __main__\n")


def test_the_programs_own_log_lines_stay():
    run = emulator("-c", "import ttnn; from loguru import logger; logger.info('working')")
    assert len(run.stderr.splitlines()) == 1 and "working" in run.stderr


def test_verbose_leaves_the_librarys_log_on():
    assert "Opening" in emulator("-v", "-c", PROGRAM).stdout or emulator("-v", "-c", PROGRAM).stderr


def test_an_exit_status_and_a_failure_are_the_programs_own(tmp_path, monkeypatch, capsys):
    assert here(monkeypatch, capsys, "-c", "import sys; sys.exit(7)") == (7, "", "")
    (tmp_path / "wrong.py").write_text("def f():\n    raise ValueError('mine')\n\n\nf()\n")
    run = emulator("wrong.py", cwd=tmp_path)
    assert run.returncode == 1 and "ValueError: mine" in run.stderr


def test_an_emulator_error_names_the_programs_line(tmp_path):
    program = PROGRAM.replace("print(", "ttnn.deallocate(x)\nprint(")
    (tmp_path / "late.py").write_text(program)
    line = next(i for i, text in enumerate(program.splitlines(), 1) if text.startswith("print("))
    run = emulator("late.py", cwd=tmp_path)
    assert run.returncode == 1
    assert said(run).startswith(f"late.py:{line}: ttnn_emulator: ttnn.add: the tensor [32, 32] was deallocated")


def test_ops_lists_operations(monkeypatch, capsys):
    status, output, errors = here(monkeypatch, capsys, "--ops")
    names = [line.split()[0] for line in output.splitlines()]
    assert (status, errors) == (0, "")
    assert names == sorted(names) and {"ttnn.add", "ttnn.matmul", "ttnn.rms_norm"} <= set(names)


def test_board_option_and_variable():
    code = "import ttnn; print(ttnn.get_arch_name())"
    assert emulator("-c", code, TTNN_EMULATOR_BOARD="P100").stdout == "blackhole\n"
    assert emulator("--board", "N150", "-c", code, TTNN_EMULATOR_BOARD="p100").stdout == "wormhole_b0\n"


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["--board", "n151", "-c", "1"], "unknown board 'n151'; choose one of n150, n300, t3k"),
        (["nowhere.py"], "there is no file nowhere.py"),
        (["-m", "no_such_module_here"], "there is no module no_such_module_here"),
    ],
    ids=["board", "script", "module"],
)
def test_bad_input_is_one_line(arguments, message, monkeypatch, capsys):
    status, output, errors = here(monkeypatch, capsys, *arguments)
    assert (status, output, len(errors.splitlines())) == (2, "", 1)
    assert message in errors


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"TTNN_EMULATOR_BOARD": "x"}, "unknown board 'x'; choose one of"),
        ({"TTNN_CONFIG_OVERRIDES": '{"enable_fast_runtime_mode": false}'}, "fast runtime mode"),
    ],
    ids=["board", "slow_mode"],
)
def test_a_bad_environment_is_one_line(changes, message):
    run = emulator("-c", "1", **changes)
    assert run.returncode == 2 and message in said(run)


def test_nothing_to_run_shows_the_usage(monkeypatch, capsys):
    status, _, errors = here(monkeypatch, capsys)
    assert status == 2 and "give a script" in errors


def test_another_ttnn_version_is_refused(monkeypatch):
    monkeypatch.setattr(ttnn_emulator.install.__globals__["importlib"].metadata, "version", lambda _: "0.60.0")
    with pytest.raises(EmulatorError, match=r"ttnn 0.60.0 is installed; the emulated device needs ttnn==0.81.1"):
        install.__globals__["_wheel"]()


def test_a_missing_ttnn_is_refused(monkeypatch):
    monkeypatch.setattr(install.__globals__["importlib"].util, "find_spec", lambda _: None)
    with pytest.raises(EmulatorError, match=r"ttnn is not installed; `pip install ttnn==0.81.1`"):
        install.__globals__["_wheel"]()


def test_the_supported_version_is_the_pinned_one():
    assert importlib.metadata.version("ttnn") == install.__globals__["TTNN_VERSION"]


def test_install_twice():
    run = python(
        "-c",
        """
import ttnn_emulator
print(ttnn_emulator.installed_board(), *[ttnn_emulator.install(board) for board in ("p150", None, "P150")])
try:
    ttnn_emulator.install("n150")
except ttnn_emulator.EmulatorError as error:
    print(error)
""",
    )
    assert run.stderr == ""
    first, second = run.stdout.splitlines()
    assert first == "None emulated emulated emulated"
    assert second.startswith("this process already emulates p150;") and second.endswith(
        "start another process for n150"
    )


def test_record_before_install():
    run = python("-c", "import ttnn_emulator\nwith ttnn_emulator.record(): pass")
    assert "call ttnn_emulator.install() first" in run.stderr.splitlines()[-1]


def test_a_simulator_wins():
    run = python("-c", "import ttnn_emulator; print(ttnn_emulator.install())", TT_METAL_SIMULATOR="/some/libttsim.so")
    assert (run.stdout, run.stderr) == ("simulator\n", "")


def test_nothing_is_written_outside_the_cache(tmp_path):
    home, cache, here = (tmp_path / name for name in ("home", "cache", "here"))
    for folder in (home, cache, here):
        folder.mkdir()
    run = emulator("-c", PROGRAM, cwd=here, HOME=str(home), XDG_CACHE_HOME=str(cache))
    assert (run.returncode, run.stderr) == (0, "")
    assert [p.name for p in cache.iterdir()] == ["ttnn_emulator"]
    assert list(home.iterdir()) == [] and list(here.iterdir()) == []


def test_processes_that_start_at_once_share_the_cache(tmp_path):
    processes = [
        subprocess.Popen(
            [sys.executable, "-m", "ttnn_emulator", "-c", PROGRAM],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=tmp_path,
            env=environment(XDG_CACHE_HOME=str(tmp_path)),
        )
        for _ in range(2)
    ]
    for process in processes:
        output, errors = process.communicate(timeout=120)
        assert (process.returncode, output, errors) == (0, "2048.0 [] __main__\n", "")


def test_a_half_written_cache_is_repaired(tmp_path):
    assert emulator("-c", PROGRAM, XDG_CACHE_HOME=str(tmp_path)).returncode == 0
    damaged = 0
    for path in sorted(tmp_path.rglob("*")):
        if path.suffix == ".elf" or path.name.endswith("g++"):
            if not path.is_symlink() and path.is_file():
                path.write_bytes(path.read_bytes()[:10])
                damaged += 1
    links = [path for path in tmp_path.rglob("*") if path.is_symlink()]
    for link in links:
        link.unlink()
    assert damaged >= 2 and len(links) == 4
    run = emulator("-c", PROGRAM, XDG_CACHE_HOME=str(tmp_path))
    assert (run.returncode, run.stdout, run.stderr) == (0, "2048.0 [] __main__\n", "")


def test_a_cache_folder_that_cannot_be_used_is_passed_over(tmp_path):
    """The next one is taken, here under the home. test_toolchain.py has other folders that cannot be used."""
    name = "{}/with space, 'quotes', $dollar;"
    home, here = tmp_path / "home", tmp_path / "here"
    home.mkdir()
    here.mkdir()
    run = emulator("-c", PROGRAM, cwd=here, HOME=str(home), XDG_CACHE_HOME=name.format(tmp_path))
    assert (run.returncode, run.stdout, run.stderr) == (0, "2048.0 [] __main__\n", "")
    assert (home / ".cache" / "ttnn_emulator").is_dir() and list(here.iterdir()) == []


def test_without_a_home(tmp_path):
    variables = environment(TMPDIR=str(tmp_path), HOME=None)
    variables.pop("XDG_CACHE_HOME", None)
    command = [sys.executable, "-m", "ttnn_emulator", "-c", PROGRAM]
    run = subprocess.run(command, env=variables, cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert (run.returncode, run.stdout, run.stderr) == (0, "2048.0 [] __main__\n", "")


def test_the_cache_is_deleted_under_a_running_program(tmp_path):
    """New programs and newly opened devices work all the same."""
    program = """
import os, shutil, torch, ttnn
for operation in (ttnn.add, ttnn.multiply):
    device = ttnn.open_device(device_id=0)
    x = ttnn.from_torch(torch.full((32, 32), 3.0), dtype=ttnn.bfloat16, layout=ttnn.TILE_LAYOUT, device=device)
    print(ttnn.to_torch(operation(x, x))[0, 0].item())
    shutil.rmtree(os.environ["XDG_CACHE_HOME"])
    print(ttnn.to_torch(ttnn.subtract(x, x))[0, 0].item())
    ttnn.close_device(device)
"""
    run = emulator("-c", program, XDG_CACHE_HOME=str(tmp_path / "cache"))
    assert (run.returncode, run.stdout, run.stderr) == (0, "6.0\n0.0\n9.0\n0.0\n", "")


def test_a_closed_error_stream(tmp_path):
    command = f"{sys.executable} -m ttnn_emulator -c '{PROGRAM}' 2>&-"
    run = subprocess.run(["sh", "-c", command], env=environment(), cwd=tmp_path, capture_output=True, text=True)
    assert (run.returncode, run.stdout) == (0, "2048.0 [] __main__\n")
