# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""The fused program of what a decode step looks up: rows of the embedding by token, rotation angles by position.

Every core fills its own shards of the results. One data-movement processor copies columns of the tokens' rows, the
other copies the angles of one user.
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


class TokensArguments(NamedTuple):
    shard: int


class TokensAddresses(NamedTuple):
    tokens_at: int
    table_at: int
    result_at: int


@dataclass(frozen=True)
class LookUp(Described):
    """The look-up for `users` users.

    Rows of the embedding are width-sharded in `row_memory`. Angles are height-sharded in `angles_memory`, one tile of
    rows on each core: first the angles of all users' queries, then those of their keys.
    """

    users: int
    row_dtype: ttnn.DataType
    row_memory: ttnn.MemoryConfig
    angles_memory: ttnn.MemoryConfig

    def __call__(
        self, tokens: ttnn.Tensor, table: ttnn.Tensor, positions: ttnn.Tensor, cos: ttnn.Tensor, sin: ttnn.Tensor
    ) -> tuple[ttnn.Tensor, ttnn.Tensor, ttnn.Tensor]:
        """-> (rows [1, 1, users, width], cosines and sines, each [1, 2 * users, 1, head width]).

        tokens: uint32 [.., users]; positions: int32 [users]; table, cos, sin: bfloat16, row-major. A token past the
        table's end gets its first row. A negative position marks an idle user, who gets any angle.
        """
        return look_up(tokens, table, positions, cos, sin, program=self)

    def run(self, *inputs: ttnn.Tensor) -> tuple[ttnn.Tensor, ttnn.Tensor, ttnn.Tensor]:
        tokens, table, positions, cos, sin = inputs

        def result(shape: list[int], dtype: ttnn.DataType, memory: ttnn.MemoryConfig) -> ttnn.Tensor:
            return ttnn.allocate_tensor_on_device(ttnn.Shape(shape), dtype, ttnn.TILE_LAYOUT, tokens.device(), memory)

        angles = [1, 2 * self.users, 1, cos.shape[-1]]
        rows = result([1, 1, self.users, table.shape[-1]], self.row_dtype, self.row_memory)
        cosines, sines = (result(angles, ttnn.bfloat16, self.angles_memory) for _ in range(2))
        descriptor = self.described(*inputs)
        of_angles, of_tokens = descriptor.kernels
        of_angles.common_runtime_args = AnglesAddresses(
            positions_at=positions.buffer_address(),
            cos_at=cos.buffer_address(),
            sin_at=sin.buffer_address(),
            cos_result_at=cosines.buffer_address(),
            sin_result_at=sines.buffer_address(),
        )
        of_tokens.common_runtime_args = TokensAddresses(
            tokens_at=tokens.buffer_address(), table_at=table.buffer_address(), result_at=rows.buffer_address()
        )
        ttnn.generic_op([*inputs, rows, cosines, sines], descriptor)
        return rows, cosines, sines

    def _describe(
        self, tokens: ttnn.Tensor, table: ttnn.Tensor, positions: ttnn.Tensor, cos: ttnn.Tensor, sin: ttnn.Tensor
    ) -> ttnn.ProgramDescriptor:
        shard, angles = self.row_memory.shard_spec, self.angles_memory.shard_spec
        numbers = -(-4 * self.users // _ALIGNMENT) * _ALIGNMENT
        buffers, kernels = [], []

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
            on_cores = zip(ttnn.corerange_to_cores(cores, len(arguments), row_wise=True), arguments, strict=True)
            own = {"numbers_buffer": len(buffers), "rows_buffer": len(buffers) + 1}
            for size in (numbers, row_bytes):
                buffers.append(Buffer(len(buffers), ttnn.bfloat16, size, 1).on(cores))
            constants = {"users": self.users, **constants, **own}
            kernels.append(describe.kernel(source, cores, on_cores, config, constants, tensors))

        add(
            "decode/look_up_angles.cpp",
            cores=angles.grid,
            arguments=[AnglesArguments(user) for user in range(self.users)] * 2,
            config=ttnn.WriterConfigDescriptor(),
            constants={"halves": 2 * cos.shape[-1] // TILE},
            tensors=[positions, cos, sin],
            row_bytes=4 * cos.shape[-1],
        )
        add(
            "decode/look_up_tokens.cpp",
            cores=shard.grid,
            arguments=[TokensArguments(number) for number in range(shard.grid.num_cores())],
            config=ttnn.ReaderConfigDescriptor(),
            constants={
                "vocabulary": table.shape[-2],
                "tiles": shard.shape[1] // TILE,
                "value_bytes": describe.VALUE_BYTES[self.row_dtype],
            },
            tensors=[tokens, table],
            row_bytes=self.users * 2 * shard.shape[1],
        )
        return ttnn.ProgramDescriptor(kernels=kernels, semaphores=[], cbs=buffers)


def _golden(
    tokens: torch.Tensor,
    table: torch.Tensor,
    positions: torch.Tensor,
    cos: torch.Tensor,
    sin: torch.Tensor,
    *,
    program: LookUp,
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    of_queries_and_keys = positions.flatten().long().clamp_min(0).repeat(2)
    table, numbers = table.reshape(-1, table.shape[-1]), tokens.flatten().long()
    rows = table[numbers.masked_fill(numbers >= len(table), 0)]
    cosines, sines = (angles.reshape(-1, angles.shape[-1])[of_queries_and_keys][None, :, None] for angles in (cos, sin))
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
