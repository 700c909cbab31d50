# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""This module records a block and writes its reports.

A name that ends in .html gets a page, one that ends in .csv the profiler's table, and one without an ending a folder
for ttnn-visualizer.
"""

import contextlib
import sys
from collections.abc import Iterator
from pathlib import Path

from ttnn_emulator.errors import EmulatorError
from ttnn_emulator.install import installed_board
from ttnn_emulator.report.page import page
from ttnn_emulator.report.perf_csv import perf_csv
from ttnn_emulator.report.recorder import Recorder, record
from ttnn_emulator.report.visualizer import write_folder


@contextlib.contextmanager
def write_report(*names: str | Path) -> Iterator[Recorder]:
    """Record what the block asks of the emulated device, and write it also where the block ends with an error."""
    paths = [Path(name) for name in names]
    for path in paths:
        _check(path)
    recorder = None
    try:
        with record(keeps_buffers=any(not path.suffix for path in paths)) as recorder:
            yield recorder
    finally:
        if recorder is not None:
            for path in paths:
                _write(recorder, path)


def _check(path: Path) -> None:
    if path.suffix not in (".html", ".csv", ""):
        raise EmulatorError(f"the report {path} needs a name that ends in .html or .csv, or that of a folder")
    if not path.absolute().parent.is_dir():
        raise EmulatorError(f"there is no folder {path.absolute().parent} for the report {path.name}")
    if not path.suffix and path.exists() and not path.is_dir():
        raise EmulatorError(f"the report {path} would be a folder, and a file has its name")


def _write(recorder: Recorder, path: Path) -> None:
    if path.suffix == ".html":
        path.write_text(page(recorder, Path(sys.argv[0]).name, installed_board().name))
    elif path.suffix == ".csv":
        path.write_text(perf_csv(recorder))
    else:
        write_folder(recorder, path)
