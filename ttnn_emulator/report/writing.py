# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""This module records a block and writes its report to a file."""

import contextlib
import sys
from collections.abc import Iterator
from pathlib import Path

from ttnn_emulator.errors import EmulatorError
from ttnn_emulator.install import installed_board
from ttnn_emulator.report.page import page
from ttnn_emulator.report.recorder import Recorder, record


@contextlib.contextmanager
def write_report(file: str | Path) -> Iterator[Recorder]:
    """Record what the block asks of the emulated device, and write it also where the block ends with an error."""
    file = Path(file)
    if file.suffix != ".html":
        raise EmulatorError(f"the report {file} needs a name that ends in .html")
    if not file.absolute().parent.is_dir():
        raise EmulatorError(f"there is no folder {file.absolute().parent} for the report {file.name}")
    recorder = None
    try:
        with record() as recorder:
            yield recorder
    finally:
        if recorder is not None:
            file.write_text(page(recorder, Path(sys.argv[0]).name, installed_board().name))
