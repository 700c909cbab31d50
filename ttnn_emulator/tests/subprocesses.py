# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""Running the emulator in a process of its own: a process has one board for all its life."""

import os
import subprocess
import sys
from pathlib import Path

REPOSITORY = Path(__file__).parents[2]


def environment(**changes: str | None) -> dict[str, str]:
    """This process's environment without what an installed emulator put there, and with `changes`."""
    kept = {
        key: value
        for key, value in os.environ.items()
        if not key.startswith(("TT_", "TTNN_", "LOGURU", "PYTEST", "COV_"))
    }
    kept |= {"PYTHONPATH": str(REPOSITORY), "OMP_NUM_THREADS": "1"}
    kept |= {key: value for key, value in changes.items() if value is not None}
    return {key: value for key, value in kept.items() if changes.get(key, "") is not None}


def python(*arguments: str, cwd: Path | None = None, **changes: str | None) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, *arguments],
        capture_output=True,
        text=True,
        timeout=600,
        cwd=cwd,
        env=environment(**changes),
        stdin=subprocess.DEVNULL,
    )


def emulator(*arguments: str, cwd: Path | None = None, **changes: str | None) -> subprocess.CompletedProcess:
    """`python -m ttnn_emulator` with these arguments."""
    return python("-m", "ttnn_emulator", *arguments, cwd=cwd, **changes)
