# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""Tiles shared out over cores."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Shares:
    """`tiles` shared out over cores, `each` on every one but perhaps the last."""

    tiles: int
    each: int

    @classmethod
    def over(cls, tiles: int, cores: int) -> "Shares":
        """As evenly as `cores` allow."""
        return cls(tiles, -(-tiles // cores))

    @property
    def cores(self) -> int:
        return -(-self.tiles // self.each)

    def of(self, core: int) -> tuple[int, int]:
        """(the first tile, how many) of a core; none for those past the last."""
        first = min(core * self.each, self.tiles)
        return first, min(self.each, self.tiles - first)
