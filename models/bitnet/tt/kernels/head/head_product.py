# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""The head's program: one tile of rows times a wide matrix whose columns are shared out over the DRAM banks.

A core has some columns of one bank, and reads runs of neighbouring tiles, which lie one behind the other there: a few
columns at a time, from the first row of tiles to the last. It holds all rows. See head_product.cpp for the steps.
"""

from dataclasses import dataclass
from functools import cached_property

import torch

import ttnn
from models.bitnet.tt.kernels.common import describe, golden
from models.bitnet.tt.kernels.common.core_assignment import CoreAssignment
from models.bitnet.tt.kernels.common.describe import Buffer, Described, Role
from models.bitnet.tt.kernels.common.ternary_tiles import TILE, largest_divisor

_GROUP = 4  # columns of tiles that are multiplied together: their runs are 4 kB long in bfloat8_b
_RUNS_AT_ONCE = 8  # reads in flight
_WEIGHT_TILE = {ttnn.bfloat4_b: 576, ttnn.bfloat8_b: 1088, ttnn.bfloat16: 2048}  # bytes


@dataclass(frozen=True)
class HeadProduct(Described):
    """Rows of `inner` tiles times `columns` of them in the DRAM banks, on the cores of `grid` (columns, rows)."""

    inner: int
    columns: int
    banks: int
    grid: tuple[int, int]
    rows_dtype: ttnn.DataType
    weight_dtype: ttnn.DataType

    def __call__(self, x: ttnn.Tensor, weight: ttnn.Tensor) -> ttnn.Tensor:
        """x [1, 1, rows <= 32, inner], anywhere; weight [1, 1, inner, columns], its columns cut into equal pieces, one
        for each DRAM bank. To [1, 1, rows, columns] in DRAM, of x's data type. Keeps both."""
        return head_product(x, weight, program=self)

    def run(self, x: ttnn.Tensor, weight: ttnn.Tensor) -> ttnn.Tensor:
        shape = ttnn.Shape([1, 1, x.shape[2], self.columns * TILE])
        result = ttnn.allocate_tensor_on_device(
            shape, self.rows_dtype, ttnn.TILE_LAYOUT, x.device(), ttnn.DRAM_MEMORY_CONFIG
        )
        descriptor = self.described(x, result)
        reader, writer, _ = descriptor.kernels
        reader.common_runtime_args = [weight.buffer_address()]
        writer.common_runtime_args = [x.buffer_address(), result.buffer_address()]
        return ttnn.generic_op([x, weight, result], descriptor)

    @property
    def l1_bytes(self) -> int:
        """Of the circular buffers on every core."""
        return sum(buffer.tile_bytes * buffer.tiles for buffer in self._buffers)

    @property
    def _runs(self) -> int:
        """Rows of tiles that are brought in together."""
        return largest_divisor(self.inner, _RUNS_AT_ONCE)

    @cached_property
    def _buffers(self) -> list[Buffer]:
        weights = 2 * self._runs * _GROUP
        return [
            Buffer(Role.WEIGHTS, self.weight_dtype, _WEIGHT_TILE[self.weight_dtype], weights),
            Buffer.of(Role.ROWS, self.rows_dtype, self.inner),
            Buffer.of(Role.RESULT, self.rows_dtype, 2 * _GROUP),
        ]

    def _describe(self, x: ttnn.Tensor, result: ttnn.Tensor) -> ttnn.ProgramDescriptor:
        wide, high = self.grid
        in_bank = CoreAssignment.over(self.columns, self.banks)
        in_core = CoreAssignment.over(in_bank.per_core, wide * high // self.banks)
        places = [ttnn.CoreCoord(core % wide, core // wide) for core in range(self.banks * in_core.cores)]
        weights, results, counts = [], [], []
        for core, place in enumerate(places):
            # neighbouring cores read from different banks
            bank, share = core % self.banks, core // self.banks
            first_of_bank, held = in_bank.of(bank)
            first, columns = in_core.of(share)
            columns = max(0, min(columns, held - first))
            weights.append((place, [bank, first, columns]))
            results.append((place, [first_of_bank + first, columns]))
            counts.append((place, [columns]))
        cores = ttnn.CoreRangeSet([ttnn.CoreRange(place, place) for place in places])
        shape = {"inner": self.inner, "group": _GROUP}
        streamed = {**shape, "runs": self._runs}
        stride = {"bank_columns": in_bank.per_core, "tile_bytes": _WEIGHT_TILE[self.weight_dtype]}
        # HiFi4 multiplies all bits that the sources have, and costs nothing where reading the weights takes longest
        compute = ttnn.ComputeConfigDescriptor(
            math_fidelity=ttnn.MathFidelity.HiFi4, fp32_dest_acc_en=True, dst_full_sync_en=True
        )
        return ttnn.ProgramDescriptor(
            kernels=[
                describe.kernel(
                    "head/head_weights.cpp", cores, weights, ttnn.ReaderConfigDescriptor(), streamed | stride
                ),
                describe.kernel(
                    "head/head_rows.cpp", cores, results, ttnn.WriterConfigDescriptor(), shape, [x, result]
                ),
                describe.kernel("head/head_product.cpp", cores, counts, compute, streamed),
            ],
            semaphores=[],
            cbs=[buffer.on(cores) for buffer in self._buffers],
        )


def _golden(x: torch.Tensor, weight: torch.Tensor, *, program: HeadProduct) -> torch.Tensor:
    return golden.as_source(x) @ weight.float()


@ttnn.register_python_operation(name="ttnn.bitnet.head_product", golden_function=_golden)
def head_product(x: ttnn.Tensor, weight: ttnn.Tensor, *, program: HeadProduct) -> ttnn.Tensor:
    """`program` on tensors that it was described for."""
    return program.run(x, weight)
