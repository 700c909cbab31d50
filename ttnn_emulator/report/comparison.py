# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""This module reports a run in the library's comparison mode, with the program's line of each operation."""

import os
import sys
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import loguru

import ttnn
from ttnn_emulator.library import private

_NOT_THE_PROGRAM = (str(Path(__file__).parents[1]), str(Path(ttnn.__file__).parent), "<frozen")


@dataclass
class Comparison:
    """Compares each operation with its golden function, from `start` on. A PCC below `pcc` is reported."""

    pcc: float
    compared: int = 0
    low: list[str] = field(default_factory=list)  # a line of text for each result below `pcc`
    not_compared: Counter = field(default_factory=Counter)  # operations that have no golden function

    def start(self) -> None:
        loguru.logger.disable("ttnn")  # the report says the same, with the program's line
        ttnn.CONFIG.enable_comparison_mode = True
        ttnn.CONFIG.comparison_mode_pcc = self.pcc
        private.comparisons.POST_OPERATION_HOOKS.append(self._count)
        library_compare = private.comparisons.compare_tensors_using_pcc

        def compare(name: str, *args: Any, **kwargs: Any) -> list[dict]:
            records = library_compare(name, *args, **kwargs)
            self.compared += len(records)
            wrong = [record["actual_pcc"] for record in records if not record["matches"]]
            self.low += [f"{_program_line()}: {name}: PCC {value:.6f}, below {self.pcc}" for value in wrong]
            return records

        private.comparisons.compare_tensors_using_pcc = compare

    def _count(self, operation: Any, args: tuple, kwargs: dict, output: Any) -> None:
        if operation.golden_function is None:
            self.not_compared[operation.python_fully_qualified_name] += 1

    def __str__(self) -> str:
        lines = [*self.low, f"{self.compared} results compared with golden functions, {len(self.low)} below {self.pcc}"]
        if self.not_compared:
            names = ", ".join(f"{name} ({count})" for name, count in sorted(self.not_compared.items()))
            lines.append(f"not compared, since they have no golden function: {names}")
        return os.linesep.join(lines)


def _program_line() -> str:
    """Return `file:line` of the innermost call that stands in the program itself."""
    frame = sys._getframe()
    while frame.f_back is not None and frame.f_code.co_filename.startswith(_NOT_THE_PROGRAM):
        frame = frame.f_back
    return f"{frame.f_code.co_filename}:{frame.f_lineno}"
