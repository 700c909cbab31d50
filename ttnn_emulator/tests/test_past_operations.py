# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""Values that move without an operation: each way is emulated, or refused by name."""

import re
from types import ModuleType

import pytest
import torch

import ttnn
from ttnn_emulator import EmulatorError, UnsupportedOperation
from ttnn_emulator.tests.tensors import random

X, Y = random((64, 128), 1).bfloat16(), random((64, 128), 2).bfloat16()
_CORES = ttnn.CoreRangeSet([ttnn.CoreRange(ttnn.CoreCoord(0, 0), ttnn.CoreCoord(1, 1))])
LAYOUTS = {
    "height": (ttnn.TensorMemoryLayout.HEIGHT_SHARDED, ttnn.CoreCoord(0, 1), (32, 128), (32, 0)),
    "width": (ttnn.TensorMemoryLayout.WIDTH_SHARDED, ttnn.CoreCoord(1, 1), (64, 32), (0, 96)),
    "block": (ttnn.TensorMemoryLayout.BLOCK_SHARDED, ttnn.CoreCoord(1, 0), (32, 64), (0, 64)),
}


def sharded(device, layout: str, by_rows: bool) -> tuple[ttnn.Tensor, ttnn.CoreCoord, tuple[slice, slice]]:
    """Return X in shards, one of its cores, and what lies there."""
    kind, core, shape, (top, left) = LAYOUTS[layout]
    grid = (
        ttnn.CoreRangeSet([ttnn.CoreRange(ttnn.CoreCoord(0, 0), ttnn.CoreCoord(0, 1))])
        if layout == "height"
        else _CORES
    )
    orientation = ttnn.ShardOrientation.ROW_MAJOR if by_rows else ttnn.ShardOrientation.COL_MAJOR
    config = ttnn.MemoryConfig(kind, ttnn.BufferType.L1, ttnn.ShardSpec(grid, shape, orientation))
    tensor = ttnn.from_torch(X, dtype=ttnn.bfloat16, layout=ttnn.TILE_LAYOUT, device=device, memory_config=config)
    if layout == "block" and not by_rows:
        top, left = 32, 0  # the core at (x 1, y 0) holds the second row of shards
    return tensor, core, (slice(top, top + shape[0]), slice(left, left + shape[1]))


@pytest.mark.parametrize("by_rows", [True, False])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_shard_is_what_its_core_holds(device, layout, by_rows):
    tensor, core, part = sharded(device, layout, by_rows)
    shard = ttnn.to_torch(tensor.extract_shard(core))
    assert torch.equal(shard[0, 0], X[part])


@pytest.mark.parametrize("by_rows", [True, False])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_partial_copy_writes_the_shards_of_the_named_cores_alone(device, layout, by_rows):
    tensor, core, part = sharded(device, layout, by_rows)
    host = ttnn.from_torch(Y, dtype=ttnn.bfloat16, layout=ttnn.TILE_LAYOUT)
    ttnn.copy_host_to_device_tensor_partial(host, tensor, ttnn.CoreRangeSet([ttnn.CoreRange(core, core)]))
    expected = X.clone()
    expected[part] = Y[part]
    assert torch.equal(ttnn.to_torch(tensor), expected)
    ttnn.copy_host_to_device_tensor_partial(host, tensor, ttnn.CoreRangeSet([]))
    assert torch.equal(ttnn.to_torch(tensor), expected)


def test_a_core_without_a_shard_is_named(device):
    tensor, _, _ = sharded(device, "height", True)
    with pytest.raises(EmulatorError, match=r"no shard lies on the core \(3, 3\)"):
        tensor.extract_shard(ttnn.CoreCoord(3, 3))


@pytest.mark.parametrize("dtype", [ttnn.bfloat16, ttnn.float32, ttnn.bfloat8_b])
def test_a_copy_fills_a_host_tensor_that_was_there(device, dtype):
    tensor = ttnn.from_torch(X, dtype=dtype, layout=ttnn.TILE_LAYOUT, device=device)
    host = ttnn.from_torch(torch.zeros_like(X), dtype=dtype, layout=ttnn.TILE_LAYOUT)
    ttnn.copy_device_to_host_tensor(tensor, host)
    assert torch.equal(ttnn.to_torch(host), ttnn.to_torch(tensor))


def test_distribute_and_aggregate(device):
    host = ttnn.from_torch(X, dtype=ttnn.bfloat16, layout=ttnn.TILE_LAYOUT)
    tensor = ttnn.distribute_tensor(host, ttnn.replicate_tensor_to_mesh_mapper(device), device)
    assert torch.equal(ttnn.to_torch(tensor), X)
    whole = ttnn.aggregate_tensor(tensor, ttnn.concat_mesh_to_tensor_composer(device, 0))
    assert torch.equal(ttnn.to_torch(whole), X)


@pytest.mark.parametrize("name", ["H2DSocket", "D2HStreamService", "cluster.read_from_core", "experimental.rgb_to_yuv"])
def test_other_ways_are_refused(name):
    function = ttnn
    for part in name.split("."):
        function = getattr(function, part)
    with pytest.raises(UnsupportedOperation, match=f"ttnn.{name} moves values"):
        function()


# what the library offers that takes or returns tensors, and moves no values or only host tensors' values
WITHOUT_VALUES = """
    get_memory_config cb_descriptor_from_sharded_tensor get_optimal_worker_cores_for_sharded_tensor from_host_shards
    combine_device_tensors get_device_tensors concat_mesh_to_tensor_composer create_mesh_composer create_mesh_mapper
    replicate_tensor_to_mesh_mapper shard_tensor_to_mesh_mapper extract_output_info
    tensor_from_bfp8_bytes tensor_from_bf16_bytes get_usable_topology create_matmul_attributes
    create_group_norm_input_mask create_group_norm_input_negative_mask
    Tensor.pad Tensor.unpad Tensor.pad_to_tile Tensor.unpad_from_tile Tensor.host_buffer
    Tensor.get_layout Tensor.get_tile Tensor.memory_config Tensor.is_allocated Tensor.is_sharded Tensor.get_dtype
    Tensor.tensor_topology Tensor.update_tensor_topology
""".split()
# functions of these return or take descriptions: configurations, specifications, inputs of the library's own
_DESCRIPTIONS = re.compile(
    r"\w*(Config|Spec|Args|Topology|Inputs|DeviceOperation)\.|D2DStreamService(Sender|Receiver)\.|OverlappedTensor\."
)


def bindings(module: ModuleType, seen: set | None = None):
    """Yield all bound functions that take or return tensors: `function`, or `Class.method`."""
    seen = set() if seen is None else seen
    seen.add(id(module))
    for name, member in list(vars(module).items()):
        if name.startswith("_"):
            continue
        if isinstance(member, ModuleType):
            if member.__name__.startswith("ttnn") and id(member) not in seen:
                yield from bindings(member, seen)
        elif isinstance(member, type) and member.__module__.startswith("ttnn._ttnn"):
            if id(member) not in seen:
                seen.add(id(member))
                yield from (f"{name}.{own}" for own, method in vars(member).items() if _is_binding(method))
        elif _is_binding(member):
            yield name


def _is_binding(member) -> bool:
    return type(member).__name__ in ("nb_func", "nb_method") and "Tensor" in (member.__doc__ or "")


def test_every_bound_function_with_tensors_is_known():
    """What is neither replaced nor listed here would read zeros from the mock cluster, or write into nothing."""
    unknown = [name for name in bindings(ttnn) if name not in WITHOUT_VALUES and not _DESCRIPTIONS.match(name)]
    assert not unknown, unknown
