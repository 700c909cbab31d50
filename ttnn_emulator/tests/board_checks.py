# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""Checks of the board that a process emulates, on all of its chips and cores.

One process has one board, so `test_boards.py` and `test_mesh.py` run this file in processes of their own.
"""

import torch

import ttnn
from ttnn_emulator.install import installed_board

# mesh, architecture, cores of a chip, DRAM banks of a chip
FACTS = {
    "n150": ((1, 1), "wormhole_b0", (8, 8), 12),
    "n300": ((1, 2), "wormhole_b0", (8, 8), 12),
    "t3k": ((2, 4), "wormhole_b0", (8, 8), 12),
    "p100": ((1, 1), "blackhole", (11, 10), 7),
    "p150": ((1, 1), "blackhole", (11, 10), 8),
    "p300": ((1, 2), "blackhole", (11, 10), 8),
    "4xp150": ((1, 4), "blackhole", (11, 10), 8),
}


def test_the_board_is_the_product_and_every_chip_computes():
    board = installed_board()
    shape, arch, cores, banks = FACTS[board.name]
    chips = shape[0] * shape[1]
    assert (board.mesh_shape, board.chips) == (shape, chips)
    assert (ttnn.get_arch_name(), ttnn.get_num_devices()) == (arch, chips)
    ttnn.set_fabric_config(ttnn.FabricConfig.FABRIC_1D if chips > 1 else ttnn.FabricConfig.DISABLED)
    mesh = ttnn.open_mesh_device(ttnn.MeshShape(*shape))
    grid, dram = mesh.compute_with_storage_grid_size(), mesh.dram_grid_size()
    assert (tuple(mesh.shape), (grid.x, grid.y), dram.x * dram.y) == (shape, cores, banks)
    x = ttnn.from_torch(
        torch.arange(chips * 1024.0).reshape(chips, 1, 32, 32),
        dtype=ttnn.float32,
        layout=ttnn.TILE_LAYOUT,
        device=mesh,
        mesh_mapper=ttnn.ShardTensorToMesh(mesh, dim=0),
    )
    firsts = [float(ttnn.to_torch(shard)[0, 0, 0, 0]) for shard in ttnn.get_device_tensors(ttnn.add(x, 1.0))]
    assert firsts == [chip * 1024.0 + 1 for chip in range(chips)]
    w = ttnn.from_torch(torch.eye(512), dtype=ttnn.bfloat16, layout=ttnn.TILE_LAYOUT, device=mesh)
    product = ttnn.matmul(w, w)  # on all cores
    if chips > 1:
        product = ttnn.all_reduce(product, cluster_axis=1)
    assert float(ttnn.to_torch(ttnn.get_device_tensors(product)[-1]).sum()) == 512 * shape[1]
    ttnn.close_mesh_device(mesh)
    ttnn.set_fabric_config(ttnn.FabricConfig.DISABLED)
