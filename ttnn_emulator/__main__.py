# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""`ttnn-emulator [--board B] script.py args…`: run an unmodified ttnn program on the emulated device.

`python -m ttnn_emulator` does the same.
"""

import argparse
import importlib.util
import os
import runpy
import sys
from typing import Any

import ttnn_emulator
from ttnn_emulator.errors import EmulatorError
from ttnn_emulator.install import TTNN_VERSION, install
from ttnn_emulator.library.boards import BOARDS, DEFAULT_BOARD


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="ttnn-emulator",
        usage="%(prog)s [--board BOARD] [--compare PCC] [--report FILE] [-v] "
        "(script.py | -m module | -c code | --ops) [arguments]",
        description="Run a ttnn program on an emulated Tenstorrent device. A real card always wins.",
    )
    boards = ", ".join(BOARDS)
    parser.add_argument("--board", help=f"one of {boards} (default: $TTNN_EMULATOR_BOARD, else {DEFAULT_BOARD})")
    version = f"ttnn-emulator {ttnn_emulator.__version__} for ttnn {TTNN_VERSION}"
    parser.add_argument("--version", action="version", version=version)
    parser.add_argument("-v", "--verbose", action="store_true", help="leave the library's own log on")
    parser.add_argument(
        "--compare",
        type=float,
        metavar="PCC",
        help="compare every result with the operation's golden function; exit with 1 if one's PCC is below this",
    )
    parser.add_argument(
        "--report",
        action="append",
        metavar="FILE",
        help="write a page to look at (.html), the table that tt-perf-report reads (.csv), or a folder for "
        "ttnn-visualizer (a name without an ending), with modelled times; may be given several times",
    )
    parser.add_argument("--ops", action="store_true", help="list the operations that have values, and stop")
    parser.add_argument("-m", dest="module", metavar="module", nargs=argparse.REMAINDER, help="run a module")
    parser.add_argument("-c", dest="code", metavar="code", nargs=argparse.REMAINDER, help="run code")
    parser.add_argument("script", nargs=argparse.REMAINDER, default=[], help="the program and its arguments")
    options = parser.parse_args()
    try:
        install(options.board, options.verbose)
    except EmulatorError as error:
        print(f"ttnn_emulator: {error}", file=sys.stderr)
        return 2
    if options.ops:
        return _list_operations()
    command = options.module or options.code or options.script
    if not command:
        parser.error("give a script, -m module, -c code or --ops")
    try:
        return _run(options, command) if options.report is None else _report(options, command)
    except EmulatorError as error:
        # the program's own line is worth more than this package's
        print(f"{_program_line(error)}ttnn_emulator: {error}", file=sys.stderr)
        return 1


def _report(options: argparse.Namespace, command: list[str]) -> int:
    with ttnn_emulator.write_report(*options.report) as recorder:
        return _run(options, command, recorder)


def _run(options: argparse.Namespace, command: list[str], recorder: Any = None) -> int:
    if options.compare is None:
        return _program(options, command)
    from ttnn_emulator.report.comparison import Comparison  # imports ttnn, which install() wants to do itself

    comparison = Comparison(options.compare, recorder)
    comparison.start()
    try:
        status = _program(options, command)
    except SystemExit as end:
        if end.code:
            raise
        status = 0
    finally:
        print(comparison, file=sys.stderr)
    return status or int(bool(comparison.low))


def _program(options: argparse.Namespace, command: list[str]) -> int:
    sys.argv = command
    if options.module:
        sys.path[0] = os.getcwd()
        if not _is_module(command[0]):
            print(f"ttnn_emulator: there is no module {command[0]}", file=sys.stderr)
            return 2
        runpy.run_module(command[0], run_name="__main__", alter_sys=True)
    elif options.code:
        sys.argv = ["-c", *command[1:]]
        sys.path[0] = ""
        exec(compile(command[0], "<string>", "exec"), {"__name__": "__main__"})
    elif not os.path.exists(command[0]):
        print(f"ttnn_emulator: there is no file {command[0]}", file=sys.stderr)
        return 2
    else:
        sys.path[0] = os.path.dirname(os.path.abspath(command[0]))
        runpy.run_path(command[0], run_name="__main__")
    return 0


def _is_module(name: str) -> bool:
    try:
        return importlib.util.find_spec(name) is not None
    except ModuleNotFoundError:  # of a package on the way
        return False


def _program_line(error: BaseException) -> str:
    """`file:line: ` of the program's own last frame."""
    here, place = os.path.dirname(__file__), ""
    frame = error.__traceback__
    while frame is not None:
        name = frame.tb_frame.f_code.co_filename
        if not name.startswith((here, "<frozen")) and f"{os.sep}ttnn{os.sep}" not in name:
            place = f"{name}:{frame.tb_lineno}: "
        frame = frame.tb_next
    return place


def _list_operations() -> int:
    from ttnn_emulator.device.call import COMPOSITE
    from ttnn_emulator.device.registry import VALUES
    from ttnn_emulator.device.transfers import OPERATIONS
    from ttnn_emulator.ledger.evidence import describe

    told = {name: describe(name, row.function.__module__) for name, row in VALUES.items()}
    told |= {name: "its operations" for name in COMPOSITE} | {
        f"ttnn.{name}": "exact by definition" for name in OPERATIONS
    }
    for name in sorted(told):
        print(f"{name:65} {told[name]}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
