# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""`python -m ttnn_emulator.ledger record | compare | evidence`: keep what operations return, and compare devices."""

import argparse
from pathlib import Path

from ttnn_emulator.ledger import measure
from ttnn_emulator.ledger.compare import compare
from ttnn_emulator.ledger.record import Ledger, record, run_group


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m ttnn_emulator.ledger", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    recording = commands.add_parser("record", help="run the cases on the device that is there, else on the emulated")
    recording.add_argument("file", type=Path)
    recording.add_argument("--only", nargs="+", metavar="GROUP", help="these groups; FILE keeps the others")
    recording.add_argument("--new", action="store_true", help="only cases that FILE lacks")
    group = commands.add_parser("group", help="run one group in this process")
    group.add_argument("name")
    group.add_argument("file", type=Path)
    group.add_argument("--case", nargs="+", help="only these")
    comparing = commands.add_parser("compare", help="a line for each case")
    comparing.add_argument("first", type=Path)
    comparing.add_argument("second", type=Path)
    comparing.add_argument("--differing", action="store_true", help="leave out the cases with equal bits")
    commands.add_parser("evidence", help="write anew which operations the cases show")
    thinning = commands.add_parser("thin", help="leave out of FILE what OTHERS, beside it, has too")
    thinning.add_argument("file", type=Path)
    thinning.add_argument("others", type=Path)
    options = parser.parse_args()
    if options.command == "record":
        record(options.file, options.only, options.new)
    elif options.command == "group":
        run_group(options.name, options.file, options.case)
    elif options.command == "evidence":
        measure.write()
    elif options.command == "thin":
        Ledger.read(options.file).write(options.file, options.others)
    else:
        lines = compare(Ledger.read(options.first), Ledger.read(options.second))
        for name, line in lines:
            if not (options.differing and line.startswith("100.00 %")):
                print(f"{name:60} {line}")


if __name__ == "__main__":
    main()
