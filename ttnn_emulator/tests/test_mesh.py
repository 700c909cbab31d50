# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""The checks of `mesh_checks.py` and its neighbours, on each mesh in a process of its own."""

import os
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.parametrize(
    "board,file",
    [("p300", "mesh_checks"), ("4xp150", "mesh_checks")]
    + [("n300", "mesh_moves_checks"), ("t3k", "mesh_moves_checks"), ("4xp150", "mesh_moves_checks")]
    + [("t3k", "mesh_parts_checks"), ("4xp150", "mesh_parts_checks")],
)
def test_mesh(board, file):
    checks = Path(__file__).with_name(f"{file}.py")
    result = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(checks)],
        env={**os.environ, "TTNN_EMULATOR_BOARD": board},
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
    )
    assert result.returncode == 0, result.stdout[-6000:] + result.stderr[-2000:]
