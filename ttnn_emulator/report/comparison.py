# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""This module reports a run in the library's comparison mode, with the program's line of each operation.

Golden functions get bfloat16 operands as float32, so that they compute in float32. A result's largest error is its
distance from that. For the PCC the library rounds the golden result to the result's dtype first.
"""

import math
import numbers
import os
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import loguru
import torch

import ttnn
from ttnn_emulator.library import private
from ttnn_emulator.library.source_line import source_line
from ttnn_emulator.report.recorder import Recorder


@dataclass
class Comparison:
    """Compares each operation with its golden function, from `start` on. A PCC below `pcc` is reported."""

    pcc: float
    recorder: Recorder | None = None  # is told of each result
    compared: int = 0
    low: list[str] = field(default_factory=list)  # a line of text for each result below `pcc`
    not_compared: Counter = field(default_factory=Counter)  # operations that have no golden function
    _begins: list[int] = field(default_factory=list)  # how many programs came before each operation that is running

    def start(self) -> None:
        loguru.logger.disable("ttnn")  # the report says the same, with the program's line
        ttnn.CONFIG.enable_comparison_mode = True
        ttnn.CONFIG.comparison_mode_pcc = self.pcc
        private.comparisons.PRE_OPERATION_HOOKS.append(self._begin)
        private.comparisons.POST_OPERATION_HOOKS.append(self._end)
        library, copy_golden_metadata = private.comparisons, private.copy_golden_metadata
        library_compare, library_to_torch = library.compare_tensors_using_pcc, library.to_torch_for_comparison

        def to_torch(*args: Any, **kwargs: Any) -> torch.Tensor:
            value = library_to_torch(*args, **kwargs)
            return value.float() if value.dtype is torch.bfloat16 else value

        def compare(name: str, golden: Any, output: Any, *args: Any, **kwargs: Any) -> list[dict]:
            if not isinstance(golden, torch.Tensor) or not isinstance(output, (ttnn.Tensor, torch.Tensor)):
                records = library_compare(name, golden, output, *args, **kwargs)  # calls this for each of many results
                self._note(name, records if isinstance(golden, numbers.Number) else [], None)
                return records
            value = library_to_torch(output, golden)
            rounded = golden.to(value.dtype)
            library.set_tensor_id(rounded)
            copy_golden_metadata(golden, rounded)
            records = library_compare(name, rounded, output, *args, **kwargs)
            self._note(name, records, largest_error(golden, value))
            return records

        library.compare_tensors_using_pcc, library.to_torch_for_comparison = compare, to_torch

    def _note(self, name: str, records: list[dict], error: float | None) -> None:
        for record in records:
            self.compared += 1
            if not record["matches"]:
                self.low.append(f"{source_line()}: {name}: PCC {record['actual_pcc']:.6f}, below {self.pcc}")
            if self.recorder is not None:
                self.recorder.compared(self._begins[-1], record["actual_pcc"], error)

    def _begin(self, operation: Any, args: tuple, kwargs: dict) -> None:
        self._begins.append(0 if self.recorder is None else len(self.recorder.programs))

    def _end(self, operation: Any, args: tuple, kwargs: dict, output: Any) -> None:
        self._begins.pop()
        if operation.golden_function is None:
            self.not_compared[operation.python_fully_qualified_name] += 1

    def __str__(self) -> str:
        lines = [*self.low, f"{self.compared} results compared with golden functions, {len(self.low)} below {self.pcc}"]
        if self.not_compared:
            names = ", ".join(f"{name} ({count})" for name, count in sorted(self.not_compared.items()))
            lines.append(f"not compared, since they have no golden function: {names}")
        return os.linesep.join(lines)


def largest_error(golden: torch.Tensor, value: torch.Tensor) -> float | None:
    """Return the largest distance of a value from the golden one, or None where their shapes differ."""
    if golden.shape != value.shape:
        return None
    golden, value = golden.double(), value.double()
    distance = (golden - value).abs().masked_fill(golden == value, 0)
    return float(distance.nan_to_num(nan=math.inf).max()) if distance.numel() else 0.0
