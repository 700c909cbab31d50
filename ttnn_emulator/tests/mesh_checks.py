# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""Checks on a mesh of chips. One process has one board, so `test_mesh.py` runs this file in a process of its own."""

import itertools

import pytest
import torch

import ttnn
from ttnn_emulator.tests.kernels import programs
from ttnn_emulator.tests.test_heads import numbers
from ttnn_emulator.tests.test_kv_cache import integers, step_rows


@pytest.fixture
def fabric():
    """The links between the chips: set before the mesh is opened, as on cards."""
    ttnn.set_fabric_config(ttnn.FabricConfig.FABRIC_1D)
    yield
    ttnn.set_fabric_config(ttnn.FabricConfig.DISABLED)


@pytest.fixture
def mesh(fabric, mesh_device):
    assert mesh_device.get_num_devices() > 1
    torch.manual_seed(0)
    return mesh_device


def place(mesh, value, mapper, dtype=ttnn.bfloat16, layout=ttnn.TILE_LAYOUT):
    return ttnn.from_torch(value, dtype=dtype, layout=layout, device=mesh, mesh_mapper=mapper)


def spread(mesh, value, dim, **options):
    return place(mesh, value, ttnn.ShardTensorToMesh(mesh, dim=dim), **options)


def small(*shape):
    """Numbers whose sum over all chips is exact."""
    return torch.randint(-32, 33, shape).bfloat16()


def chips(tensor):
    """Each chip's value."""
    return [ttnn.to_torch(shard) for shard in ttnn.get_device_tensors(tensor)]


def join(mesh, tensor, dim):
    return ttnn.to_torch(tensor, mesh_composer=ttnn.ConcatMeshToTensor(mesh, dim=dim))


@pytest.fixture
def semaphores(mesh):
    grid = mesh.compute_with_storage_grid_size()
    cores = ttnn.CoreRangeSet({ttnn.CoreRange(ttnn.CoreCoord(0, 0), ttnn.CoreCoord(grid.x - 1, grid.y - 1))})
    return [ttnn.create_global_semaphore(mesh, cores, 0) for _ in range(8)]


ROWS, TILES = ttnn.ROW_MAJOR_LAYOUT, ttnn.TILE_LAYOUT


@pytest.mark.parametrize(
    "dtype,layout",
    [(ttnn.bfloat16, TILES), (ttnn.bfloat16, ROWS), (ttnn.float32, ROWS), (ttnn.int32, ROWS)]
    + [(ttnn.float32, TILES), (ttnn.int32, TILES), (ttnn.bfloat8_b, TILES)],
)
def test_mappers_and_composers(mesh, dtype, layout):
    count = mesh.get_num_devices()
    value = numbers(1, 1, 32 * count, 32 * count).float() / 64
    value = value.int() if dtype == ttnn.int32 else value
    held = ttnn.to_torch(ttnn.from_torch(value, dtype=dtype, layout=layout))
    for dim in (2, 3):
        tensor = spread(mesh, value, dim, dtype=dtype, layout=layout)
        for piece, chip in zip(held.chunk(count, dim), chips(tensor)):
            assert torch.equal(piece, chip)
        assert torch.equal(join(mesh, tensor, dim), held)
    tensor = place(mesh, value, ttnn.ReplicateTensorToMesh(mesh), dtype=dtype, layout=layout)
    assert len(chips(tensor)) == count and all(torch.equal(chip, held) for chip in chips(tensor))
    shape = tuple(mesh.shape)
    tensor = place(mesh, value, ttnn.ShardTensor2dMesh(mesh, dims=(None, 3), mesh_shape=shape), dtype, layout)
    composer = ttnn.ConcatMesh2dToTensor(mesh, dims=(0, 3), mesh_shape=shape)
    assert torch.equal(ttnn.to_torch(tensor, mesh_composer=composer), held)


def test_through_the_host(mesh):
    value = numbers(1, 1, 32, 64 * mesh.get_num_devices())
    host = ttnn.from_torch(
        value, dtype=ttnn.bfloat16, layout=ttnn.TILE_LAYOUT, mesh_mapper=ttnn.ShardTensorToMesh(mesh, 3)
    )
    tensor = ttnn.to_device(host, mesh)
    assert torch.equal(join(mesh, tensor, 3), value)
    assert torch.equal(join(mesh, tensor.cpu(), 3), value)
    assert torch.equal(join(mesh, ttnn.from_device(tensor), 3), value)
    other = ttnn.from_torch(
        -value, dtype=ttnn.bfloat16, layout=ttnn.TILE_LAYOUT, mesh_mapper=ttnn.ShardTensorToMesh(mesh, 3)
    )
    ttnn.copy_host_to_device_tensor(other, tensor)
    assert torch.equal(join(mesh, tensor, 3), -value)


