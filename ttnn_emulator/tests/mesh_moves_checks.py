# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""More checks on a mesh: submeshes, collectives that only move, experts on several chips. `test_mesh.py` runs them."""

import pytest
import torch

import ttnn
from ttnn_emulator.errors import EmulatorError
from ttnn_emulator.tests.mesh_checks import (  # noqa: F401 (fixtures)
    ROWS,
    chips,
    fabric,
    join,
    mesh,
    place,
    semaphores,
    small,
    spread,
)


def each(mesh, *shape, **options):  # noqa: F811
    """A tensor of its own on every chip, and the values."""
    values = [small(*shape) for _ in range(mesh.get_num_devices())]
    return spread(mesh, torch.cat(values), 0, **options), values


WORKER, ETHERNET = ttnn.DispatchCoreType.WORKER, ttnn.DispatchCoreType.ETH
ROW, COLUMN = ttnn.DispatchCoreAxis.ROW, ttnn.DispatchCoreAxis.COL


@pytest.mark.parametrize("kind,axis", [(WORKER, ROW), (WORKER, COLUMN), (ETHERNET, ROW), (None, COLUMN)])
def test_every_reported_core_can_be_used(kind, axis):
    if not ttnn.device.is_wormhole_b0():
        pytest.skip("dispatch on ethernet cores is Wormhole's")
    shape = ttnn.MeshShape(1, ttnn.get_num_devices())
    device = ttnn.open_mesh_device(shape, dispatch_core_config=ttnn.DispatchCoreConfig(kind, axis))
    x = place(device, torch.ones(1, 1, 2048, 2048), ttnn.ReplicateTensorToMesh(device))
    assert all(bool((chip == 2).all()) for chip in chips(ttnn.add(x, x)))
    ttnn.close_mesh_device(device)


def test_a_mesh_opens_again_after_its_submeshes(fabric):  # noqa: F811
    for _ in range(2):
        device = ttnn.open_mesh_device(ttnn.MeshShape(1, ttnn.get_num_devices()))
        submesh = device.create_submesh(ttnn.MeshShape(1, 1))
        x = place(submesh, torch.ones(32, 32), ttnn.ReplicateTensorToMesh(submesh))
        assert bool((ttnn.to_torch(ttnn.add(x, x)) == 2).all())
        ttnn.close_mesh_device(submesh)
        ttnn.close_mesh_device(device)


def test_sub_device_managers_are_accepted(mesh):  # noqa: F811
    grid = mesh.compute_with_storage_grid_size()
    cores = ttnn.CoreRangeSet({ttnn.CoreRange(ttnn.CoreCoord(0, 0), ttnn.CoreCoord(grid.x - 1, grid.y - 1))})
    manager = mesh.create_sub_device_manager([ttnn.SubDevice([cores])], 0)
    mesh.load_sub_device_manager(manager)
    mesh.set_sub_device_stall_group([ttnn.SubDeviceId(0)])
    tensor, values = each(mesh, 1, 1, 32, 32)
    assert torch.equal(chips(ttnn.add(tensor, tensor))[1], 2 * values[1])
    mesh.reset_sub_device_stall_group()
    mesh.clear_loaded_sub_device_manager()
    mesh.quiesce_devices()


def test_a_chip_through_a_composer_is_its_own_value(mesh):  # noqa: F811
    tensor, values = each(mesh, 1, 1, 32, 32)
    composer = ttnn.ConcatMeshToTensor(mesh, dim=0)
    for chip, value in zip(ttnn.get_device_tensors(tensor), values):
        assert torch.equal(ttnn.to_torch(chip, mesh_composer=composer), value)


