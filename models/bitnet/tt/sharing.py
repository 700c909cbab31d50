# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""How a model is shared out among the chips of a mesh, chosen once by `ModelConfig`; one chip has all of it.

Every matrix is cut by its columns (its outputs), so a chip sums over whole rows: its integers are one chip's, and so
are the int8 codes, since norm and peak see whole rows too. What the chips then have of a row is gathered, by one
collective each, four times a layer:

| gathered                           | because                                      |
|------------------------------------|----------------------------------------------|
| joined heads                       | o's norm and int8 peak are of the whole row  |
| o's result                         | the residual stream is whole on every chip   |
| relu(gate)^2 * up                  | down's norm and int8 peak likewise           |
| down's result                      | the residual stream                          |

Query, key and value heads stay where their columns are, whole groups of them on a chip, and the vocabulary too.
"""

from dataclasses import dataclass
from itertools import cycle
from typing import Any

import torch
import ttnn

from models.bitnet.tt.layout import Chip, Columns, Scattered, columns, scattered


@dataclass(frozen=True)
class Split:
    """What of a matrix a chip gets; `name` tells its cached files from others' (empty: all of it)."""

    name: str
    mapper: Any


WHOLE = Split("", None)


class OneChip:
    """Nothing is cut, nothing is gathered."""

    chips = 1
    columns_split = WHOLE

    def columns(self, width: int, chip: Chip) -> Columns:
        """Where decode keeps a chip's share of `width` columns."""
        return columns(width, chip)

    def gather(self, x: ttnn.Tensor, memory: ttnn.MemoryConfig) -> ttnn.Tensor:
        """Whole rows from each chip's share of their columns. Consumes x."""
        return x

    def gather_first(self, x: ttnn.Tensor, width: int, memory: ttnn.MemoryConfig) -> ttnn.Tensor:
        """The first `width` columns of them: what follows fills the last shares up. Consumes x."""
        return x

    def read(self, x: ttnn.Tensor) -> torch.Tensor:
        """On the host, what all chips hold alike."""
        return ttnn.to_torch(x)

    def read_columns(self, x: ttnn.Tensor) -> torch.Tensor:
        """On the host, what each chip holds a share of."""
        return ttnn.to_torch(x)


class RowOfChips:
    """A mesh of one row: chip i has the i-th of equal shares."""

    def __init__(self, device: ttnn.MeshDevice):
        self._device = device
        self.chips = device.get_num_devices()
        self.columns_split = Split(f".columns{self.chips}", ttnn.ShardTensorToMesh(device, dim=3))
        grid = device.compute_with_storage_grid_size()
        everywhere = ttnn.num_cores_to_corerangeset(grid.x * grid.y, grid, row_wise=True)

        def semaphores(count: int) -> list[Any]:
            return [ttnn.create_global_semaphore(device, everywhere, 0) for _ in range(count)]

        # two sets that take turns: a chip may begin the next gather while its neighbour ends this one
        self._semaphores = cycle([(semaphores(2), *semaphores(1)) for _ in range(2)])

    def columns(self, width: int, chip: Chip) -> Scattered:
        """As `OneChip`; no norm reads these, so the cores need not make a rectangle."""
        return scattered(width // self.chips, chip)

    def gather(self, x: ttnn.Tensor, memory: ttnn.MemoryConfig) -> ttnn.Tensor:
        """As `OneChip`."""
        semaphores, barrier = next(self._semaphores)
        whole = ttnn.experimental.all_gather_async(
            x,
            persistent_output_buffer=None,  # the barrier sees to it that the others' results are allocated
            dim=3,
            multi_device_global_semaphore=semaphores,
            barrier_semaphore=barrier,
            topology=ttnn.Topology.Linear,
            memory_config=memory,
        )
        ttnn.deallocate(x)
        return whole

    def gather_first(self, x: ttnn.Tensor, width: int, memory: ttnn.MemoryConfig) -> ttnn.Tensor:
        """As `OneChip`."""
        if x.shape[3] * self.chips == width:
            return self.gather(x, memory)
        filled = self.gather(x, ttnn.MemoryConfig(ttnn.TensorMemoryLayout.INTERLEAVED, memory.buffer_type))
        first = ttnn.slice(filled, [0, 0, 0, 0], [1, 1, filled.shape[2], width], memory_config=memory)
        ttnn.deallocate(filled)
        return first

    def read(self, x: ttnn.Tensor) -> torch.Tensor:
        """As `OneChip`."""
        return ttnn.to_torch(ttnn.get_device_tensors(x)[0])

    def read_columns(self, x: ttnn.Tensor) -> torch.Tensor:
        """As `OneChip`."""
        return ttnn.to_torch(x, mesh_composer=ttnn.ConcatMeshToTensor(self._device, dim=3))


Sharing = OneChip | RowOfChips


def sharing_of(device: ttnn.MeshDevice) -> Sharing:
    """By the device's shape."""
    rows, chips = tuple(device.shape)
    if rows != 1:
        raise ValueError(
            f"a mesh of {rows} x {chips} chips: one model is shared out in one row; give each row (a submesh) its own"
        )
    return OneChip() if chips == 1 else RowOfChips(device)
