# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""Rotary position embedding: each pair (a, b) of a head turns by position * theta^(-2i/d).

The device rotates neighbours (2i, 2i+1), while the checkpoint pairs i with i + d/2. So the rows of Wq and Wk are
permuted when the weights are loaded, and the tables here have each angle twice.
"""

from dataclasses import dataclass

import torch

import ttnn
from models.bitnet.tt.layout import TILE
from models.bitnet.tt.model_config import ModelConfig
from models.common.lightweightmodule import LightweightModule


@dataclass(frozen=True)
class Rotation:
    """Cosines and sines of the angles of some positions, as the rotation kernels take them."""

    cos: ttnn.Tensor
    sin: ttnn.Tensor
    pairs: ttnn.Tensor  # the matrix that swaps neighbours

    def deallocate(self) -> None:
        """Frees the cosines and sines. The matrix is kept, because all rotations use it."""
        ttnn.deallocate(self.cos)
        ttnn.deallocate(self.sin)


class RotaryEmbedding(LightweightModule):
    """Tables of all positions, uploaded once. A decode step looks up its rows on the device: see `DecodeLookUp`."""

    def __init__(self, config: ModelConfig):
        self.config = config
        model, device = config.model, config.device
        # Prefill slices whole tiles of positions. With one tile more, a slice is never the whole table.
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
        # Each core that rotates queries or keys in decode has a copy of the matrix.
        copies = config.programs.pairs_memory.shard_spec.grid.num_cores()
        self.decode_pairs = upload(swap.repeat(copies, 1)[None, None], tiles, config.programs.pairs_memory)

    def forward_prefill(self, start: int, rows: int) -> Rotation:
        """The angles of positions [start, start + rows). Both numbers are multiples of 32."""
        begin, end = [0, 0, start, 0], [1, 1, start + rows, self.config.model.head_dim]
        return Rotation(ttnn.slice(self.cos_tiles, begin, end), ttnn.slice(self.sin_tiles, begin, end), self.pairs)
