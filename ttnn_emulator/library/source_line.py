# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""This module finds the line of the user's program that called an operation."""

import sys
from pathlib import Path

import ttnn

_PACKAGE = Path(__file__).parents[1]
_NOT_THE_PROGRAM = (str(_PACKAGE), str(Path(ttnn.__file__).parent), "<frozen")
_PROGRAMS = (str(_PACKAGE / "examples"), str(_PACKAGE / "tests"))


def source_line() -> str:
    """Return `file:line` of the innermost call that stands in the program itself."""
    frame = sys._getframe()
    while frame.f_back is not None and not _is_the_programs(frame.f_code.co_filename):
        frame = frame.f_back
    return f"{frame.f_code.co_filename}:{frame.f_lineno}"


def _is_the_programs(file: str) -> bool:
    return file.startswith(_PROGRAMS) or not file.startswith(_NOT_THE_PROGRAM)
