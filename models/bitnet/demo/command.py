# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""Code that all commands of this project use: checks of arguments before any work, and an exit without a traceback."""

import argparse
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

_INTERRUPTED, _BROKEN_PIPE = 130, 141  # 128 and the signal's number, as a shell has them


def run(main: Callable[[], int]) -> NoReturn:
    """Run a command and exit with its status.

    An interruption, a closed pipe and a full disk end the command without a traceback.
    """
    _open_streams()
    try:
        status = main()
        sys.stdout.flush()
    except KeyboardInterrupt:
        say(f"\n{name()}: interrupted")
        status = _INTERRUPTED
    except BrokenPipeError:  # as after `| head -1`
        _discard_output()
        status = _BROKEN_PIPE
    except OSError as error:  # as on a full disk
        _discard_output()
        say(f"{name()}: {error}")
        status = 1
    sys.exit(status)


def name() -> str:
    """The name of the running command, for its messages."""
    return Path(sys.argv[0]).stem


def say(text: str) -> None:
    """Print a message to stderr, apart from the result on stdout."""
    print(text, file=sys.stderr, flush=True)


def at_least_one(text: str) -> int:
    """Parse an argument that is a whole number of at least 1."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number of at least 1")
    return int(text)


def unicode_text(text: str) -> str:
    """Parse an argument that is text. Python passes bytes that are not UTF-8 as lone surrogates, which are refused."""
    try:
        text.encode()
    except UnicodeEncodeError:
        raise argparse.ArgumentTypeError(f"{ascii(text)} is not valid UTF-8") from None
    return text


def new_file(text: str) -> Path:
    """Parse an argument that names a file to write, and check it before the long work whose result it takes."""
    path = Path(text)
    if path.is_dir():
        raise argparse.ArgumentTypeError(f"{text} is a folder; name a file")
    if not path.parent.is_dir():
        raise argparse.ArgumentTypeError(f"there is no folder {path.parent}")
    if not os.access(path if path.exists() else path.parent, os.W_OK):
        raise argparse.ArgumentTypeError(f"{text} cannot be written")
    return path


def _open_streams() -> None:
    """Make stdout and stderr safe to print to.

    A closed stream discards its output. A character that a stream cannot encode becomes a question mark.
    """
    for stream in ("stdout", "stderr"):
        if getattr(sys, stream) is None:
            setattr(sys, stream, open(os.devnull, "w"))
    for stream in (sys.stdin, sys.stdout, sys.stderr):
        if stream is not None:
            stream.reconfigure(errors="replace")


def _discard_output() -> None:
    """Discard the buffered output, so that Python does not try to write it again when the process ends."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