def test_one_chip_to_others(mesh):  # noqa: F811
    tensor, values = each(mesh, 1, 1, 32, 64)
    sender, receiver = ttnn.MeshCoordinate(0, 1), ttnn.MeshCoordinate(0, 0)
    assert all(torch.equal(chip, values[1]) for chip in chips(ttnn.broadcast(tensor, sender, cluster_axis=1)))
    received = chips(ttnn.point_to_point(tensor, sender, receiver))
    assert torch.equal(received[0], values[1]) and received[1].isnan().all()
    kept, before = each(mesh, 1, 1, 32, 64)
    ttnn.point_to_point(tensor, sender, receiver, output_tensor=kept)
    assert torch.equal(chips(kept)[0], values[1]) and torch.equal(chips(kept)[1], before[1])


def test_point_to_point_in_a_trace(mesh):  # noqa: F811
    tensor, values = each(mesh, 1, 1, 32, 64)
    ends = (ttnn.MeshCoordinate(0, 0), ttnn.MeshCoordinate(0, 1))
    ttnn.point_to_point(tensor, *ends)
    number = ttnn.begin_trace_capture(mesh)
    result = ttnn.point_to_point(tensor, *ends)
    ttnn.end_trace_capture(mesh, number)
    ttnn.execute_trace(mesh, number)
    assert torch.equal(chips(result)[1], values[0])
    ttnn.release_trace(mesh, number)


def test_from_one_dimension_to_another(mesh):  # noqa: F811
    count = mesh.get_num_devices()
    value = small(1, 1, 32 * count, 32 * count)
    result = ttnn.experimental.all_to_all_async_generic(spread(mesh, value, 2), 2, 3, cluster_axis=1)
    assert torch.equal(join(mesh, result, 3), value)


def test_neighbors(mesh, semaphores):  # noqa: F811
    count = mesh.get_num_devices()
    value = small(1, 4 * count, 3, 32)
    for mode in ("zeros", "replicate"):
        edges = [value[:, :1], value[:, -1:]] if mode == "replicate" else [torch.zeros(1, 1, 3, 32).bfloat16()] * 2
        padded = torch.cat([*edges[:1] * 2, value, *edges[1:]], 1)
        result = ttnn.experimental.neighbor_pad_async(
            spread(mesh, value, 1, layout=ROWS),
            [1],
            [2],
            [1],
            mode,
            [1],
            semaphores[:1],
            semaphores[1:2],
            num_links=[1],
            topology=ttnn.Topology.Linear,
        )
        for number, chip in enumerate(chips(result)):
            assert torch.equal(chip, padded[:, 4 * number : 4 * number + 7])


def test_slice_and_reshard(mesh, semaphores):  # noqa: F811
    count = mesh.get_num_devices()
    value = small(4 * count, 8, 8, 32)
    kept = value[1 : 1 + 3 * count]
    result = ttnn.experimental.slice_reshard_async(
        spread(mesh, value, 0, layout=ROWS), 0, 1, 3 * count, 1, semaphores[0], semaphores[1]
    )
    assert torch.equal(join(mesh, result, 0), kept)


def test_experts_on_several_chips(mesh):  # noqa: F811
    """Tokens to the chips of their experts and back: each gets its k experts' results."""
    count, tokens, width, k = mesh.get_num_devices(), 8, 64, 2
    experts = 2 * count
    holder = torch.randperm(experts) % count
    mapping = torch.nn.functional.one_hot(holder, count).reshape(1, 1, experts, count)
    choices = torch.stack([torch.randperm(experts)[:k] for _ in range(tokens * count)]).reshape(-1, 1, 1, k)
    values = small(tokens * count, 1, 1, width)
    everywhere = ttnn.ReplicateTensorToMesh(mesh)
    table = place(mesh, mapping.int(), everywhere, dtype=ttnn.uint16, layout=ROWS)
    sent, chosen = ttnn.all_to_all_dispatch(
        spread(mesh, values, 0, layout=ROWS),
        spread(mesh, choices.int(), 0, dtype=ttnn.uint16, layout=ROWS),
        table,
        cluster_axis=1,
    )
    assert all(torch.equal(chip.long().flatten(), choices.flatten()) for chip in chips(chosen))
    results = []  # of expert e: the token times e
    for number, chip in enumerate(chips(sent)):
        for row, wanted in zip(chip[0, :, 0], choices.flatten(1)):
            assert (number in holder[wanted]) != bool(row.isnan().any())
        own = (holder == number).nonzero().flatten()
        results.append(chip.nan_to_num() * own.reshape(-1, 1, 1, 1))
    combined = ttnn.all_to_all_combine(spread(mesh, torch.cat(results), 0, layout=ROWS), chosen, table, cluster_axis=1)
    expected = torch.stack([values[:, 0] * choices[:, 0, :, i].unsqueeze(-1) for i in range(k)])
    assert torch.equal(join(mesh, combined, 1), expected.bfloat16())