def test_each_chip_computes_its_own(mesh):
    count = mesh.get_num_devices()
    rows, weight = torch.randn(1, 1, 32, 64).bfloat16(), torch.randn(1, 1, 64, 64 * count).bfloat16()
    product = ttnn.matmul(place(mesh, rows, ttnn.ReplicateTensorToMesh(mesh)), spread(mesh, weight, 3))
    expected = rows.float() @ weight.float()
    torch.testing.assert_close(join(mesh, product, 3).float(), expected, atol=0.15, rtol=0.02)
    total = ttnn.add(spread(mesh, weight, 3), spread(mesh, weight, 3))
    assert torch.equal(join(mesh, total, 3), weight + weight)


def test_a_split_matmul_is_reduced(mesh):
    count = mesh.get_num_devices()
    rows, weight = torch.randint(-8, 8, (1, 1, 32, 64 * count)).bfloat16(), numbers(1, 1, 64 * count, 128).sign()
    parts = ttnn.matmul(spread(mesh, rows, 3), spread(mesh, weight, 2), dtype=ttnn.float32)
    for chip in chips(ttnn.all_reduce(parts)):
        assert torch.equal(chip, rows.float() @ weight.float())


@pytest.mark.parametrize("axis", [None, 1])
@pytest.mark.parametrize("dim", [2, 3, -1])
def test_gather_scatter_reduce(mesh, axis, dim):
    count = mesh.get_num_devices()
    values = [small(1, 1, 32 * count, 32 * count) for _ in range(count)]
    tensor = spread(mesh, torch.cat(values), 0)
    for chip in chips(ttnn.all_gather(tensor, dim=dim, cluster_axis=axis)):
        assert torch.equal(chip, torch.cat(values, dim))
    total = torch.stack(values).float().sum(0).bfloat16()
    for chip in chips(ttnn.all_reduce(tensor, cluster_axis=axis)):
        assert torch.equal(chip, total)
    for chip, piece in zip(chips(ttnn.reduce_scatter(tensor, dim=dim, cluster_axis=axis)), total.chunk(count, dim)):
        assert torch.equal(chip, piece)
    for number, chip in enumerate(chips(ttnn.mesh_partition(tensor, dim, cluster_axis=axis))):
        assert torch.equal(chip, values[number].chunk(count, dim)[number])


def test_broadcast(mesh):
    count = mesh.get_num_devices()
    values = [numbers(1, 1, 32, 64) for _ in range(count)]
    results = ttnn.all_broadcast(spread(mesh, torch.cat(values), 0))
    assert len(results) == count
    for result, source in zip(results, values):
        assert all(torch.equal(chip, source) for chip in chips(result))


def test_async_forms(mesh, semaphores):
    count = mesh.get_num_devices()
    values = [small(1, 1, 32, 64 * count) for _ in range(count)]
    tensor, linear = spread(mesh, torch.cat(values), 0), ttnn.Topology.Linear
    gathered, total = torch.cat(values, 3), torch.stack(values).float().sum(0).bfloat16()
    experimental = ttnn.experimental
    kept = place(mesh, torch.zeros_like(gathered), ttnn.ReplicateTensorToMesh(mesh))
    for result in (
        experimental.all_gather_async(tensor, 3, semaphores[:2], topology=linear),
        experimental.all_gather_async(tensor, 3, 1, mesh, linear, semaphores[:2], num_links=1),
        experimental.all_gather_async(
            tensor,
            persistent_output_buffer=kept,
            dim=3,
            multi_device_global_semaphore=semaphores[:2],
            barrier_semaphore=semaphores[2],
            topology=linear,
            num_links=1,
        ),
        kept,
    ):
        assert all(torch.equal(chip, gathered) for chip in chips(result))
    pieces = experimental.reduce_scatter_minimal_async(
        tensor,
        persistent_output_buffers=None,
        dim=3,
        multi_device_global_semaphore=semaphores[:3],
        barrier_semaphore=semaphores[3],
        topology=linear,
        cluster_axis=1,
    )
    for chip, piece in zip(chips(pieces), total.chunk(count, 3)):
        assert torch.equal(chip, piece)
    groups = {
        "barrier_semaphores": semaphores[:2],
        "rs_global_semaphores": semaphores[2:5],
        "ag_global_semaphores": semaphores[5:7],
        "math_op": ttnn.ReduceType.Sum,
        "topology": linear,
    }
    for result in (
        experimental.all_reduce_async(tensor, cluster_axis=1, mesh_device=mesh, **groups),
        experimental.all_reduce_async(tensor, num_devices=count, **groups),
    ):
        assert all(torch.equal(chip, total) for chip in chips(result))


