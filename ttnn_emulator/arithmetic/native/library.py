# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""This module compiles the C++ files beside it for this CPU, once, and loads the library.

The emulator's cache folder keeps the library. The library's name has a digest of all that it depends on: the sources,
the options, the compiler's version and the CPU.
"""

import ctypes
import functools
import hashlib
import importlib.util
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from ttnn_emulator.errors import EmulatorError
from ttnn_emulator.library.toolchain import cache_folder

_FOLDER = Path(__file__).parent
# No option lets the compiler change a value. It fuses no multiplication with an addition. It assumes only that no code
# reads errno or traps exceptions of floating-point arithmetic.
_OPTIONS = """-O3 -march=native -mprefer-vector-width=512 -std=c++20 -ffp-contract=off -fno-math-errno
    -fno-trapping-math -fPIC -shared -pthread""".split()


@functools.cache
def load() -> ctypes.CDLL:
    """Return the compiled library. The first process that asks for it compiles it, which takes some 20 seconds."""
    compiler = find_compiler()
    path = cache_folder() / f"arithmetic-{_key(compiler)}.so"
    if not path.exists():
        _compile(compiler, path)
    return ctypes.CDLL(str(path))


def find_compiler() -> list[str]:
    """Return the command of a C++ compiler: `$CXX`, else one on PATH, else the one of the package `ziglang`."""
    if os.environ.get("CXX"):
        return shlex.split(os.environ["CXX"])
    for name in ("c++", "g++", "clang++"):
        if shutil.which(name):
            return [name]
    if importlib.util.find_spec("ziglang"):
        return [sys.executable, "-m", "ziglang", "c++"]
    raise EmulatorError(
        "the emulated device compiles its arithmetic and found no C++ compiler: install g++ or clang++, "
        "or `pip install ziglang`, or set CXX"
    )


def _key(compiler: list[str]) -> str:
    version = _run([*compiler, "--version"])
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    cpu = sorted({line for line in lines if line.startswith(("model name", "flags"))})
    sources = [path.read_text() for path in sorted(_FOLDER.glob("*.h")) + sorted(_FOLDER.glob("*.cpp"))]
    return hashlib.sha256("\n".join([*compiler, version, *_OPTIONS, *cpu, *sources]).encode()).hexdigest()[:16]


def _compile(compiler: list[str], path: Path) -> None:
    """Write the library under a temporary name and rename it, so that another process finds all of it or nothing."""
    with tempfile.TemporaryDirectory(dir=path.parent) as folder:
        made = Path(folder) / path.name
        _run([*compiler, *_OPTIONS, str(_FOLDER / "interface.cpp"), "-o", str(made)])
        os.replace(made, path)


def _run(command: list[str]) -> str:
    try:
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout
    except OSError as error:
        raise EmulatorError(f"the C++ compiler does not start: {shlex.join(command)}: {error.strerror}") from None
    except subprocess.CalledProcessError as error:
        raise EmulatorError(f"the C++ compiler failed: {shlex.join(command)}\n{error.stderr}") from None
