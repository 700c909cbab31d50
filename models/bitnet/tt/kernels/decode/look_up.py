# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""The fused program of what a decode step looks up: rows of the embedding by token, rotation angles by position.

Every core fills its own shards of the results. One data-movement processor copies columns of the tokens' rows, the
other copies angles: those of one user, or columns of those of all users.
"""

from dataclasses import dataclass
from typing import NamedTuple

import torch

import ttnn
from models.bitnet.tt.kernels.common import describe
from models.bitnet.tt.kernels.common.describe import Buffer, Described
from models.bitnet.tt.layout import TILE

_ALIGNMENT = 64  # bytes, of reads from DRAM


class AnglesArguments(NamedTuple):
    user: int


class AnglesAddresses(NamedTuple):
    positions_at: int
    cos_at: int
    sin_at: int
    cos_result_at: int
    sin_result_at: int


class LookUpArguments(NamedTuple):
    shard: int


class LookUpAddresses(NamedTuple):
    numbers_at: int
    table_at: int
    result_at: int


@dataclass(frozen=True)
class LookUp(Described):
    """The look-up for `users` users.

    Rows of the embedding are width-sharded in `row_memory`. `angles_memory` is the memory of cosines and sines. It has
    one of two forms:

    - Height-sharded, the same for both. Each core has the angles of one user, in the first row of its tiles: first the
      angles of all users' queries, then those of their keys.
    - Width-sharded, on different cores. Each row has the angles of one user.
    """

    users: int
    row_dtype: ttnn.DataType
    row_memory: ttnn.MemoryConfig
    angles_memory: tuple[ttnn.MemoryConfig, ttnn.MemoryConfig]

    def __call__(
        self, tokens: ttnn.Tensor, table: ttnn.Tensor, positions: ttnn.Tensor, cos: ttnn.Tensor, sin: ttnn.Tensor
    ) -> tuple[ttnn.Tensor, ttnn.Tensor, ttnn.Tensor]:
        """-> (rows [1, 1, users, width], cosines, sines).

        Cosines and sines are [1, 2 * users, 1, head width], or [1, 1, users, head width] where they are width-sharded.
        tokens: uint32 [.., users]; positions: int32 [users]; table, cos, sin: bfloat16, row-major. A token past the
        table's end gets its first row. A negative position marks an idle user, who gets any angle.
        """
        return look_up(tokens, table, positions, cos, sin, program=self)

    def run(self, *inputs: ttnn.Tensor) -> tuple[ttnn.Tensor, ttnn.Tensor, ttnn.Tensor]:
        tokens, table, positions, cos, sin = inputs

        def result(shape: list[int], dtype: ttnn.DataType, memory: ttnn.MemoryConfig) -> ttnn.Tensor:
            return ttnn.allocate_tensor_on_device(ttnn.Shape(shape), dtype, ttnn.TILE_LAYOUT, tokens.device(), memory)

        rows = result([1, 1, self.users, table.shape[-1]], self.row_dtype, self.row_memory)
        angles = [1, 2 * self.users, 1, cos.shape[-1]] if self.by_user else [1, 1, self.users, cos.shape[-1]]
        cosines, sines = (result(angles, ttnn.bfloat16, memory) for memory in self.angles_memory)
        descriptor = self.described(*inputs)
        *of_angles, of_tokens = descriptor.kernels
        if self.by_user:
            of_angles[0].common_runtime_args = AnglesAddresses(
                positions_at=positions.buffer_address(),
                cos_at=cos.buffer_address(),
                sin_at=sin.buffer_address(),
                cos_result_at=cosines.buffer_address(),
                sin_result_at=sines.buffer_address(),
            )
        else:
            for kernel, angles_table, found in zip(of_angles, (cos, sin), (cosines, sines)):
                kernel.common_runtime_args = _addresses(positions, angles_table, found)
        of_tokens.common_runtime_args = _addresses(tokens, table, rows)
        ttnn.generic_op([*inputs, rows, cosines, sines], descriptor)
        return rows, cosines, sines

    @property
    def by_user(self) -> bool:
        """Whether a core has the angles of one user."""
        return self.angles_memory[0].memory_layout == ttnn.TensorMemoryLayout.HEIGHT_SHARDED

    def _describe(
        self, tokens: ttnn.Tensor, table: ttnn.Tensor, positions: ttnn.Tensor, cos: ttnn.Tensor, sin: ttnn.Tensor
    ) -> ttnn.ProgramDescriptor:
        numbers = -(-4 * self.users // _ALIGNMENT) * _ALIGNMENT
        buffers, kernels, all_cores = [], [], ttnn.CoreRangeSet([])

        def add(
            source: str,
            *,
            cores: ttnn.CoreRangeSet,
            arguments: list[tuple],
            config: ttnn.ReaderConfigDescriptor | ttnn.WriterConfigDescriptor,
            constants: dict[str, int],
            tensors: list[ttnn.Tensor],
            row_bytes: int,
        ) -> None:
            nonlocal all_cores
            all_cores = all_cores.merge(cores)
            on_cores = zip(ttnn.corerange_to_cores(cores, len(arguments), row_wise=True), arguments, strict=True)
            own = {"numbers_buffer": len(buffers), "rows_buffer": len(buffers) + 1}
            buffers.extend(Buffer(ttnn.bfloat16, size, 1) for size in (numbers, row_bytes))
            constants = {"users": self.users, **constants, **own}
            kernels.append(describe.kernel(source, cores, on_cores, config, constants, tensors))

        def add_rows(
            by: ttnn.Tensor,
            rows: ttnn.Tensor,
            dtype: ttnn.DataType,
            memory: ttnn.MemoryConfig,
            config: ttnn.ReaderConfigDescriptor | ttnn.WriterConfigDescriptor,
        ) -> None:
            shard = memory.shard_spec
            add(
                "decode/look_up_rows.cpp",
                cores=shard.grid,
                arguments=[LookUpArguments(number) for number in range(shard.grid.num_cores())],
                config=config,
                constants={
                    "table_rows": rows.shape[-2],
                    "tiles": shard.shape[1] // TILE,
                    "value_bytes": describe.VALUE_BYTES[dtype],
                },
                tensors=[by, rows],
                row_bytes=self.users * 2 * shard.shape[1],
            )

        if self.by_user:
            add(
                "decode/look_up_angles.cpp",
                cores=self.angles_memory[0].shard_spec.grid,
                arguments=[AnglesArguments(user) for user in range(self.users)] * 2,
                config=ttnn.WriterConfigDescriptor(),
                constants={"halves": 2 * cos.shape[-1] // TILE},
                tensors=[positions, cos, sin],
                row_bytes=4 * cos.shape[-1],
            )
        else:
            for angles_table, memory in zip((cos, sin), self.angles_memory):
                add_rows(positions, angles_table, ttnn.bfloat16, memory, ttnn.WriterConfigDescriptor())
        add_rows(tokens, table, self.row_dtype, self.row_memory, ttnn.ReaderConfigDescriptor())
        # All cores have all buffers, so that no core's numbers have gaps.
        cbs = describe.circular_buffers(buffers, all_cores)
        return ttnn.ProgramDescriptor(kernels=kernels, semaphores=[], cbs=cbs)


def _addresses(numbers: ttnn.Tensor, table: ttnn.Tensor, result: ttnn.Tensor) -> LookUpAddresses:
    return LookUpAddresses(
        numbers_at=numbers.buffer_address(), table_at=table.buffer_address(), result_at=result.buffer_address()
    )


def _golden(
    tokens: torch.Tensor,
    table: torch.Tensor,
    positions: torch.Tensor,
    cos: torch.Tensor,
    sin: torch.Tensor,
    *,
    program: LookUp,
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    known = positions.flatten().long().clamp_min(0)
    table, numbers = table.reshape(-1, table.shape[-1]), tokens.flatten().long()
    rows = table[numbers.masked_fill(numbers >= len(table), 0)]
    cosines, sines = (angles.reshape(-1, angles.shape[-1])[known] for angles in (cos, sin))
    if program.by_user:
        cosines, sines = (angles.repeat(2, 1)[None, :, None] for angles in (cosines, sines))
    else:
        cosines, sines = cosines[None, None], sines[None, None]
    return rows[None, None], cosines, sines


@ttnn.register_python_operation(name="ttnn.bitnet.look_up", golden_function=_golden)
def look_up(
    tokens: ttnn.Tensor,
    table: ttnn.Tensor,
    positions: ttnn.Tensor,
    cos: ttnn.Tensor,
    sin: ttnn.Tensor,
    *,
    program: LookUp,
) -> tuple[ttnn.Tensor, ttnn.Tensor, ttnn.Tensor]:
    """Runs `program`. See `LookUp.__call__`."""
    return program.run(tokens, table, positions, cos, sin)
