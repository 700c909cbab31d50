# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""The fused program of the head: one tile of rows times a wide matrix whose tile columns are divided over DRAM banks.

A core holds all rows, and computes some tile columns that lie in one bank. It reads them in runs: the tiles of a few
neighbouring columns in a row of tiles, which lie one behind the other in the bank. See head_product.cpp for the steps.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import torch

import ttnn
from models.bitnet.tt.kernels.common import describe, golden
from models.bitnet.tt.kernels.common.core_assignment import CoreAssignment
from models.bitnet.tt.kernels.common.describe import Buffer, Described, Role
from models.bitnet.tt.layout import TILE, largest_divisor

_GROUP = 4  # tile columns that are multiplied together: a run of them is 4 kB long in bfloat8_b
_RUNS_AT_ONCE = 8  # reads in flight
_WEIGHT_TILE = {ttnn.bfloat4_b: 576, ttnn.bfloat8_b: 1088, ttnn.bfloat16: 2048}  # bytes


class WeightsArguments(NamedTuple):
    """The tile columns that a core reads, counted within a bank."""

    bank: int
    first_column: int
    columns: int


class RowsArguments(NamedTuple):
    """The tile columns of the results that a core writes."""

    first_column: int
    columns: int


class ProductArguments(NamedTuple):
    columns: int


class WeightsAddresses(NamedTuple):
    matrix_at: int


class RowsAddresses(NamedTuple):
    rows_at: int
    result_at: int


@dataclass(frozen=True)
class HeadProduct(Described):
    """Rows of `inner` tiles times a matrix of `columns` tile columns in `banks` DRAM banks.

    The cores are those of `grid` (columns, rows).
    """

    inner: int
    columns: int
    banks: int
    grid: tuple[int, int]
    rows_dtype: ttnn.DataType
    weight_dtype: ttnn.DataType

    def __call__(self, x: ttnn.Tensor, weight: ttnn.Tensor) -> ttnn.Tensor:
        """[1, 1, rows <= 32, K] in DRAM or L1 -> [1, 1, rows, N] in DRAM, of the same dtype. Keeps both.

        weight: [1, 1, K, N], width-sharded over all DRAM banks.
        """
        return head_product(x, weight, program=self)

    def run(self, x: ttnn.Tensor, weight: ttnn.Tensor) -> ttnn.Tensor:
        shape = ttnn.Shape([1, 1, x.shape[2], self.columns * TILE])
        result = ttnn.allocate_tensor_on_device(
            shape, self.rows_dtype, ttnn.TILE_LAYOUT, x.device(), ttnn.DRAM_MEMORY_CONFIG
        )
        descriptor = self.described(x, result)
        reader, writer, _ = descriptor.kernels
        reader.common_runtime_args = WeightsAddresses(matrix_at=weight.buffer_address())
        writer.common_runtime_args = RowsAddresses(rows_at=x.buffer_address(), result_at=result.buffer_address())
        return ttnn.generic_op([x, weight, result], descriptor)

    @property
    def l1_bytes(self) -> int:
        """Bytes of the circular buffers on every core."""
        return sum(buffer.bytes for buffer in self._buffers.values())

    @property
    def _runs(self) -> int:
        """Runs that arrive together."""
        return largest_divisor(self.inner, _RUNS_AT_ONCE)

    @cached_property
    def _buffers(self) -> dict[Role, Buffer]:
        weights = 2 * self._runs * _GROUP
        return {
            Role.WEIGHTS: Buffer(self.weight_dtype, _WEIGHT_TILE[self.weight_dtype], weights),
            Role.ROWS: Buffer.of(self.rows_dtype, self.inner),
            Role.RESULT: Buffer.of(self.rows_dtype, 2 * _GROUP),
        }

    def _describe(self, x: ttnn.Tensor, result: ttnn.Tensor) -> ttnn.ProgramDescriptor:
        wide, high = self.grid
        in_bank = CoreAssignment.over(self.columns, self.banks)
        in_core = CoreAssignment.over(in_bank.per_core, wide * high // self.banks)
        cores = [ttnn.CoreCoord(number % wide, number // wide) for number in range(self.banks * in_core.cores)]
        weights, results, counts = [], [], []
        for number, core in enumerate(cores):
            # Neighbouring cores read from different banks.
            bank, of_bank = number % self.banks, number // self.banks
            first_of_bank, held = in_bank.of(bank)
            first, columns = in_core.of(of_bank)
            columns = max(0, min(columns, held - first))
            weights.append((core, WeightsArguments(bank=bank, first_column=first, columns=columns)))
            results.append((core, RowsArguments(first_column=first_of_bank + first, columns=columns)))
            counts.append((core, ProductArguments(columns=columns)))
        core_ranges = ttnn.CoreRangeSet([ttnn.CoreRange(core, core) for core in cores])
        shape = {**describe.role_numbers(self._buffers), "inner": self.inner, "group": _GROUP}
        streamed = {**shape, "runs": self._runs}
        stride = {"bank_columns": in_bank.per_core, "tile_bytes": _WEIGHT_TILE[self.weight_dtype]}
        # HiFi4 multiplies all bits that the sources have. It costs nothing, because reading the weights takes longer.
        compute = ttnn.ComputeConfigDescriptor(
            math_fidelity=ttnn.MathFidelity.HiFi4, fp32_dest_acc_en=True, dst_full_sync_en=True
        )
        return ttnn.ProgramDescriptor(
            kernels=[
                describe.kernel(
                    "head/head_weights.cpp", core_ranges, weights, ttnn.ReaderConfigDescriptor(), streamed | stride
                ),
                describe.kernel(
                    "head/head_rows.cpp", core_ranges, results, ttnn.WriterConfigDescriptor(), shape, [x, result]
                ),
                describe.kernel("head/head_product.cpp", core_ranges, counts, compute, streamed),
            ],
            semaphores=[],
            cbs=describe.circular_buffers(self._buffers.values(), core_ranges),
        )


def _golden(x: torch.Tensor, weight: torch.Tensor, *, program: HeadProduct) -> torch.Tensor:
    return golden.as_source(x) @ weight.float()


@ttnn.register_python_operation(name="ttnn.bitnet.head_product", golden_function=_golden)
def head_product(x: ttnn.Tensor, weight: ttnn.Tensor, *, program: HeadProduct) -> ttnn.Tensor:
    """Runs `program`. See `HeadProduct.__call__`."""
    return program.run(x, weight)
