# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""Ternary matrices as the matrix unit's unpacker reads them: two bits a weight, 256 bytes a tile, tiles in pages.

A weight is sign and magnitude: 0 is 00, +1 is 01, -1 is 11. A byte has four weights, the first in its lowest bits. A
tile is its four faces of 16 by 16 weights, each row by row. A page holds `block` tiles of K of each column of a group,
so that a core reads its columns in order.
"""

from dataclasses import dataclass

import torch

from models.bitnet.tt.layout import TILE, largest_divisor

TILE_BYTES = TILE * TILE // 4
_LARGEST_PAGE = 16  # tiles: 4 kB a read


@dataclass(frozen=True)
class TernaryPages:
    """How a matrix of `inner` by `width` tiles lies in pages.

    `group` neighbouring tile columns form a group, and every group has `inner / block` pages.
    """

    inner: int
    width: int
    group: int
    block: int
    # Matrices that lie side by side in every group: 2 for gate and up. `width` is then the width of both together.
    matrices: int = 1

    @classmethod
    def of(cls, inner: int, width: int, group: int, matrices: int = 1) -> "TernaryPages":
        return cls(inner, width, group, largest_divisor(inner, _LARGEST_PAGE // group), matrices)

    @property
    def pages_of_a_group(self) -> int:
        return self.inner // self.block

    @property
    def page_tiles(self) -> int:
        return self.block * self.group

    @property
    def page_bytes(self) -> int:
        return self.page_tiles * TILE_BYTES

    def pack(self, weight: torch.Tensor) -> torch.Tensor:
        """A ternary matrix [inner * 32, width * 32] -> its packed words, int32 [pages, words]."""
        # The dimensions become: group, block of K, tile of the block, column of the group, then those of the tile.
        tiles = weight.reshape(self.inner, TILE, self.width, TILE).permute(2, 0, 1, 3)
        each = self.group // self.matrices
        grouped = tiles.reshape(self.matrices, -1, each, self.inner, TILE, TILE).transpose(0, 1)
        blocks = grouped.reshape(-1, self.group, self.inner // self.block, self.block, TILE, TILE)
        pages = blocks.permute(0, 2, 3, 1, 4, 5).reshape(-1, self.page_tiles, TILE, TILE)
        faces = pages.reshape(-1, self.page_tiles, 2, 16, 2, 16).transpose(-3, -2).reshape(len(pages), -1, 4)
        codes = torch.where(faces < 0, 3, faces).to(torch.uint8)
        packed = codes[..., 0] | codes[..., 1] << 2 | codes[..., 2] << 4 | codes[..., 3] << 6
        return packed.contiguous().view(torch.int32)

    def unpack(self, packed: torch.Tensor) -> torch.Tensor:
        """Packed words int32 [pages, words] -> the ternary matrix, int8 [inner * 32, width * 32]."""
        words = packed.contiguous().view(torch.uint8)
        codes = torch.stack([words >> shift & 3 for shift in (0, 2, 4, 6)], dim=-1).to(torch.int8)
        values = torch.where(codes == 3, -1, codes).to(torch.int8)
        pages = values.reshape(-1, self.page_tiles, 2, 2, 16, 16).transpose(-3, -2)
        blocks = pages.reshape(-1, self.inner // self.block, self.block, self.group, TILE, TILE).permute(
            0, 3, 1, 2, 4, 5
        )
        each = self.group // self.matrices
        tiles = blocks.reshape(-1, self.matrices, each, self.inner, TILE, TILE).transpose(0, 1)
        columns = tiles.reshape(self.width, self.inner, TILE, TILE)
        return columns.permute(1, 2, 0, 3).reshape(self.inner * TILE, self.width * TILE)
