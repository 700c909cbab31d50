# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""The adapter on several chips under the calls of vLLM's plugin: one tensor parallel model, or several (lanes)."""

import dataclasses
from contextlib import contextmanager
from types import SimpleNamespace

import pytest
import torch

import ttnn
from models.bitnet.tests import shipped
from models.bitnet.tests.mesh.rows import row_of
from models.bitnet.tests.vllm_plugin import CONTEXT, ROWS, SEEDED, Plugin, Running, models_of, start
from models.bitnet.tt import generator_vllm
from models.bitnet.tt.generation.sampling import GREEDY
from models.bitnet.tt.generator_vllm import BitNetForCausalLM
from models.bitnet.tt.vllm.lanes import Lanes

LAYERS, STEPS = 2, 10
PENALTIES = {"repetition_penalty": 1.3, "presence_penalty": 0.5, "frequency_penalty": 0.7}
PROMPTS = [*shipped.prompts(5), *shipped.prompts(2)]
WAYS = (GREEDY, SEEDED, GREEDY, SEEDED, GREEDY, *(dataclasses.replace(way, **PENALTIES) for way in (GREEDY, SEEDED)))


@pytest.fixture(scope="module", autouse=True)
def loads():
    """A list with one entry for each load of the checkpoint. Only its first layers are loaded."""
    short, made = dataclasses.replace(shipped.config(), num_hidden_layers=LAYERS), []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(generator_vllm, "read_config", lambda _: short)
        patch.setattr(generator_vllm, "open_state_dict", lambda *_: made.append(short) or shipped.state())
        yield made


def load(mesh, lanes=1, **options):
    """Load the adapter by the plugin's call."""
    config = SimpleNamespace(_name_or_path=str(shipped.FOLDER), **options)
    return BitNetForCausalLM.initialize_vllm_model(
        config, mesh, lanes * ROWS, max_seq_len=CONTEXT, tt_data_parallel=lanes, optimizations=None
    )


@contextmanager
def served(chips, rows, lanes):
    """An adapter that is loaded and warmed up in the plugin's order."""
    with row_of(chips, rows) as mesh:
        adapter = load(mesh, lanes, tt_precision="accuracy")
        start(adapter, LAYERS, lanes * ROWS)
        yield adapter
        for model in models_of(adapter):
            model.generator.close()


@pytest.fixture(scope="module")
def alone():
    """The tokens of `BitNet.generate` for each prompt on one chip."""
    with row_of(1) as device, shipped.load_short(device, "accuracy", len(PROMPTS), CONTEXT) as model:
        return [completion.tokens for completion in model.generate(PROMPTS, STEPS, WAYS)]


@pytest.fixture(scope="class")
def tensor_parallel(alone):
    """An adapter with one tensor parallel model on two chips."""
    with served(2, 1, 1) as adapter:
        yield adapter


# lanes of one chip are slow: they take no path that lanes of two chips do not take
@pytest.fixture(
    scope="class",
    params=[pytest.param((2, 1), marks=pytest.mark.slow), (2, 2)],
    ids=["1 x 2 chips", "2 x 2 chips"],
)
def lanes(alone, request):
    """An adapter with two models on a mesh of (columns, rows) chips."""
    with served(*request.param, 2) as adapter:
        yield adapter


def join(plugin, *numbers, lane=0):
    """Prefill the prompts with these numbers in one lane."""
    plugin.prefill([(lane, request(number)) for number in numbers])


def request(number):
    return Running(PROMPTS[number], WAYS[number])


def check(plugin, alone, numbers):
    """Assert that each row has the text of its prompt. `numbers` maps a row to the number of its prompt."""
    assert plugin.rows.keys() == numbers.keys()
    for row, number in numbers.items():
        tokens = plugin.generated(row)
        assert len(tokens) > 1 and tokens == alone[number][: len(tokens)]


class TestTensorParallel:
    def test_read_at_once(self, tensor_parallel, alone):
        """Requests join one after the other. A steady step uploads nothing."""
        plugin = Plugin(tensor_parallel)
        for number in range(3):
            join(plugin, number)
            plugin.step()
        for _ in range(3):
            uploaded = tensor_parallel.generator.uploaded_bytes
            plugin.step()
            assert tensor_parallel.generator.uploaded_bytes == uploaded
        check(plugin, alone, {0: 0, 1: 1, 2: 2})

    def test_the_host_may_be_a_step_behind(self, tensor_parallel, alone):
        plugin = Plugin(tensor_parallel)
        join(plugin, 0, 1)
        plugin.steps_ahead(4)
        check(plugin, alone, {0: 0, 1: 1})

    def test_host_and_device_take_turns(self, tensor_parallel, alone):
        """The logits of the whole vocabulary are read to the host, after a prefill and after decode steps."""
        plugin = Plugin(tensor_parallel)
        plugin.prefill([(0, request(0)), (0, request(2))], sample=False)
        for device in (True, False, False, True):
            plugin.step(device)
        check(plugin, alone, {0: 0, 1: 2})

    def test_penalties(self, tensor_parallel, alone):
        """Every chip counts the tokens of its shard of the vocabulary and penalises its shard of the logits."""
        assert alone[0] != alone[5] and alone[1] != alone[6]
        plugin = Plugin(tensor_parallel)
        join(plugin, 5, 6, 2)
        plugin.step()
        for _ in range(STEPS - 3):
            uploaded = tensor_parallel.generator.uploaded_bytes
            plugin.step()
            assert tensor_parallel.generator.uploaded_bytes == uploaded
        check(plugin, alone, {0: 5, 1: 6, 2: 2})


