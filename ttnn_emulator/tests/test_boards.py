# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""Every board opens as the product it stands for."""

import pytest

import ttnn
from ttnn_emulator.errors import EmulatorError
from ttnn_emulator.install import installed_board
from ttnn_emulator.library.boards import BOARDS, DEFAULT_BOARD, find_board
from ttnn_emulator.tests.subprocesses import emulator

OPEN = """
import torch
import ttnn

chips = ttnn.get_num_devices()
ttnn.set_fabric_config(ttnn.FabricConfig.FABRIC_1D if chips > 1 else ttnn.FabricConfig.DISABLED)
mesh = ttnn.open_mesh_device(ttnn.MeshShape(*{shape}))
grid, banks = mesh.compute_with_storage_grid_size(), mesh.dram_grid_size()
print(ttnn.get_arch_name(), chips, tuple(mesh.shape), (grid.x, grid.y), banks.x * banks.y)
x = ttnn.from_torch(
    torch.arange(chips * 1024.0).reshape(chips, 1, 32, 32), dtype=ttnn.float32, layout=ttnn.TILE_LAYOUT, device=mesh,
    mesh_mapper=ttnn.ShardTensorToMesh(mesh, dim=0),
)
y = ttnn.add(x, 1.0)
print([float(ttnn.to_torch(shard)[0, 0, 0, 0]) for shard in ttnn.get_device_tensors(y)])
w = ttnn.from_torch(torch.eye(512), dtype=ttnn.bfloat16, layout=ttnn.TILE_LAYOUT, device=mesh)
z = ttnn.matmul(w, w)  # on all cores
if chips > 1:
    z = ttnn.all_reduce(z, cluster_axis=1)
print(float(ttnn.to_torch(ttnn.get_device_tensors(z)[-1]).sum()))
ttnn.close_mesh_device(mesh)
"""


@pytest.mark.parametrize(
    "board, shape, arch, grid, banks",
    [
        ("n150", (1, 1), "wormhole_b0", (8, 8), 12),
        ("n300", (1, 2), "wormhole_b0", (8, 8), 12),
        ("t3k", (2, 4), "wormhole_b0", (8, 8), 12),
        ("p100", (1, 1), "blackhole", (11, 10), 7),
        ("p150", (1, 1), "blackhole", (11, 10), 8),
        ("p300", (1, 2), "blackhole", (11, 10), 8),
        ("4xp150", (1, 4), "blackhole", (11, 10), 8),
    ],
)
def test_board(board, shape, arch, grid, banks):
    run = emulator("--board", board, "-c", OPEN.format(shape=shape))
    assert run.stderr == ""
    described, values, total = run.stdout.splitlines()
    chips = shape[0] * shape[1]
    assert described == f"{arch} {chips} {shape} {grid} {banks}"
    assert values == str([chip * 1024.0 + 1 for chip in range(chips)])
    assert float(total) == 512 * shape[1]
    assert BOARDS[board].mesh_shape == shape and BOARDS[board].chips == chips


def test_dispatch_cores_stay_in_a_row_on_wormhole():
    run = emulator(
        "-c",
        "import torch, ttnn\n"
        "axis = ttnn.DispatchCoreConfig(ttnn.DispatchCoreType.WORKER, ttnn.DispatchCoreAxis.COL)\n"
        "device = ttnn.open_device(device_id=0, dispatch_core_config=axis)\n"
        "x = ttnn.from_torch(torch.zeros(32, 3200), layout=ttnn.TILE_LAYOUT, device=device)\n"
        "print(float(ttnn.to_torch(ttnn.exp(x)).sum()))\n",
    )
    assert run.stdout == "102400.0\n"
    assert "keeps its dispatch cores in a row" in run.stderr


MIXED = """
import torch
import ttnn

mesh = ttnn.open_mesh_device(ttnn.MeshShape(1, 2))
first, second = mesh.create_submeshes(ttnn.MeshShape(1, 1))
x, y = (
    ttnn.from_torch(torch.full((32, 32), v), dtype=ttnn.bfloat16, layout=ttnn.TILE_LAYOUT, device=d)
    for v, d in ((1.0, first), (2.0, second))
)
print(x.buffer_address() == y.buffer_address(), float(ttnn.to_torch(x).mean()), float(ttnn.to_torch(y).mean()))
ttnn.add(x, y)
"""


def test_tensors_of_two_devices_do_not_mix():
    run = emulator("--board", "p300", "-c", MIXED)
    assert run.stdout == "True 1.0 2.0\n"  # the same address of two devices is two places
    assert run.returncode == 1 and len(run.stderr.splitlines()) == 1
    assert "ttnn.add: the tensors lie on different devices; move them to one device first" in run.stderr


@pytest.mark.parametrize("name", ["N150", "4xP150"])
def test_names_are_found_in_any_case(name):
    assert find_board(name).name == name.lower()


def test_an_unknown_board_lists_what_there_is():
    with pytest.raises(
        EmulatorError, match="unknown board 'e75'; choose one of n150, n300, t3k, p100, p150, p300, 4xp150"
    ):
        find_board("e75")


def test_this_process_emulates_the_board_it_says(device):
    assert installed_board().name in BOARDS and DEFAULT_BOARD == "n150"
    assert ttnn.get_arch_name() == installed_board().architecture
