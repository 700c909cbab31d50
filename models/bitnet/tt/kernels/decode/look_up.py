# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""What a decode step looks up, in one program: its tokens' rows of the embedding and its positions' angles.

Every core fills its own shards: one processor brings in columns of the rows, the other a user's angles.
"""

from dataclasses import dataclass

import torch

import ttnn
from models.bitnet.tt.kernels.common import describe
from models.bitnet.tt.kernels.common.describe import TILE_SIZE, Buffer, Described
from models.bitnet.tt.kernels.common.ternary_tiles import TILE

_ALIGNMENT = 64  # of what is read from DRAM


@dataclass(frozen=True)
class LookUp(Described):
    """For `users` rows: where the embedding's go, width-sharded, as what; and where the angles go, a tile high on every
    core, first those for all users' queries, then those for their keys."""

    users: int
    row_dtype: ttnn.DataType
    row_memory: ttnn.MemoryConfig
    angles_memory: ttnn.MemoryConfig

    def __call__(
        self, tokens: ttnn.Tensor, table: ttnn.Tensor, positions: ttnn.Tensor, cos: ttnn.Tensor, sin: ttnn.Tensor
    ) -> tuple[ttnn.Tensor, ttnn.Tensor, ttnn.Tensor]:
        """tokens: uint32 [.., users]; positions: int32 [users], negative for an idle user, who gets some angle; tables:
        bfloat16, row by row. -> (rows [1, 1, users, width], cosines and sines [1, 2 * users, 1, head width])."""
        return look_up(tokens, table, positions, cos, sin, program=self)

    def run(self, *inputs: ttnn.Tensor) -> tuple[ttnn.Tensor, ttnn.Tensor, ttnn.Tensor]:
        tokens, table, positions, cos, sin = inputs

        def result(shape: list[int], dtype: ttnn.DataType, memory: ttnn.MemoryConfig) -> ttnn.Tensor:
            return ttnn.allocate_tensor_on_device(ttnn.Shape(shape), dtype, ttnn.TILE_LAYOUT, tokens.device(), memory)

        angles = [1, 2 * self.users, 1, cos.shape[-1]]
        rows = result([1, 1, self.users, table.shape[-1]], self.row_dtype, self.row_memory)
        cosines, sines = (result(angles, ttnn.bfloat16, self.angles_memory) for _ in range(2))
        descriptor = self.described(*inputs)
        for kernel, tensors in zip(
            descriptor.kernels, ((positions, cos, sin, cosines, sines), (tokens, table, rows)), strict=True
        ):
            kernel.common_runtime_args = [tensor.buffer_address() for tensor in tensors]
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
            cores: ttnn.CoreRangeSet,
            arguments: list[int],
            config: ttnn.ReaderConfigDescriptor | ttnn.WriterConfigDescriptor,
            constants: dict[str, int],
            tensors: list[ttnn.Tensor],
            row_bytes: int,
        ) -> None:
            places = ttnn.corerange_to_cores(cores, len(arguments), row_wise=True)
            own = {"numbers_buffer": len(buffers), "rows_buffer": len(buffers) + 1}
            for size in (numbers, row_bytes):
                buffers.append(Buffer(len(buffers), ttnn.bfloat16, size, 1).on(cores))
            share = [(place, [argument]) for place, argument in zip(places, arguments, strict=True)]
            constants = {"users": self.users, **constants, **own}
            kernels.append(describe.kernel(source, cores, share, config, constants, tensors))

        add(
            "decode/look_up_angles.cpp",
            angles.grid,
            list(range(self.users)) * 2,
            ttnn.WriterConfigDescriptor(),
            {"halves": 2 * cos.shape[-1] // TILE},
            [positions, cos, sin],
            4 * cos.shape[-1],
        )
        add(
            "decode/look_up_tokens.cpp",
            shard.grid,
            list(range(shard.grid.num_cores())),
            ttnn.ReaderConfigDescriptor(),
            {"tiles": shard.shape[1] // TILE, "value_bytes": TILE_SIZE[self.row_dtype] // TILE**2},
            [tokens, table],
            self.users * 2 * shard.shape[1],
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
    places = positions.flatten().long().clamp_min(0).repeat(2)
    rows = table.reshape(-1, table.shape[-1])[tokens.flatten().long()]
    return rows[None, None], *(angles.reshape(-1, angles.shape[-1])[places][None, :, None] for angles in (cos, sin))


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
    """`program` on tensors that it was described for."""
    return program.run(tokens, table, positions, cos, sin)
