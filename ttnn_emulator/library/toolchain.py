# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""The files the library must find before it starts: a cluster description, a compiler, a runtime root.

Everything is made under one cache folder (`cache_folder`). Each file is written under a temporary
name and renamed, so that processes starting at the same time, or one that is killed half-way, leave it whole.
"""

import fcntl
import hashlib
import os
import re
import stat
import tempfile
from pathlib import Path

from ttnn_emulator.errors import EmulatorError
from ttnn_emulator.library.boards import Board
from ttnn_emulator.library.placeholder_elf import placeholder_elf

_COMPILER_PATH = Path("runtime/sfpi/compiler/bin/riscv-tt-elf-g++")
_DESCRIPTOR = (
    200  # the least number of the open file that holds the cluster description: no other process has it by chance
)
_PLAIN = re.compile(r"[\w./+@%=:,~-]+")  # what a shell takes as it is

# Prints the version the library expects and answers every compile and link with placeholder bytes; a dependency file
# goes beside each object because the build cache reads it. Pure POSIX shell: it is started ten times per new program.
_COMPILER = """#!/bin/sh
if [ "$1" = --version ]; then echo 'riscv-tt-elf-g++ (tenstorrent/sfpi:{version}) 15.1.0'; exit; fi
source=unknown
while [ $# -gt 0 ]; do
  case $1 in
    -o) shift; out=$1 ;;
    -*) ;;
    *) source=$1 ;;
  esac
  shift
done
case $out in
  *.elf) cp '{elf}' "$out" ;;
  *.o) echo "$out: $source" > "${{out%.o}}.d"; echo o > "$out" ;;
  *) echo x > "$out" ;;
esac
"""


def cache_folder() -> Path:
    """The one folder the emulated device writes to: in `$XDG_CACHE_HOME`, else `~/.cache`, else the system's folder for
    temporary files. A folder that cannot be written, that another user owns or may write to (compiled functions are
    loaded from it), or that the library's command lines would tear apart, is passed over; so is a relative one, as the
    XDG specification says."""
    home = os.path.expanduser("~")
    candidates = [
        Path(os.environ.get("XDG_CACHE_HOME", "")) / "ttnn_emulator",
        Path(home) / ".cache" / "ttnn_emulator",
        Path(tempfile.gettempdir()) / f"ttnn_emulator-{os.getuid()}",
    ]
    for folder in candidates:
        if folder.is_absolute() and _PLAIN.fullmatch(str(folder)) and _is_ours(folder):
            return folder
    tried = ", ".join(map(str, candidates))
    raise EmulatorError(
        f"no folder to write to that is this user's alone ({tried}); set XDG_CACHE_HOME to one without spaces or quotes"
    )


def _is_ours(folder: Path) -> bool:
    """Return whether the folder exists, or could be made, and nobody but this user can change what is in it."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        link, found = folder.lstat(), folder.stat()
    except OSError:
        return False
    mine = link.st_uid == found.st_uid == os.getuid()
    return mine and not found.st_mode & (stat.S_IWGRP | stat.S_IWOTH) and os.access(folder, os.W_OK | os.X_OK)


def open_descriptor(board: Board) -> int:
    """The cluster description as an open file of this process and of those forked from it, which no started program
    inherits."""
    first = os.memfd_create(board.name)
    os.write(first, board.descriptor().encode())
    descriptor = fcntl.fcntl(first, fcntl.F_DUPFD_CLOEXEC, _DESCRIPTOR)
    os.close(first)
    return descriptor


def prepare(board: Board, wheel: Path, descriptor: int) -> dict[str, str]:
    """Make the files for `board` and return the environment that points the library (installed at `wheel`) to them.

    It points to the open file `descriptor` through a link that leads nowhere in a process which has no such file. The
    library names the link in its error, so that the link's name says what that process lacks.
    """
    sfpi = _sfpi_version(wheel)
    # The name of the folder has whatever decides the files' content. Another version never meets these files.
    content = (str(wheel), sfpi, _COMPILER, placeholder_elf().hex())
    key = hashlib.sha256("\n".join(content).encode()).hexdigest()[:12]
    folder = cache_folder() / key
    root = folder / "root"
    compiler = root / _COMPILER_PATH
    elf = folder / "placeholder.elf"
    cluster = folder / f"ttnn_emulator.install-was-not-called-in-this-process.{descriptor}"
    _write(elf, placeholder_elf())
    _write(compiler, _COMPILER.format(version=sfpi, elf=elf).encode(), mode=0o755)
    _link(cluster, Path(f"/proc/self/fd/{descriptor}"))
    for link, target in {
        "tt_metal": wheel / "tt_metal",
        "ttnn": wheel / "ttnn",
        "runtime/hw": wheel / "runtime" / "hw",
    }.items():
        _link(root / link, target)
    return {
        "TT_METAL_MOCK_CLUSTER_DESC_PATH": str(cluster),
        "TT_METAL_RUNTIME_ROOT": str(root),
        "TT_METAL_CACHE": str(folder / "kernels" / board.name),
        "TT_METAL_LOGS_PATH": str(folder / "logs"),
    }


def restore(board: Board, wheel: Path, descriptor: int) -> bool:
    """Make the files again where the running library looks for them, if they were deleted. True if they were."""
    compiler = Path(os.environ["TT_METAL_RUNTIME_ROOT"]) / _COMPILER_PATH
    if compiler.exists():
        return False
    prepare(board, wheel, descriptor)
    return compiler.exists()


def _sfpi_version(wheel: Path) -> str:
    """Return the compiler version that the library asks for, such as `7.89.0[1050]`."""
    fields = dict(
        line.split("=", 1) for line in (wheel / "tt_metal" / "sfpi-version").read_text().splitlines() if "=" in line
    )
    return f"{fields['sfpi_version']}[{fields['sfpi_build']}]".replace("'", "")


def _write(path: Path, content: bytes, mode: int = 0o644) -> None:
    if path.exists() and path.read_bytes() == content:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent)
    with os.fdopen(handle, "wb") as file:
        file.write(content)
    os.chmod(temporary, mode)
    os.replace(temporary, path)


def _link(link: Path, target: Path) -> None:
    if link.is_symlink() and link.readlink() == target:
        return
    link.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=link.parent) as folder:
        temporary = Path(folder) / link.name
        temporary.symlink_to(target)
        os.replace(temporary, link)
