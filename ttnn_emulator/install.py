# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""This module puts the emulated device where the library looks for a card."""

import atexit
import contextlib
import ctypes
import importlib.metadata
import importlib.util
import os
import sys
from pathlib import Path

from ttnn_emulator.errors import EmulatorError
from ttnn_emulator.library.boards import DEFAULT_BOARD, Board, find_board
from ttnn_emulator.library.leak_report import switch_off
from ttnn_emulator.library.toolchain import open_descriptor, prepare, restore

TTNN_VERSION = "0.81.1"
_installed: Board | None = None
_emulated = None


def hardware() -> str | None:
    """Return what the library would run on without the emulated device: "card", "simulator", or None."""
    if os.environ.get("TT_METAL_SIMULATOR"):
        return "simulator"
    return "card" if any(Path("/dev/tenstorrent").glob("*")) else None


def install(board: str | None = None, verbose: bool = False) -> str:
    """Make `ttnn.open_device()` open the emulated `board` in this process, and return what programs will run on.

    `board` defaults to `$TTNN_EMULATOR_BOARD`, else n150. A real card or `TT_METAL_SIMULATOR` always wins: then nothing
    is changed and "card" or "simulator" is returned. Call it before the first device is opened; one process has one
    board. `verbose` leaves the library's own log on. Where it fails, the library is left without a device.

    A program that this process starts has no device until it calls `install` too; a forked process has this one's.
    """
    global _installed, _emulated
    real = hardware()
    if real:
        return real
    wanted = find_board(
        board or (_installed.name if _installed else os.environ.get("TTNN_EMULATOR_BOARD") or DEFAULT_BOARD)
    )
    if _installed is not None:
        if wanted is not _installed:
            raise EmulatorError(
                f"this process already emulates {_installed.name}; the library reads its cluster once, "
                f"so start another process for {wanted.name}"
            )
        return "emulated"
    wheel = _wheel()
    with contextlib.ExitStack() as undo:  # where a step fails, what the earlier steps did is undone
        undo.callback(_reset_environment, dict(os.environ))
        descriptor = open_descriptor(wanted)
        undo.callback(os.close, descriptor)
        os.environ.setdefault("HOME", os.path.expanduser("~"))  # without one the library ends the process
        os.environ.update(prepare(wanted, wheel, descriptor))
        _tune_for_many_small_operations()
        from ttnn_emulator.arithmetic.native.library import load  # here, because it imports torch

        load()
        if not verbose:
            _quieten()
        import ttnn

        switch_off(Path(ttnn._ttnn.__file__))
        if not ttnn.CONFIG.enable_fast_runtime_mode:
            raise EmulatorError("the emulated device needs ttnn's fast runtime mode; unset TTNN_CONFIG_OVERRIDES")
        from ttnn_emulator.hooks import put_in_place

        emulated = put_in_place(wanted, lambda: restore(wanted, wheel, descriptor), undo)
        undo.pop_all()
    _installed, _emulated = wanted, emulated
    atexit.register(_close_devices)
    return "emulated"


def emulated_device():
    """Return the emulation's state. Before `install` this is an error that says so."""
    if _emulated is None:
        raise EmulatorError("the emulated device is not installed; call ttnn_emulator.install() first")
    return _emulated


def installed_board() -> Board | None:
    """Return the board that this process emulates, or None."""
    return _installed


def _wheel() -> Path:
    """Check that ttnn is installed in the version that is emulated, and return its folder."""
    spec = importlib.util.find_spec("ttnn")
    if spec is None:
        raise EmulatorError(f"ttnn is not installed; `pip install ttnn=={TTNN_VERSION}` (Python 3.10 or 3.12)")
    version = importlib.metadata.version("ttnn")
    if version != TTNN_VERSION:
        raise EmulatorError(f"ttnn {version} is installed; the emulated device needs ttnn=={TTNN_VERSION}")
    return Path(spec.origin).parent


def _reset_environment(before: dict[str, str]) -> None:
    for name in os.environ.keys() - before.keys():
        del os.environ[name]
    os.environ.update(before)


def _tune_for_many_small_operations() -> None:
    """Set up the C libraries under torch for long rows of small operations, which then are several times as fast.

    Threads that spin between operations starve each other on a busy machine, and memory given back to the system after
    every large temporary has to be fetched again.
    """
    os.environ.setdefault("GOMP_SPINCOUNT", "0")  # read when torch is first imported
    libc = ctypes.CDLL(None)
    if hasattr(libc, "mallopt"):  # glibc
        mmap_threshold, trim_threshold = -3, -1
        libc.mallopt(mmap_threshold, 1 << 30)
        libc.mallopt(trim_threshold, (1 << 31) - 1)


def _quieten() -> None:
    """Leave the terminal to the program: no library log, no C++ backtraces in errors."""
    os.environ.setdefault("TT_LOGGER_LEVEL", "off")
    os.environ.setdefault("TT_METAL_DISABLE_BACKTRACE", "1")
    import loguru  # comes with ttnn

    loguru.logger.remove()
    if sys.stderr is not None:  # None: closed by who started the process
        loguru.logger.add(sys.stderr, filter={"ttnn": "WARNING"})  # the program's own lines stay


def _close_devices() -> None:
    """Close what the program left open, so that the library shuts down in order."""
    _emulated.devices.close_all()
