# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""Every board opens as the product it stands for."""

from pathlib import Path

import pytest

import ttnn
from ttnn_emulator.errors import EmulatorError
from ttnn_emulator.install import installed_board
from ttnn_emulator.library.boards import BOARDS, DEFAULT_BOARD, find_board
from ttnn_emulator.tests.subprocesses import emulator, python


@pytest.mark.parametrize("board", [name for name, board in BOARDS.items() if board.chips == 1])
def test_board(board):
    """`test_mesh.py` runs the same checks on the boards of several chips."""
    checks = str(Path(__file__).with_name("board_checks.py"))
    run = python("-m", "pytest", "-q", "-p", "no:cacheprovider", checks, TTNN_EMULATOR_BOARD=board)
    assert run.returncode == 0, run.stdout + run.stderr


def test_dispatch_cores_stay_in_a_row_on_wormhole():
    run = emulator(
        "-c",
        "import torch, ttnn\n"
        "axis = ttnn.DispatchCoreConfig(ttnn.DispatchCoreType.WORKER, ttnn.DispatchCoreAxis.COL)\n"
        "device = ttnn.open_device(device_id=0, dispatch_core_config=axis)\n"
        "x = ttnn.from_torch(torch.zeros(32, 3200), layout=ttnn.TILE_LAYOUT, device=device)\n"
        "print(float(ttnn.to_torch(ttnn.exp(x)).sum()))\n",
    )
    assert run.stdout == "102400.0\n"
    assert "keeps its dispatch cores in a row" in run.stderr


MIXED = """
import torch
import ttnn

mesh = ttnn.open_mesh_device(ttnn.MeshShape(1, 2))
first, second = mesh.create_submeshes(ttnn.MeshShape(1, 1))
x, y = (
    ttnn.from_torch(torch.full((32, 32), v), dtype=ttnn.bfloat16, layout=ttnn.TILE_LAYOUT, device=d)
    for v, d in ((1.0, first), (2.0, second))
)
print(x.buffer_address() == y.buffer_address(), float(ttnn.to_torch(x).mean()), float(ttnn.to_torch(y).mean()))
ttnn.add(x, y)
"""


def test_tensors_of_two_devices_do_not_mix():
    run = emulator("--board", "p300", "-c", MIXED)
    assert run.stdout == "True 1.0 2.0\n"  # the same address of two devices is two places
    assert run.returncode == 1 and len(run.stderr.splitlines()) == 1
    assert "ttnn.add: the tensors lie on different devices; move them to one device first" in run.stderr


@pytest.mark.parametrize("name", ["N150", "4xP150"])
def test_names_are_found_in_any_case(name):
    assert find_board(name).name == name.lower()


def test_an_unknown_board_lists_what_there_is():
    with pytest.raises(
        EmulatorError, match="unknown board 'e75'; choose one of n150, n300, t3k, p100, p150, p300, 4xp150"
    ):
        find_board("e75")


def test_this_process_emulates_the_board_it_says(device):
    assert installed_board().name in BOARDS and DEFAULT_BOARD == "n150"
    assert ttnn.get_arch_name() == installed_board().architecture