def test_caches_of_several_chips(mesh):
    """Each chip has its own heads: an update in place changes each chip's own cache."""
    count = mesh.get_num_devices()
    cache = spread(mesh, torch.zeros(4, count, 32, 64), 1)
    rows, _ = step_rows(mesh, 1, count, 64)
    shards = ttnn.create_sharded_memory_config(
        (32, 64), ttnn.CoreGrid(x=1, y=1), ttnn.ShardStrategy.HEIGHT, use_height_and_width_as_shard_shape=True
    )
    update = ttnn.to_memory_config(spread(mesh, rows, 2), shards)
    pages = torch.tensor([[2, 0, 3, 1]])
    ttnn.experimental.paged_update_cache(
        cache, update, update_idxs_tensor=integers(mesh, torch.tensor([40])), page_table=integers(mesh, pages)
    )
    expected = torch.zeros(4, count, 32, 64)
    expected[0, :, 8] = rows[0, 0].float()
    assert torch.equal(join(mesh, cache, 1).float(), expected)


def test_chips_that_hold_the_same_draw_the_same(mesh):
    everywhere = ttnn.ReplicateTensorToMesh(mesh)
    plain = {"mapper": everywhere, "layout": ROWS}
    arguments = (
        place(mesh, torch.zeros(1, 1, 32, 64), everywhere),
        place(mesh, torch.arange(64).int().repeat(1, 1, 32, 1), dtype=ttnn.int32, **plain),
        place(mesh, torch.full((32,), 32).int(), dtype=ttnn.uint32, **plain),
        place(mesh, torch.ones(32), **plain),
        place(mesh, torch.ones(32), **plain),
    )
    for seed in (5, None):
        drawn = chips(ttnn.sampling(*arguments, seed=seed))
        assert all(torch.equal(first.long(), second.long()) for first, second in itertools.pairwise(drawn))


def test_kernels_run_on_each_chip(mesh):
    """Each chip's kernels read and write the memory of their own chip."""
    value = torch.arange(mesh.get_num_devices() * 64).reshape(-1, 1, 2, 32).int()
    x = spread(mesh, value, dim=0, dtype=ttnn.uint32, layout=ROWS)
    result = programs.result_like(x)
    kernels = [programs.read_pages(x, 2), programs.write_pages(result, 2)]
    ttnn.generic_op([x, result], programs.program(kernels, [programs.buffer(0, ttnn.uint32, page=128)]))
    assert torch.equal(join(mesh, result, 0).long(), value.long())


def test_each_chip_has_a_program_of_its_own(mesh):
    """The first two chips copy different pages. The others have no program, and their memory stays as it is."""
    count = mesh.get_num_devices()
    value = torch.arange(count * 64).reshape(-1, 1, 2, 32).int()
    x = spread(mesh, value, dim=0, dtype=ttnn.uint32, layout=ROWS)
    result = spread(mesh, torch.zeros_like(value), dim=0, dtype=ttnn.uint32, layout=ROWS)
    described = ttnn.MeshProgramDescriptor()
    for chip, pages in ((0, 1), (1, 2)):
        place = ttnn.MeshCoordinate(chip // mesh.shape[1], chip % mesh.shape[1])
        kernels = [programs.read_pages(x, pages), programs.write_pages(result, pages)]
        program = programs.program(kernels, [programs.buffer(0, ttnn.uint32, page=128)])
        described[ttnn.MeshCoordinateRange(place, place)] = program
    ttnn.generic_op([x, result], described)
    expected = value.clone()
    expected[0, :, 1] = 0
    expected[2:] = 0
    assert torch.equal(join(mesh, result, 0).long(), expected.long())
