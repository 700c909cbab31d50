# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""Tensor parallel: how one model is sharded over the devices of a mesh with one row.

`ModelConfig` chooses between a single device and tensor parallel once. Every matrix is sharded by its columns (its
outputs). A device therefore sums over whole rows. The norm and the int8 peak are taken over whole rows too. The integer
sums and the int8 codes are therefore the same as on a single device. Four all-gathers a layer turn the columns of the
devices into whole rows:

| all-gathered    | because                                                       |
|-----------------|---------------------------------------------------------------|
| attention heads | the norm and the int8 peak of o are those of the whole row    |
| o's result      | every device holds the whole residual stream                  |
| act(gate) * up  | the norm and the int8 peak of down are those of the whole row |
| down's result   | every device holds the whole residual stream                  |

Query, key and value heads stay, in whole groups, on the device that computes them. The logits of each shard of the
vocabulary also stay on the device that computes them.
"""

from dataclasses import dataclass
from itertools import cycle
from typing import Any

import torch

import ttnn
from models.bitnet.tt.layout import Chip, Columns, Scattered, columns, scattered


@dataclass(frozen=True)
class WeightSharding:
    """How a weight is sharded over devices. `name` is part of its cache file's name; it is empty for a replicated
    weight."""

    name: str
    mapper: Any


REPLICATED = WeightSharding("", None)


class SingleDevice:
    """A single device: no sharding and no collectives."""

    chips = 1
    column_sharding = REPLICATED

    def columns(self, width: int, chip: Chip) -> Columns:
        """The cores that hold a device's columns of a decode result that is `width` wide."""
        return columns(width, chip)

    def all_gather(self, x: ttnn.Tensor, memory: ttnn.MemoryConfig) -> ttnn.Tensor:
        """All-gather along the last dimension: every device ends up with whole rows. Frees x."""
        return x

    def all_gather_first(self, x: ttnn.Tensor, width: int, memory: ttnn.MemoryConfig) -> ttnn.Tensor:
        """All-gather, then keep the first `width` columns; the columns behind them are padding. Frees x."""
        return x

    def read_replicated(self, x: ttnn.Tensor) -> torch.Tensor:
        """A tensor that every device holds whole, on the host."""
        return ttnn.to_torch(x)

    def read_sharded(self, x: ttnn.Tensor) -> torch.Tensor:
        """A tensor that is sharded by its columns, whole on the host."""
        return ttnn.to_torch(x)


class TensorParallel:
    """A mesh of one row of devices. Device i holds the i-th of equal shards."""

    def __init__(self, device: ttnn.MeshDevice):
        self._device = device
        self.chips = device.get_num_devices()
        self.column_sharding = WeightSharding(f".columns{self.chips}", ttnn.ShardTensorToMesh(device, dim=3))
        grid = device.compute_with_storage_grid_size()
        all_cores = ttnn.num_cores_to_corerangeset(grid.x * grid.y, grid, row_wise=True)

        def semaphores(count: int) -> list[Any]:
            return [ttnn.create_global_semaphore(device, all_cores, 0) for _ in range(count)]

        # two sets take turns, because a device may begin the next all-gather while its neighbour ends this one
        self._semaphores = cycle([(semaphores(2), *semaphores(1)) for _ in range(2)])

    def columns(self, width: int, chip: Chip) -> Scattered:
        """The cores that hold a device's columns. No norm reads these columns, so the cores need not be a rectangle."""
        return scattered(width // self.chips, chip)

    def all_gather(self, x: ttnn.Tensor, memory: ttnn.MemoryConfig) -> ttnn.Tensor:
        """All-gather along the last dimension: every device ends up with whole rows. Frees x."""
        semaphores, barrier = next(self._semaphores)
        whole = ttnn.experimental.all_gather_async(
            x,
            persistent_output_buffer=None,  # the barrier waits until every device has allocated its result
            dim=3,
            multi_device_global_semaphore=semaphores,
            barrier_semaphore=barrier,
            topology=ttnn.Topology.Linear,
            memory_config=memory,
        )
        ttnn.deallocate(x)
        return whole

    def all_gather_first(self, x: ttnn.Tensor, width: int, memory: ttnn.MemoryConfig) -> ttnn.Tensor:
        """All-gather, then keep the first `width` columns; the columns behind them are padding. Frees x."""
        if x.shape[3] * self.chips == width:
            return self.all_gather(x, memory)
        padded = self.all_gather(x, ttnn.MemoryConfig(ttnn.TensorMemoryLayout.INTERLEAVED, memory.buffer_type))
        first = ttnn.slice(padded, [0, 0, 0, 0], [1, 1, padded.shape[2], width], memory_config=memory)
        ttnn.deallocate(padded)
        return first

    def read_replicated(self, x: ttnn.Tensor) -> torch.Tensor:
        """A tensor that every device holds whole, on the host."""
        return ttnn.to_torch(ttnn.get_device_tensors(x)[0])

    def read_sharded(self, x: ttnn.Tensor) -> torch.Tensor:
        """A tensor that is sharded by its columns, whole on the host."""
        return ttnn.to_torch(x, mesh_composer=ttnn.ConcatMeshToTensor(self._device, dim=3))


Parallelism = SingleDevice | TensorParallel


def parallelism_of(device: ttnn.MeshDevice) -> Parallelism:
    """Returns `TensorParallel` for a row of several devices and `SingleDevice` for one device."""
    rows, chips = tuple(device.shape)
    if rows != 1:
        raise ValueError(
            f"a mesh of {rows} x {chips} chips: one model is sharded over one row of chips; "
            "give each row (a submesh) a separate model"
        )
    return SingleDevice() if chips == 1 else TensorParallel(device)


def rows_of_devices(mesh: ttnn.MeshDevice, models: int) -> list[ttnn.MeshDevice]:
    """The mesh cut into `models` rows of devices, one row for each model."""
    rows, columns = tuple(mesh.shape)
    chips = rows * columns // models
    if models * chips != rows * columns or columns % chips:
        raise ValueError(
            f"a mesh of {rows} x {columns} chips (MESH_DEVICE) cannot be cut into {models} row(s) of chips, "
            "one for each model (--data-parallel-size)"
        )
    return [mesh] if models == 1 else mesh.create_submeshes(ttnn.MeshShape(1, chips))
