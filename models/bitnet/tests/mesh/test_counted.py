# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""A decode step of the 2B-4T's layers on several chips needs no more of each chip and of the links than was recorded.

The vocabulary is small, so that the model is built in seconds. It does not change the programs and all-gathers.
`python -m models.bitnet.tests.perf.record_figures 4xp150` writes the figures anew.
"""

import functools
import json
from collections.abc import Iterator

import pytest
import torch

import ttnn
from models.bitnet.perf.decode_profile import DecodeProfile, profile
from models.bitnet.perf.links import LINKS, OF_A_LAYER, OF_A_TOKEN, is_collective
from models.bitnet.perf.programs import capture
from models.bitnet.perf.random_model import SteppingModel, cheap_state, sizes
from models.bitnet.perf.random_weights import EmptyWeights
from models.bitnet.tests.mesh.rows import row_of
from models.bitnet.tests.perf import test_recorded_figures as one_chip

GUARDED = (*one_chip.GUARDED, "collectives_per_step", "link_bytes_received_per_step")
PRECISIONS = ("accuracy", "performance")
MODEL = sizes(vocabulary=8192)
CONTEXT, LONGER = 128, 64  # the context of the decode step, and the tokens of a prefill
state = functools.cache(lambda: cheap_state(MODEL))


def model_on(device: ttnn.MeshDevice, precision: str) -> SteppingModel:
    return SteppingModel(device, precision, model=MODEL, state=state(), weights=EmptyWeights(device))


ROWS = [
    (2, "performance"),
    (4, "accuracy"),
    pytest.param((2, "accuracy"), marks=pytest.mark.slow),
    pytest.param((4, "performance"), marks=pytest.mark.slow),
]


@pytest.fixture(params=ROWS, ids=str, scope="module")
def counted(request) -> Iterator[tuple[str, str, DecodeProfile, list[int]]]:
    """(the row of chips, the precision, the profile of a step, the shard bytes of each all-gather of a prefill)."""
    chips, precision = request.param
    with row_of(chips) as device:
        model = model_on(device, precision)
        step = profile(model, CONTEXT - 1)
        with model.first_layers(1):
            prefill = capture(lambda: model.prefill(LONGER), chips=chips)
        name = one_chip.chip_name(device)
        model.generator.close()
    yield name, precision, step, [program.inputs[0].bytes for program in prefill if is_collective(program)]


def test_no_figure_rises(counted):
    name, precision, step, _ = counted
    recorded = json.loads(one_chip.FILE.read_text()).get(name)
    if recorded is None:
        pytest.skip(f"no figures are recorded for {name}")
    above = one_chip.risen(GUARDED, recorded[precision], step.figures())
    assert not above, f"above what {one_chip.FILE.name} records (recorded, now): {above}"


def test_what_is_gathered(counted):
    """A step has four all-gathers a layer and two for the token. Shards are whole tiles.

    The shards of heads include the zeros that pad the groups.
    """
    _, precision, step, prefill = counted
    chips, value = step.card.chips, {"accuracy": 4, "performance": 2}[precision]
    heads = -(-MODEL.num_key_value_heads // chips) * 4 * MODEL.head_dim
    hidden, inner = MODEL.hidden_size // chips, MODEL.intermediate_size // chips
    layer, token = [32 * value * width for width in (heads, hidden, inner, hidden)], 32 * 32 * 4
    assert [(gather.what, gather.times, gather.shard_bytes) for gather in step.collectives] == [
        *((what, 30, shard) for what, shard in zip(OF_A_LAYER, layer, strict=True)),
        *((what, 1, token) for what in OF_A_TOKEN),
    ]
    assert step.figures()["link_bytes_received_per_step"] == (chips - 1) * (30 * sum(layer) + 2 * token)
    assert prefill == [shard * LONGER // 32 for shard in layer]


def test_a_gather_takes_all_links_of_this_board():
    """An all-gather uses as many links by default as `links.py` says.

    With this number of links the program is in the program cache. With fewer links it is not.
    """
    links = LINKS[ttnn.cluster.get_cluster_type().name]
    with row_of(4) as device:
        grid = device.compute_with_storage_grid_size()
        cores = ttnn.num_cores_to_corerangeset(grid.x * grid.y, grid, row_wise=True)
        first, second, barrier = (ttnn.create_global_semaphore(device, cores, 0) for _ in range(3))
        mapper = ttnn.ShardTensorToMesh(device, dim=3)
        x = ttnn.from_torch(torch.zeros(1, 1, 32, 128), layout=ttnn.TILE_LAYOUT, device=device, mesh_mapper=mapper)

        def cached(**number: int) -> bool:
            def gather() -> None:
                ttnn.experimental.all_gather_async(
                    x,
                    persistent_output_buffer=None,
                    dim=3,
                    multi_device_global_semaphore=[first, second],
                    barrier_semaphore=barrier,
                    topology=ttnn.Topology.Linear,
                    **number,
                )

            return capture(gather, chips=4)[0].cached

        assert not cached()
        assert cached(num_links=links.used) and not cached(num_links=links.used - 1)
