# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""The integer products of golden functions.

A golden function multiplies int8 matrices by `torch._int_mm`, which reads all bytes of a matrix for a row. While a
golden function runs in the place of kernels, `GoldenProducts.multiply` takes the place of `torch._int_mm`. It reads two
bits a number of a ternary matrix. Both give the same integers.
"""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch.utils.weak import WeakTensorKeyDictionary

from ttnn_emulator.arithmetic import ternary

_FEW = 16  # rows: torch multiplies more of them by all bytes of a matrix as fast
_LARGEST = 127


@dataclass
class _Matrix:
    """A matrix that was multiplied before, in its `version`. `columns` is its packed form, or None."""

    version: int
    multiplied: int = 0
    columns: torch.Tensor | None = None


class GoldenProducts:
    """Products of a few rows with matrices that live longer than a call, which are packed at their second product."""

    def __init__(self):
        self._torch_product = torch._int_mm
        self._matrices = WeakTensorKeyDictionary()

    @contextlib.contextmanager
    def in_place(self) -> Iterator[None]:
        """Inside the block `torch._int_mm` is `multiply`."""
        torch._int_mm = self.multiply
        try:
            yield
        finally:
            torch._int_mm = self._torch_product

    def multiply(self, rows: torch.Tensor, matrix: torch.Tensor) -> torch.Tensor:
        """Return rows [M, K] @ matrix [K, N] of int8 as int32."""
        columns = self._packed(matrix) if rows.shape[0] <= _FEW else None
        if columns is None or rows.dtype != torch.int8 or rows.shape[-1] != matrix.shape[0]:
            return self._torch_product(rows, matrix)
        return ternary.whole_product(rows, _LARGEST, columns)

    def _packed(self, matrix: torch.Tensor) -> torch.Tensor | None:
        known = self._matrices.get(matrix)
        if known is None or known.version != matrix._version:
            known = self._matrices[matrix] = _Matrix(matrix._version)
        known.multiplied += 1
        if known.multiplied == 2 and matrix.dtype == torch.int8:
            known.columns = ternary.pack_columns(matrix.bfloat16())
        return known.columns
