# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""What the commands of this project share: arguments checked before any work, and an end without a traceback."""

import argparse
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

_INTERRUPTED, _BROKEN_PIPE = 130, 141  # 128 and the signal's number, as a shell has them


def run(main: Callable[[], int]) -> NoReturn:
    """Run a command to its exit status. What nobody reads, or no disk holds, is no reason for a traceback."""
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
    """The command's own name, for its messages."""
    return Path(sys.argv[0]).stem


def say(text: str) -> None:
    """To the person, not into the result."""
    print(text, file=sys.stderr, flush=True)


def at_least_one(text: str) -> int:
    """An argument that counts something."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number of at least 1")
    return int(text)


def unicode_text(text: str) -> str:
    """An argument that is text: bytes that are not UTF-8 arrive as halves of characters."""
    try:
        text.encode()
    except UnicodeEncodeError:
        raise argparse.ArgumentTypeError(f"{ascii(text)} is not valid UTF-8") from None
    return text


def new_file(text: str) -> Path:
    """An argument that names a file to write, at the end of long work."""
    path = Path(text)
    if path.is_dir():
        raise argparse.ArgumentTypeError(f"{text} is a folder; name a file")
    if not path.parent.is_dir():
        raise argparse.ArgumentTypeError(f"there is no folder {path.parent}")
    if not os.access(path if path.exists() else path.parent, os.W_OK):
        raise argparse.ArgumentTypeError(f"{text} cannot be written")
    return path


def _open_streams() -> None:
    """A closed stream swallows what is printed, and a character that a stream does not have becomes a question mark."""
    for stream in ("stdout", "stderr"):
        if getattr(sys, stream) is None:
            setattr(sys, stream, open(os.devnull, "w"))
    for stream in (sys.stdin, sys.stdout, sys.stderr):
        if stream is not None:
            stream.reconfigure(errors="replace")


def _discard_output() -> None:
    """What is still buffered is not tried again when the process ends."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
