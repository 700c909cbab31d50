# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""An emulated Tenstorrent device: runs any ttnn program on a plain CPU, checked by the real ttnn library."""

from ttnn_emulator.errors import EmulatorError, MemoryFault, TraceError, UnsupportedOperation
from ttnn_emulator.install import hardware, install, installed_board

__version__ = "0.1.0"
__all__ = [
    "EmulatorError",
    "MemoryFault",
    "TraceError",
    "UnsupportedOperation",
    "hardware",
    "install",
    "installed_board",
    "kernel_results",
    "record",
    "without_values",
    "write_report",
]


def record():
    """`with ttnn_emulator.record() as r:` records what the block asks of the emulated device; see `Recorder`."""
    from ttnn_emulator.report.recorder import record as start  # imports ttnn, which install() wants to do itself

    return start()


def write_report(*names):
    """`with ttnn_emulator.write_report("run.html"):` writes what the block asks of the device as a page to look at.

    A name that ends in .csv gets the table that tt-perf-report reads, and one without an ending a folder for
    ttnn-visualizer.
    """
    from ttnn_emulator.report.writing import write_report as start  # imports ttnn, which install() wants to do itself

    return start(*names)


def without_values():
    """`with ttnn_emulator.without_values():` the library checks, builds and counts, and nothing is computed.

    Results stay unwritten memory, which reads as NaN or as 2**31 - 1. Uploads are real. It is for counting what large
    models ask of the device.
    """
    from ttnn_emulator.install import emulated_device

    return emulated_device().without_values()


def kernel_results(source: str, seeds: int = 8, once: bool = False):
    """`with ttnn_emulator.kernel_results("run"):` the results of `generic_op` are its kernels'.

    `source` is what `$TTNN_EMULATOR_KERNELS` may be: golden, run, check or sanitize. The last one tries `seeds` orders
    of events: at every run, or with `once` at the first run of a program with tensors of the same shapes.
    """
    from ttnn_emulator.install import emulated_device
    from ttnn_emulator.kernels.choice import Choice, choosing

    return choosing(emulated_device(), Choice.of(source, str(seeds), once))
