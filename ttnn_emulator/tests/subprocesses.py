# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""Running the emulator in a process of its own: a process has one board for all its life."""

import functools
import os
import shutil
import subprocess
import sys
from pathlib import Path

from ttnn_emulator.arithmetic.native.library import load
from ttnn_emulator.tests.prepared import SECONDS, Prepared

REPOSITORY = Path(__file__).parents[2]


def environment(**changes: str | None) -> dict[str, str]:
    """Return this process's environment without what an installed emulator put there, and with `changes`.

    A cache folder that is empty or not there gets the compiled arithmetic, which takes long to compile.
    """
    cache = Path(changes.get("XDG_CACHE_HOME") or REPOSITORY)
    if cache.is_absolute() and cache != REPOSITORY and (not cache.exists() or cache.is_dir()):
        _give_arithmetic(cache / "ttnn_emulator")
    kept = {
        key: value
        for key, value in os.environ.items()
        if not key.startswith(("TT_", "TTNN_", "LOGURU", "PYTEST", "COV_"))
    }
    kept |= {"PYTHONPATH": str(REPOSITORY), "OMP_NUM_THREADS": "1"}
    kept |= {key: value for key, value in changes.items() if value is not None}
    return {key: value for key, value in kept.items() if changes.get(key, "") is not None}


def _give_arithmetic(folder: Path) -> None:
    if folder.exists() or not os.access(next(p for p in folder.parents if p.exists()), os.W_OK):
        return
    folder.mkdir(mode=0o700, parents=True)
    shutil.copy(load()._name, folder)


def python(*arguments: str, cwd: Path | None = None, **changes: str | None) -> subprocess.CompletedProcess:
    """Run `python -c CODE ...` or `python -m MODULE ...` in a child of the prepared process."""
    return _prepared().run(arguments, cwd or Path.cwd(), environment(**changes))


def new_python(*arguments: str, cwd: Path) -> subprocess.CompletedProcess:
    """Run `python ARGUMENTS` in a new process. multiprocessing's spawn needs one: it repeats its parent's start."""
    command = [sys.executable, *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, cwd=cwd, env=environment())


@functools.cache
def _prepared() -> Prepared:
    return Prepared()


def emulator(*arguments: str, cwd: Path | None = None, **changes: str | None) -> subprocess.CompletedProcess:
    """`python -m ttnn_emulator` with these arguments."""
    return python("-m", "ttnn_emulator", *arguments, cwd=cwd, **changes)
