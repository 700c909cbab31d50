# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""The chip as kernels see it: its cores, banks and sizes of memory."""

from dataclasses import dataclass
from functools import cached_property

import ttnn

_L1 = {"WORMHOLE_B0": 1499136, "BLACKHOLE": 1572864}
_DRAM_ALIGNMENT = {"WORMHOLE_B0": 32, "BLACKHOLE": 64}


@dataclass(frozen=True)
class Core:
    """A worker core: its place in the grid, and its NoC coordinates."""

    x: int
    y: int
    noc_x: int
    noc_y: int


@dataclass(frozen=True)
class Chip:
    """A chip of a device."""

    blackhole: bool
    cores: tuple[Core, ...]  # row by row
    dram_banks: int
    l1_bytes: int
    dram_alignment: int

    @classmethod
    def of(cls, device: ttnn.MeshDevice) -> "Chip":
        """Return the chip that a device consists of."""
        grid, dram, name = device.compute_with_storage_grid_size(), device.dram_grid_size(), device.arch().name
        places = [(x, y) for y in range(grid.y) for x in range(grid.x)]
        on_noc = [device.worker_core_from_logical_core(ttnn.CoreCoord(*place)) for place in places]
        cores = tuple(Core(*place, core.x, core.y) for place, core in zip(places, on_noc))
        return cls(name == "BLACKHOLE", cores, dram.x * dram.y, _L1[name], _DRAM_ALIGNMENT[name])

    @cached_property
    def numbers(self) -> dict[tuple[int, int], int]:
        """The number of each core, by its place in the grid."""
        return {(core.x, core.y): number for number, core in enumerate(self.cores)}
