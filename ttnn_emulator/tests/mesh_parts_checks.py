# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""Checks of tensors that lie on some chips of a mesh only. `test_mesh.py` runs them, on four chips and on eight."""

import pytest
import torch

import ttnn
import ttnn_emulator
from ttnn_emulator.errors import EmulatorError, UnsupportedOperation
from ttnn_emulator.tests.mesh_checks import (  # noqa: F401 (fixtures)
    ROWS,
    TILES,
    chips,
    fabric,
    join,
    mesh,
    place,
    semaphores,
    small,
    spread,
)


@pytest.fixture
def square(fabric):  # noqa: F811
    """A mesh of two rows."""
    torch.manual_seed(0)
    device = ttnn.open_mesh_device(ttnn.MeshShape(2, ttnn.get_num_devices() // 2))
    yield device
    ttnn.close_mesh_device(device)


def mapper(device, dims, rows, columns):
    """Splits `dims` (None: replicates) over the first `rows` and `columns` of a mesh."""
    placements = [ttnn.PlacementReplicate() if dim is None else ttnn.PlacementShard(dim) for dim in dims]
    return ttnn.create_mesh_mapper(device, ttnn.MeshMapperConfig(placements, ttnn.MeshShape(rows, columns)))


def half_of(device):
    return device.get_num_devices() // 2


def on_half(device, value, dim=3, **options):
    """`value`, split over the first half of a row of chips."""
    return place(device, value, mapper(device, (None, dim), 1, half_of(device)), **options)


def columns_of(tensor):
    return [coordinate[1] for coordinate in tensor.device_coords()]


@pytest.mark.parametrize("dtype,layout", [(ttnn.bfloat16, TILES), (ttnn.bfloat16, ROWS), (ttnn.bfloat8_b, TILES)])
@pytest.mark.parametrize("shape", [(1, 1, 32, 64), (3, 40, 24)])
def test_a_part_there_and_back(mesh, shape, dtype, layout):  # noqa: F811
    values = [small(*shape) for _ in range(half_of(mesh))]
    tensor = on_half(mesh, torch.cat(values), 0, dtype=dtype, layout=layout)
    assert columns_of(tensor) == list(range(half_of(mesh)))
    host = tensor.cpu()
    for form in (tensor, host, ttnn.to_device(host, mesh)):
        assert len(chips(form)) == half_of(mesh)
        assert all(torch.equal(chip, value) for chip, value in zip(chips(form), values))
        assert torch.equal(join(mesh, form, 0), torch.cat(values))


def test_a_part_computes_its_own(mesh):  # noqa: F811
    count = half_of(mesh)
    rows, weight = torch.randint(-8, 8, (1, 1, 32, 32 * count)).bfloat16(), small(1, 1, 32 * count, 64).sign()
    products = ttnn.matmul(on_half(mesh, rows), on_half(mesh, weight, 2), dtype=ttnn.float32)
    assert columns_of(products) == list(range(count))
    for chip, a, b in zip(chips(products), rows.chunk(count, 3), weight.chunk(count, 2), strict=True):
        assert torch.equal(chip, a.float() @ b.float())
    assert torch.equal(join(mesh, ttnn.transpose(on_half(mesh, rows), 2, 3), 2), rows.mT)


def test_a_part_with_the_whole(mesh):  # noqa: F811
    """The program runs where both operands lie."""
    count = half_of(mesh)
    values, other = small(1, 1, 32, 32 * count), small(1, 1, 32, 64 * count)
    part, whole = on_half(mesh, values), spread(mesh, other, 3)
    expected = values + other[..., : 32 * count]
    for total in (ttnn.add(part, whole), ttnn.add(whole, part)):
        assert columns_of(total) == list(range(count)) and torch.equal(join(mesh, total, 3), expected)
    last = ttnn.get_device_tensors(whole)[-1]
    with pytest.raises(UnsupportedOperation, match=r"ttnn.add: it runs on the chips .* lies on .* only"):
        ttnn.add(last, part)
    with pytest.raises(UnsupportedOperation, match="no rectangle from the first one on"):
        ttnn.combine_device_tensors(tensors=ttnn.get_device_tensors(whole)[1:]).cpu()


def test_one_chip_alone(mesh):  # noqa: F811
    value = small(1, 1, 32, 32 * mesh.get_num_devices())
    whole, last = spread(mesh, value, 3), mesh.get_num_devices() - 1
    alone = ttnn.get_device_tensors(whole)[last]
    expected = list(value.chunk(last + 1, 3))
    total = ttnn.add(alone, 1.0)
    assert columns_of(total) == [last] and torch.equal(ttnn.to_torch(total), expected[last] + 1)
    ttnn.multiply(alone, 2.0, output_tensor=alone)
    expected[last] = 2 * expected[last]
    assert torch.equal(join(mesh, whole, 3), torch.cat(expected, 3))


def test_the_other_chips_keep_what_they_hold(mesh):  # noqa: F811
    count, value = half_of(mesh), small(1, 1, 32, 32 * mesh.get_num_devices())
    parts = value.chunk(2 * count, 3)
    whole = spread(mesh, value, 3)
    each = ttnn.get_device_tensors(whole)
    ttnn.add(on_half(mesh, value[..., : 32 * count]), 1.0, output_tensor=whole)
    assert all(torch.equal(ttnn.to_torch(chip), part + 1) for chip, part in zip(each[:count], parts))
    assert all(torch.equal(ttnn.to_torch(chip), part) for chip, part in zip(each[count:], parts[count:]))
    host = ttnn.from_torch(
        -value[..., : 32 * count],
        dtype=ttnn.bfloat16,
        layout=TILES,
        mesh_mapper=mapper(mesh, (None, 3), 1, count),
    )
    ttnn.copy_host_to_device_tensor(host, whole)
    assert torch.equal(join(mesh, whole, 3), -value[..., : 32 * count])
    assert torch.equal(ttnn.to_torch(each[-1]), parts[-1])


def test_collectives_of_a_part(mesh, semaphores):  # noqa: F811
    count = half_of(mesh)
    values = [small(1, 1, 32, 32 * count) for _ in range(count)]
    part, linear = on_half(mesh, torch.cat(values), 0), ttnn.Topology.Linear
    gathered = ttnn.experimental.all_gather_async(
        part, 3, multi_device_global_semaphore=semaphores[:2], topology=linear, num_links=1
    )
    assert len(chips(gathered)) == count
    assert all(torch.equal(chip, torch.cat(values, 3)) for chip in chips(gathered))
    pieces = ttnn.experimental.reduce_scatter_minimal_async(
        part,
        persistent_output_buffers=None,
        dim=3,
        multi_device_global_semaphore=semaphores[:3],
        barrier_semaphore=semaphores[3],
        topology=linear,
    )
    total = torch.stack(values).float().sum(0).bfloat16()
    assert torch.equal(join(mesh, pieces, 3), total)
    assert torch.equal(join(mesh, ttnn.reduce_scatter(part, 3), 3), total)
    with pytest.raises(EmulatorError, match="shape"):
        ttnn.all_gather(part, 3)  # the library counts all chips of the mesh
    with pytest.raises(UnsupportedOperation, match="ttnn.all_reduce among the chips .* is not emulated"):
        ttnn.all_reduce(part)


def test_lines_of_a_part(square):
    """Along an axis the library counts the mesh's chips, so that a part has to be as long."""
    width = square.shape[1]
    values = [small(1, 1, 32, 32 * width) for _ in range(width)]
    row = place(square, torch.cat(values), mapper(square, (None, 0), 1, width))
    for chip in chips(ttnn.all_gather(row, 3, cluster_axis=1)):
        assert torch.equal(chip, torch.cat(values, 3))
    with pytest.raises(EmulatorError, match="shape"):
        ttnn.all_gather(row, 3, cluster_axis=0)
    column = place(square, torch.cat(values[:2]), mapper(square, (0, None), 2, 1))
    assert [tuple(coordinate) for coordinate in column.device_coords()] == [(0, 0), (1, 0)]
    scattered = ttnn.reduce_scatter(column, 3, cluster_axis=0)
    total = (values[0].float() + values[1].float()).bfloat16()
    assert torch.equal(join(square, scattered, 3), total)


def test_a_part_in_a_trace(mesh, semaphores):  # noqa: F811
    count, values = half_of(mesh), small(1, 1, 32, 32 * half_of(mesh))
    split = mapper(mesh, (None, 3), 1, count)
    part = on_half(mesh, values)

    def run():
        doubled = ttnn.add(part, part)
        return ttnn.experimental.all_gather_async(
            doubled, 3, multi_device_global_semaphore=semaphores[:2], topology=ttnn.Topology.Linear, num_links=1
        )

    run()
    number = ttnn.begin_trace_capture(mesh)
    result = run()
    ttnn.end_trace_capture(mesh, number)
    host = ttnn.from_torch(-values, dtype=ttnn.bfloat16, layout=TILES, mesh_mapper=split)
    ttnn.copy_host_to_device_tensor(host, part)
    ttnn.execute_trace(mesh, number)
    assert len(chips(result)) == count and all(torch.equal(chip, -2 * values) for chip in chips(result))
    ttnn.release_trace(mesh, number)


def test_the_recorder_sees_a_part(mesh):  # noqa: F811
    with ttnn_emulator.record() as recorder:
        part = on_half(mesh, small(1, 1, 32, 32 * half_of(mesh)), dtype=ttnn.bfloat8_b)
        ttnn.add(part, part)
    assert [program.operation for program in recorder.programs] == ["ttnn.add"] * half_of(mesh)  # one a chip
    assert recorder.uploaded_bytes == 1088 * half_of(mesh)
