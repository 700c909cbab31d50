# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""`install` gives a whole device or none: where it fails, a program that goes on computes no zeros."""

import pytest

from ttnn_emulator.tests.subprocesses import python

# install() that should fail, and then what a program would do that goes on all the same
GO_ON = """
import os
import ttnn_emulator

def two():
    import torch, ttnn
    device = ttnn.open_device(device_id=0)
    x = ttnn.from_torch(torch.ones(32, 32), dtype=ttnn.bfloat16, layout=ttnn.TILE_LAYOUT, device=device)
    return ttnn.to_torch(ttnn.add(ttnn.Tensor(x), x))[0, 0].item()

def fail(board=None):
    before = dict(os.environ)
    try:
        ttnn_emulator.install(board)
    except ttnn_emulator.EmulatorError as error:
        print(error)
    assert dict(os.environ) == before and ttnn_emulator.installed_board() is None
    try:
        print(two())
    except RuntimeError as error:
        print(str(error).splitlines()[2])
"""
# a seccomp filter, by which mprotect fails where it is asked for all of these accesses
REFUSE = """
import ctypes, struct
program = b"".join(struct.pack("=HBBI", *instruction) for instruction in (
    (0x20, 0, 0, 0),            # the system call's number
    (0x15, 0, 4, 10),           # other than mprotect: allowed
    (0x20, 0, 0, 32),           # its third argument
    (0x54, 0, 0, {accesses}),
    (0x15, 0, 1, {accesses}),   # not all of these: allowed
    (0x06, 0, 0, 0x50000 | 13), # EACCES
    (0x06, 0, 0, 0x7FFF0000),
))
kept = ctypes.create_string_buffer(program)
header = ctypes.create_string_buffer(struct.pack("@HP", len(program) // 8, ctypes.addressof(kept)))
libc = ctypes.CDLL(None)
no_new_privileges, seccomp, by_filter = 38, 22, 2
assert libc.prctl(no_new_privileges, 1, 0, 0, 0) == 0 and libc.prctl(seccomp, by_filter, header) == 0
"""
EXECUTE, ALL = 4, 7
NO_DEVICE = ("No chips detected in the cluster", "Root Directory is not set.")


def attempt(program: str) -> list[str]:
    """The lines that a program prints, which begins with GO_ON's definitions."""
    return python("-c", program, TT_METAL_DISABLE_BACKTRACE="1", TT_LOGGER_LEVEL="off").stdout.splitlines()


def test_the_command_line_says_what_a_policy_refuses():
    start = "import runpy, sys; sys.argv[1:] = ['-c', '1']; runpy.run_module('ttnn_emulator', run_name='__main__')"
    run = python("-c", REFUSE.format(accesses=EXECUTE) + start, TTNN_EMULATOR_BOARD="p300")
    assert (run.returncode, run.stdout, len(run.stderr.splitlines())) == (2, "", 1)
    assert run.stderr.startswith("ttnn_emulator: a security policy refuses to change the library's code in memory")


@pytest.mark.parametrize("accesses", [EXECUTE, ALL])
def test_a_policy_that_keeps_the_librarys_code_leaves_no_mesh(accesses):
    said, after = attempt(REFUSE.format(accesses=accesses) + GO_ON + "fail('p300')")
    assert said.startswith("a security policy refuses to change the library's code in memory (Permission denied)")
    assert "choose a board of one chip" in said and after in NO_DEVICE


@pytest.mark.parametrize("accesses", [EXECUTE, ALL])
def test_a_policy_that_keeps_the_librarys_code_leaves_one_chip(accesses):
    assert attempt(REFUSE.format(accesses=accesses) + GO_ON + "ttnn_emulator.install('n150'); print(two())") == ["2.0"]


@pytest.mark.parametrize(
    "step",
    [
        "sys.modules['ttnn_emulator.install'], 'prepare'",
        "sys.modules['ttnn_emulator.install'], '_quieten'",
        "importlib.import_module('loguru').logger, 'add'",
        "importlib.import_module('ttnn_emulator.hooks'), 'put_in_place'",
        "importlib.import_module('ttnn_emulator.hooks'), 'replace_constructor'",
    ],
)
def test_a_step_that_fails_leaves_nothing_behind(step):
    """A second attempt gives the device."""
    program = f"""
import importlib, sys
from unittest import mock
import ttnn_emulator
with mock.patch.object({step}, side_effect=ttnn_emulator.EmulatorError("broken")):
    fail()
print(ttnn_emulator.install("p150"), two())
"""
    said, after, *again = attempt(GO_ON + program)
    assert said == "broken" and after in NO_DEVICE and again == ["emulated 2.0"]
