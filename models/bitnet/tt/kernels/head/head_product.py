# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""The fused program of the head: one tile of rows times a wide matrix whose tile columns are divided over DRAM banks.

The leader reads all rows and multicasts them to all cores, in tiles that are no higher than needed. A core computes
some tile columns that lie in one bank. It reads them in runs: the tiles of a few neighbouring columns in a row of
tiles, which lie one behind the other in the bank. See head_product.cpp for the steps.
"""

from dataclasses import dataclass
from enum import IntEnum
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


class WeightsArguments(NamedTuple):
    """The tile columns that a core reads, counted within a bank."""

    bank: int
    first_column: int
    columns: int


class RowsArguments(NamedTuple):
    """The tile columns of the results that a core writes; see head_rows.cpp."""

    first_column: int
    columns: int
    leads: int


class ProductArguments(NamedTuple):
    columns: int


class WeightsAddresses(NamedTuple):
    matrix_at: int


class RowsAddresses(NamedTuple):
    rows_at: int
    result_at: int


class HeadSemaphores(IntEnum):
    """See head_rows.cpp."""

    ROWS_SENT = 0


@dataclass(frozen=True)
class HeadProduct(Described):
    """`rows` rows of `inner` tiles times a matrix `width` columns wide, whose tile columns lie in `banks` DRAM banks.

    The cores are those of `grid` (columns, rows). The last tile column may be padded.
    """

    rows: int
    inner: int
    width: int
    banks: int
    grid: tuple[int, int]
    rows_dtype: ttnn.DataType
    weight_dtype: ttnn.DataType

    def __call__(self, x: ttnn.Tensor, weight: ttnn.Tensor) -> ttnn.Tensor:
        """[1, 1, rows, K] in DRAM or L1 -> [1, 1, rows, N] in DRAM, of the same dtype. Keeps both.

        weight: [1, 1, K, N], width-sharded over all DRAM banks.
        """
        return head_product(x, weight, program=self)

    def run(self, x: ttnn.Tensor, weight: ttnn.Tensor) -> ttnn.Tensor:
        shape = ttnn.Shape([1, 1, self.rows, self.width])
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
    def _tile_rows(self) -> int:
        return describe.tile_rows(self.rows)

    @property
    def _runs(self) -> int:
        """Runs that arrive together."""
        return largest_divisor(self.inner, _RUNS_AT_ONCE)

    @cached_property
    def _buffers(self) -> dict[Role, Buffer]:
        weights = 2 * self._runs * _GROUP
        return {
            Role.WEIGHTS: Buffer.of(self.weight_dtype, weights),
            Role.ROWS: Buffer.of_rows(self.rows_dtype, self._tile_rows, self.inner),
            Role.RESULT: Buffer.of(self.rows_dtype, 2 * _GROUP),
        }

    def _describe(self, x: ttnn.Tensor, result: ttnn.Tensor) -> ttnn.ProgramDescriptor:
        wide, high = self.grid
        in_bank = CoreAssignment.over(-(-self.width // TILE), self.banks)
        in_core = CoreAssignment.over(in_bank.per_core, wide * high // self.banks)
        team = describe.rectangle(0, 0, wide, high)
        core_ranges = ttnn.CoreRangeSet([team])
        weights, results, counts = [], [], []
        for number, core in enumerate(ttnn.corerange_to_cores(core_ranges, None, row_wise=True)):
            # Neighbouring cores read from different banks. A few cores may be left over.
            bank, of_bank = number % self.banks, number // self.banks
            first_of_bank, held = in_bank.of(bank)
            first, columns = in_core.of(of_bank)
            columns = max(0, min(columns, held - first))
            weights.append((core, WeightsArguments(bank=bank, first_column=first, columns=columns)))
            told = RowsArguments(first_column=first_of_bank + first, columns=columns, leads=int(number == 0))
            results.append((core, told))
            counts.append((core, ProductArguments(columns=columns)))
        corners = [x.device().worker_core_from_logical_core(corner) for corner in (team.start, team.end)]
        shape = {**describe.role_numbers(self._buffers), "inner": self.inner, "group": _GROUP}
        streamed = {**shape, "runs": self._runs}
        rows = {
            **shape,
            "tile_rows": self._tile_rows,
            "value_bytes": describe.VALUE_BYTES[self.rows_dtype],
            "left": corners[0].x,
            "top": corners[0].y,
            "right": corners[1].x,
            "bottom": corners[1].y,
            "cores": wide * high,
        }
        stride = {"bank_columns": in_bank.per_core, "tile_bytes": describe.tile_bytes(self.weight_dtype)}
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
                    "head/head_rows.cpp", core_ranges, results, ttnn.WriterConfigDescriptor(), rows, [x, result]
                ),
                describe.kernel("head/head_product.cpp", core_ranges, counts, compute, streamed),
            ],
            semaphores=describe.semaphores(HeadSemaphores, core_ranges),
            cbs=describe.circular_buffers(self._buffers.values(), core_ranges),
        )


def _golden(x: torch.Tensor, weight: torch.Tensor, *, program: HeadProduct) -> torch.Tensor:
    return golden.product(golden.as_source(x), weight)


@ttnn.register_python_operation(name="ttnn.bitnet.head_product", golden_function=_golden)
def head_product(x: ttnn.Tensor, weight: ttnn.Tensor, *, program: HeadProduct) -> ttnn.Tensor:
    """Runs `program`. See `HeadProduct.__call__`."""
    return program.run(x, weight)