class TestLanes:
    def test_requests_join_and_leave(self, lanes, alone):
        """Requests join and leave in both lanes, some in one call. Free rows are used again."""
        plugin = Plugin(lanes)
        # in the order of rows, whatever the order of joining
        plugin.prefill([(1, request(1)), (0, request(0)), (1, request(2))])
        plugin.step()
        join(plugin, 3)
        plugin.step()
        plugin.step()
        check(plugin, alone, {0: 0, 1: 3, ROWS: 1, ROWS + 1: 2})
        assert plugin.end(ROWS) == alone[1][:4]
        plugin.step()
        join(plugin, 4, lane=1)
        plugin.step()
        check(plugin, alone, {0: 0, 1: 3, ROWS: 4, ROWS + 1: 2})

    def test_the_host_may_be_a_step_behind(self, lanes, alone):
        plugin = Plugin(lanes)
        plugin.prefill([(0, request(0)), (0, request(1)), (1, request(2)), (1, request(3))])
        plugin.steps_ahead(3)
        assert plugin.end(1) == alone[1][:4]
        join(plugin, 4, lane=1)
        plugin.steps_ahead(3)
        check(plugin, alone, {0: 0, ROWS: 2, ROWS + 1: 3, ROWS + 2: 4})

    def test_host_and_device_take_turns(self, lanes, alone):
        plugin = Plugin(lanes)
        plugin.prefill([(0, request(0)), (1, request(2)), (1, request(4))], sample=False)
        for device in (True, False, False, True):
            plugin.step(device)
        check(plugin, alone, {0: 0, ROWS: 2, ROWS + 1: 4})

    def test_penalties_in_one_lane(self, lanes, alone):
        """The penalties of a lane use the texts of its rows, and do not change the rows of the other lane."""
        plugin = Plugin(lanes)
        join(plugin, 2, 3)
        join(plugin, 5, 6, lane=1)
        for _ in range(STEPS - 3):
            plugin.step()
        plugin.take(plugin.finish_async(plugin.submit(read_async=True)))
        check(plugin, alone, {0: 2, 1: 3, ROWS: 5, ROWS + 1: 6})

    def test_an_idle_lane_takes_no_step(self, lanes, alone, monkeypatch):
        """An idle lane takes no step. It gives the right tokens when it has a request again.

        The steps of all lanes begin before the first result is read.
        """
        plugin, calls = Plugin(lanes), []

        def note(owner, name, of):
            original = getattr(owner, name)

            def noted(*args, **kwargs):
                calls.append((name, of(args[0])))
                return original(*args, **kwargs)

            monkeypatch.setattr(owner, name, noted)

        devices = [model.model.config.device.id() for model in lanes.models]
        note(ttnn, "execute_trace", lambda device: devices.index(device.id()))
        for number, model in enumerate(lanes.models):
            note(model.generator, "read_decode_output", lambda _, number=number: number)

        def steps_of(*numbers):
            calls.clear()
            plugin.step()
            both = [[(name, number) for number in numbers] for name in ("execute_trace", "read_decode_output")]
            assert calls == sum(both, [])

        join(plugin, 0, lane=1)
        steps_of(1)
        join(plugin, 2)
        steps_of(0, 1)
        assert plugin.end(ROWS) == alone[0][:3]
        steps_of(0)
        assert not plugin.finish(plugin.submit(device=False), device=False)[ROWS:].any()  # read, but not used
        join(plugin, 4, lane=1)
        steps_of(0, 1)
        check(plugin, alone, {0: 2, ROWS: 4})


def test_lanes_load_the_checkpoint_once_and_share_its_cached_files(loads, tmp_path, monkeypatch):
    monkeypatch.setenv("TT_CACHE_PATH", str(tmp_path))
    loads.clear()
    with row_of(4) as mesh:
        adapter = load(mesh, 2)
        assert isinstance(adapter, Lanes) and len(loads) == 1
        assert [tuple(model.model.config.device.shape) for model in adapter.models] == [(1, 2), (1, 2)]
        assert [model.model.config.users for model in adapter.models] == [ROWS, ROWS]
        assert [model.model.config.precision.name for model in adapter.models] == ["accuracy"] * 2, "the default here"
        # the second lane read the files of the first lane; the chips of both lanes have the same shards
        parts = [ttnn.get_device_tensors(model.model.lm_head.pieces[0][0]) for model in adapter.models]
        for first, second in zip(*parts):
            assert torch.equal(ttnn.to_torch(first), ttnn.to_torch(second))
    assert any(".columns2." in file.name for file in tmp_path.rglob("*"))


@pytest.mark.parametrize(
    "rows,chips,lanes,options,problem",
    [
        (2, 2, 1, {}, "a mesh of 2 x 2 chips (MESH_DEVICE) cannot be cut into 1 row(s) of chips"),
        (1, 4, 3, {}, "a mesh of 1 x 4 chips (MESH_DEVICE) cannot be cut into 3 row(s) of chips"),
        (1, 2, 1, {"tt_precision": "fused"}, "fused runs on one chip, there are 2; use precision accuracy"),
        (2, 2, 2, {"tt_precision": "fused"}, "fused runs on one chip, there are 2; use precision accuracy"),
    ],
)
def test_refusals(rows, chips, lanes, options, problem, loads):
    """A wrong mesh or precision is refused in one line, before any weights are loaded."""
    loads.clear()
    with row_of(chips, rows) as mesh, pytest.raises(ValueError) as error:
        load(mesh, lanes, **options)
    assert str(error.value).startswith(problem) and "\n" not in str(error.value) and not loads


@pytest.mark.parametrize("options", [{}, {"tt_precision": "fused"}], ids=["default", "explicit"])
def test_fused_in_lanes_of_one_chip_each(options):
    with row_of(2) as mesh:
        assert [lane.model.config.precision.name for lane in load(mesh, 2, **options).models] == ["fused"] * 2