def test_scores_of_own_experts(mesh):  # noqa: F811
    count, tokens, k = mesh.get_num_devices(), 32, 2
    experts = 2 * count
    mapping = torch.eye(count).repeat_interleave(2, 0).reshape(1, 1, experts, count)
    choices = torch.stack([torch.randperm(experts)[:k] for _ in range(tokens)]).reshape(1, 1, tokens, k)
    scores = torch.rand(1, 1, tokens, experts).bfloat16() + 1
    everywhere = ttnn.ReplicateTensorToMesh(mesh)
    own, used = ttnn.moe_expert_token_remap(
        place(mesh, scores, everywhere, layout=ROWS),
        place(mesh, mapping.int(), everywhere, dtype=ttnn.uint16, layout=ROWS),
        place(mesh, choices.int(), everywhere, dtype=ttnn.uint16, layout=ROWS),
        reduction_size=16,
    )
    kept = torch.zeros_like(scores).scatter(-1, choices, scores.gather(-1, choices))
    for number, (values, flags) in enumerate(zip(chips(own), chips(used))):
        part = kept[..., 2 * number : 2 * number + 2]
        assert torch.equal(values, part)
        assert torch.equal(flags.long().flatten(), (part.reshape(2, 16, 2) != 0).any(1).long().flatten())
    weights = torch.zeros(1, 32).bfloat16()
    weights[0, torch.randperm(32)[: 2 * count]] = torch.arange(1, 2 * count + 1).bfloat16()
    remapped = ttnn.moe_routing_remap(place(mesh, weights, everywhere, layout=ROWS), 2 * count, count, 1)
    places = weights.flatten().nonzero().flatten()
    for number, chip in enumerate(chips(remapped)):
        mine = places[2 * number : 2 * number + 2]
        assert chip.count_nonzero() == 2 and torch.equal(chip.flatten()[mine], weights.flatten()[mine])


@pytest.mark.parametrize("used", [False, True])  # the last: of a mesh that was used too, the library lets go no more
def test_closing_a_submesh_leaves_the_mesh_usable(mesh_device, used):
    count = mesh_device.get_num_devices()
    whole, values = each(mesh_device, 1, 1, 32, 32)
    whole = ttnn.add(whole, whole) if used else whole
    part, *others = mesh_device.create_submeshes(ttnn.MeshShape(1, 1))
    assert len(others) == count - 1
    own = place(part, values[0], ttnn.ReplicateTensorToMesh(part))
    assert torch.equal(ttnn.to_torch(ttnn.add(own, own)), 2 * values[0])
    for submesh in mesh_device.get_submeshes():
        ttnn.close_mesh_device(submesh)
    with pytest.raises(EmulatorError, match="closed"):
        ttnn.to_torch(own)
    with pytest.raises(EmulatorError, match="closed already"):
        ttnn.close_mesh_device(part)
    for chip, value in zip(chips(ttnn.add(whole, whole)), values):
        assert torch.equal(chip, (4 if used else 2) * value)


def test_links_need_a_new_process_then():
    ttnn.set_fabric_config(ttnn.FabricConfig.DISABLED)
    with pytest.raises(EmulatorError, match="new process"):
        ttnn.set_fabric_config(ttnn.FabricConfig.FABRIC_1D)
