# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""Rotary position embedding: each pair (a, b) of a head turns by position * theta^(-2i/d).

The device rotates neighbours (2i, 2i+1); the checkpoint pairs i with i + d/2. So the rows of Q and K are permuted once
when the weights are loaded, and the tables here repeat each angle twice.
"""

from dataclasses import dataclass

import torch

import ttnn
from models.bitnet.tt.layout import TILE
from models.bitnet.tt.model_config import ModelConfig
from models.common.lightweightmodule import LightweightModule


@dataclass(frozen=True)
class Rotation:
    """The angles of some positions, as the rotation kernels want them."""

    cos: ttnn.Tensor
    sin: ttnn.Tensor
    pairs: ttnn.Tensor  # the matrix that swaps neighbours

    def deallocate(self) -> None:
        """The angles; the matrix stays."""
        ttnn.deallocate(self.cos)
        ttnn.deallocate(self.sin)


class RotaryEmbedding(LightweightModule):
    """Tables for every position, uploaded once; a step looks its rows up on the device (see `DecodeLookUp`)."""

    def __init__(self, config: ModelConfig):
        self.config = config
        model, device = config.model, config.device
        # prefill reads whole tiles of positions; with one more than it reads, its slice is never the table itself
        positions = -(-config.max_seq_len // TILE) * TILE + TILE
        frequencies = model.rope_theta ** (-torch.arange(0, model.head_dim, 2).double() / model.head_dim)
        angles = torch.outer(torch.arange(positions).double(), frequencies).repeat_interleave(2, dim=-1)
        swap = torch.zeros(TILE, TILE)
        even = torch.arange(0, TILE, 2)
        swap[even, even + 1], swap[even + 1, even] = 1.0, -1.0

        def upload(table: torch.Tensor, layout: ttnn.Layout, memory: ttnn.MemoryConfig) -> ttnn.Tensor:
            return ttnn.from_torch(
                table.float(), dtype=ttnn.bfloat16, layout=layout, device=device, memory_config=memory
            )

        dram, rows, tiles = ttnn.DRAM_MEMORY_CONFIG, ttnn.ROW_MAJOR_LAYOUT, ttnn.TILE_LAYOUT
        self.cos_rows, self.sin_rows = (upload(f(angles), rows, dram) for f in (torch.cos, torch.sin))
        self.cos_tiles, self.sin_tiles = (upload(f(angles)[None, None], tiles, dram) for f in (torch.cos, torch.sin))
        self.pairs = upload(swap[None, None], tiles, dram)
        # decode rotates queries and keys of all users at once: a copy of the matrix on each of their cores
        self.decode_pairs = upload(swap.repeat(2 * config.users, 1)[None, None], tiles, config.rotation_memory)

    def forward_prefill(self, start: int, rows: int) -> Rotation:
        """The angles of positions [start, start + rows), in whole tiles."""
        begin, end = [0, 0, start, 0], [1, 1, start + rows, self.config.model.head_dim]
        return Rotation(ttnn.slice(self.cos_tiles, begin, end), ttnn.slice(self.sin_tiles, begin, end), self.pairs)
