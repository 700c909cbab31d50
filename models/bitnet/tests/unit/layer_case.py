# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""Running a block with attention, on the device and in the reference: what the tests of attention and decoder share."""

from typing import Any

import torch

import ttnn
from models.bitnet.reference.rope import rope_tables
from models.bitnet.tests.common import Pages, decode_rotation, to_decode, to_integers, to_prefill, to_rows, whole_tiles
from models.bitnet.tt.config import BitNetConfig
from models.bitnet.tt.kv_cache import LayerCache
from models.bitnet.tt.model_config import ModelConfig
from models.bitnet.tt.rope import RotaryEmbedding, Rotation

CONTEXT = 256


class LayerCase:
    """A subclass sets `block`, which runs on the device, and has `reference`, a call of the reference's block."""

    block: Any
    reference: Any

    def __init__(self, device: Any, model: BitNetConfig, precision: str, users: int):
        self.model, self.config = model, ModelConfig(model, device, precision, users, max_seq_len=CONTEXT)
        self.rope = RotaryEmbedding(self.config)

    def prefill(self, x: torch.Tensor, pages: Pages, cache: LayerCache, user: int = 0, start: int = 0) -> torch.Tensor:
        """Prefill the token rows [length, hidden] of a user, at positions from `start` on."""
        rows = whole_tiles(len(x))
        page_table, chunk = pages.prefill_tables(user, start, rows, self.config.device)
        rotation = self.rope.forward_prefill(start, rows)
        y = self.block.forward_prefill(to_prefill(x, self.config), rotation, cache, page_table, chunk, start)
        return to_rows(y, len(x))

    def decode(self, x: torch.Tensor, pages: Pages, cache: LayerCache, positions: list[int]) -> torch.Tensor:
        """Decode one token of each user: [users, hidden] -> the same."""
        device = self.config.device
        table, at = to_integers(pages.table, device), to_integers(torch.tensor(positions), device)
        row = to_decode(x, self.config, self.config.residual_memory)
        y = self.forward_decode(row, decode_rotation(self.rope, positions), cache, table, at)
        assert y.memory_config() == self.config.residual_memory
        return to_rows(y, len(x))

    def forward_decode(
        self, x: ttnn.Tensor, rotation: Rotation, cache: LayerCache, *others: ttnn.Tensor
    ) -> ttnn.Tensor:
        """A decode step of the block."""
        return self.block.forward_decode(x, rotation, cache, *others)

    def golden(self, x: torch.Tensor) -> tuple[torch.Tensor, Any]:
        """Prefill in the reference. Returns (token rows, cache)."""
        y, cache = self.reference(x[None], *rope_tables(self.model, 0, len(x)))
        return y[0], cache


def mixed_positions(users: int) -> list[int]:
    """Positions around the edges of tiles and pages, the first and the last of the context, then random ones."""
    edges = [31, 32, 33, 0, 64, 95, 127, 128, 159, 160, CONTEXT - 1]
    return (edges + torch.randint(0, CONTEXT, (users,)).tolist())[:users]
