# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""The assignment of tile columns (or tile rows) to cores."""

from dataclasses import dataclass


@dataclass(frozen=True)
class CoreAssignment:
    """`tiles` in order over cores: `per_core` on every core, fewer on the last one where they do not divide evenly."""

    tiles: int
    per_core: int

    @classmethod
    def over(cls, tiles: int, cores: int) -> "CoreAssignment":
        """The most even assignment of `tiles` to at most `cores` cores."""
        return cls(tiles, -(-tiles // cores))

    @property
    def cores(self) -> int:
        return -(-self.tiles // self.per_core)

    def of(self, core: int) -> tuple[int, int]:
        """(first tile, number of tiles) of a core. A core past the last one has 0 tiles."""
        first = min(core * self.per_core, self.tiles)
        return first, min(self.per_core, self.tiles - first)
