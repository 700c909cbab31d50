# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""The checks of `mesh_checks.py` and its neighbours, on each board of several chips in a process of its own."""

from pathlib import Path

import pytest

from ttnn_emulator.tests.subprocesses import REPOSITORY, python


@pytest.mark.parametrize(
    "board, files",
    [
        ("p300", ["board_checks", "mesh_checks"]),
        ("n300", ["board_checks", "fabric_checks", "mesh_moves_checks"]),
        ("t3k", ["board_checks", "fabric_checks", "mesh_parts_checks", "mesh_moves_checks"]),
        ("4xp150", ["board_checks", "fabric_checks", "mesh_checks", "mesh_parts_checks", "mesh_moves_checks"]),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_mesh(board, files):
    checks = [str(Path(__file__).with_name(f"{file}.py")) for file in files]
    result = python("-m", "pytest", "-q", "-p", "no:cacheprovider", *checks, cwd=REPOSITORY, TTNN_EMULATOR_BOARD=board)
    assert result.returncode == 0, result.stdout[-6000:] + result.stderr[-2000:]
