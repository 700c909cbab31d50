# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""The adapter under the calls of vLLM's plugin, without vLLM, with the observed arguments, types and order."""

import itertools
import math
from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch

import ttnn
from models.bitnet.tests import shipped
from models.bitnet.tests.vllm_plugin import BLOCK, BLOCKS, CONTEXT, ROWS, SEEDED, VOCABULARY, Plugin, start
from models.bitnet.tt.generation.penalties import Text
from models.bitnet.tt.generation.sampling import GREEDY, SamplingParams
from models.bitnet.tt.generator_vllm import BitNetForCausalLM, texts_of, wanted
from models.bitnet.tt.kernels.head.best_tokens import LARGEST, NO_TOKEN
from models.bitnet.tt.kv_cache import PagedAttentionConfig


@pytest.fixture(scope="module")
def open_device():
    device = ttnn.open_device(device_id=0, trace_region_size=shipped.TRACE_REGION)
    yield device
    ttnn.close_device(device)


@pytest.fixture(scope="module")
def alone(open_device):
    """A function that gives the tokens of `BitNet.generate` for a prompt."""
    paging = PagedAttentionConfig(BLOCK, BLOCKS)
    options = {"max_batch": ROWS, "max_seq_len": CONTEXT, "paging": paging, "enable_trace": False}
    with shipped.load_short(open_device, **options) as model:
        yield lambda prompt, count, params: model.generate([prompt], count, params)[0].tokens


@pytest.fixture(scope="module")
def adapter(open_device, alone):
    """The adapter, loaded and warmed up in the plugin's order. `alone` is loaded before the adapter has traces."""
    short = shipped.load_short(open_device, max_batch=ROWS, max_seq_len=CONTEXT)
    adapter = BitNetForCausalLM(short.generator.model)
    start(adapter, adapter.model.config.model.num_hidden_layers)
    yield adapter
    adapter.generator.close()


REQUESTS = list(zip(shipped.prompts(3), (GREEDY, SEEDED, GREEDY)))


def test_capabilities_and_the_size_of_the_cache():
    assert all(BitNetForCausalLM.model_capabilities.values())
    size = BitNetForCausalLM.get_max_tokens_all_users
    sizes = {"model_name": "x", "num_devices": 1, "tt_data_parallel": 1}
    assert size(**sizes, max_model_len=512, max_num_seqs=4) == 2048
    assert size(**sizes, max_model_len=4096, max_num_seqs=32) == 65536
    assert size(**sizes, max_model_len=131072, max_num_seqs=32) == 131072  # one request at least
    sizes["num_devices"] = 4  # twice as much for two lanes of two chips each
    assert size(**{**sizes, "tt_data_parallel": 2}, max_model_len=8192, max_num_seqs=32) == 131072


def test_load(open_device):
    """The adapter loads a folder. The precision comes from the plugin's option, from the config, or is the default."""
    load = BitNetForCausalLM.initialize_vllm_model
    config = SimpleNamespace(_name_or_path=str(shipped.FOLDER))
    given = {"mesh_device": open_device, "max_batch_size": ROWS, "max_seq_len": CONTEXT, "tt_data_parallel": 1}
    assert load(config, **given).model.config.precision.name == "fused"
    config.tt_precision = "accuracy"
    assert load(config, **given).model.config.precision.name == "accuracy"
    assert load(config, **given, optimizations="performance").model.config.precision.name == "performance"
    with pytest.raises(ValueError, match="1 x 1 chips .MESH_DEVICE. cannot be cut into 2 row"):
        load(config, **{**given, "tt_data_parallel": 2})


def test_read_at_once(adapter, alone):
    """Requests join one after the other. A steady step uploads nothing."""
    plugin = Plugin(adapter)
    for prompt, params in REQUESTS:
        plugin.add(prompt, params)
        plugin.step()
    for _ in range(4):
        uploaded = adapter.generator.uploaded_bytes
        plugin.step()
        assert adapter.generator.uploaded_bytes == uploaded
    for row, (prompt, params) in enumerate(REQUESTS):
        tokens = plugin.generated(row)
        assert tokens == alone(prompt, len(tokens), params)


def test_the_host_may_be_a_step_behind(adapter, alone):
    """The next step is submitted before the tokens of the last step are read, so the host sends old tokens."""
    plugin = Plugin(adapter)
    for prompt, params in REQUESTS:
        plugin.add(prompt, params)
    plugin.steps_ahead(7)
    for row, (prompt, params) in enumerate(REQUESTS):
        tokens = plugin.generated(row)
        assert len(tokens) == 8 and tokens == alone(prompt, 8, params)


def test_host_and_device_take_turns(adapter, alone):
    """A grammar or log probabilities send the logits of a step to the host.

    The device then continues with the host's tokens, although the batch has not changed.
    """
    plugin = Plugin(adapter)
    prompts = [prompt for prompt, _ in REQUESTS]
    for prompt in prompts:
        plugin.add(prompt, sample=prompt is not prompts[1])
    for device in (True, False, True, True, False, False, True):
        plugin.step(device)
    for row, prompt in enumerate(prompts):
        assert plugin.generated(row) == alone(prompt, 8, GREEDY)


@pytest.mark.parametrize(
    "params",
    [GREEDY, replace(SEEDED, seed=20), SamplingParams(repetition_penalty=1.4)],
    ids=["greedy", "seeded", "penalised"],
)
def test_resume_after_preemption(adapter, alone, params):
    """After a preemption the text so far is prefilled as one prompt into other blocks. The draws continue.

    Prefill rounds differently from decode, so a draw at the very edge between two tokens may change. That happens for
    one in ten seeds here, but not for this one.
    """
    plugin, prompt = Plugin(adapter), REQUESTS[0][0]
    plugin.add(prompt, params)
    for _ in range(3):
        plugin.step()
    resumed = Plugin(adapter)
    resumed.add(plugin.rows[0].text, params, prompt_length=len(prompt))
    for _ in range(3):
        resumed.step()
    assert resumed.generated(0) == alone(prompt, 8, params)


def test_logits_that_are_nan_end_their_text(adapter, open_device, monkeypatch, caplog):
    """For logits that are NaN vLLM gets an end token, after a prefill and after a step. The log names the rows."""
    end = (*adapter.model.config.model.eos_token_ids, 0)[0]
    nan = torch.full((1, 1, 1, 1), math.nan)
    poison = ttnn.from_torch(nan, dtype=adapter.model.config.activations, layout=ttnn.TILE_LAYOUT, device=open_device)
    forward = adapter.model.forward_prefill
    for params in (GREEDY, SamplingParams(repetition_penalty=1.5)):
        plugin = Plugin(adapter)
        with monkeypatch.context() as patch:
            patch.setattr(adapter.model, "forward_prefill", lambda *args: ttnn.add(forward(*args), poison))
            plugin.add(REQUESTS[0][0], params)
        assert plugin.generated(0) == [end] and "rows [0] are NaN or infinite" in caplog.text
        caplog.clear()
    tokens = ttnn.from_torch(torch.tensor([[[5, NO_TOKEN, 0, 7]]], dtype=torch.int32), dtype=ttnn.uint32)
    assert adapter.process_decode_output_host(tokens, is_tokens=True).tolist() == [5, end, 0, 7]
    assert "rows [1] are NaN" in caplog.text


def test_prefill_behind_shared_blocks(adapter, alone):
    """Two prompts have the same first block. The prefill of the second prompt begins after this block."""
    shared = (REQUESTS[0][0] * BLOCK)[:BLOCK]
    first, second = shared + REQUESTS[1][0], shared + REQUESTS[2][0]
    plugin = Plugin(adapter)
    plugin.add(first)
    plugin.add(second, computed=BLOCK, blocks=plugin.rows[0].blocks[:1])
    plugin.step()
    assert [plugin.generated(row) for row in (0, 1)] == [alone(prompt, 2, GREEDY) for prompt in (first, second)]


def test_penalties(adapter):
    """The tokens of a request are the largest logits after its penalties. A neighbour without any is not affected.

    Some steps send logits to the host. The host then chooses without penalties here, and the device counts its tokens.
    """
    devices = (True, True, False, True, False, False, True, True)
    params = SamplingParams(repetition_penalty=1.5, presence_penalty=0.5, frequency_penalty=0.8)
    prompt, neighbour = REQUESTS[0][0], REQUESTS[1][0]
    plugin = Plugin(adapter)
    plugin.add(prompt, params)
    plugin.add(neighbour)
    for device in devices:
        plugin.step(device)
    # the same texts by hand: the plugin takes logits, and the test applies the penalties one by one
    by_hand = Plugin(adapter)
    by_hand.add(prompt, sample=False)
    by_hand.add(neighbour, sample=False)
    for row, text in enumerate((prompt, neighbour)):
        by_hand.rows[row].text = plugin.rows[row].text[: len(text) + 1]
    for step, device in enumerate(devices):
        logits = by_hand.finish(by_hand.submit(device=False), device=False)
        rows = [row.tolist() for row in logits]
        generated = by_hand.generated(0)
        for token in {*prompt, *generated} if device else ():
            value = rows[0][token]
            value = value / 1.5 if value > 0 else value * 1.5
            rows[0][token] = value - 0.8 * generated.count(token) - 0.5 * (token in generated)
        best = torch.tensor([max(range(VOCABULARY), key=row.__getitem__) for row in rows])
        by_hand.take(best)
        assert best[:2].tolist() == [plugin.generated(0)[step + 1], plugin.generated(1)[step + 1]]
    assert plugin.generated(0) != plugin.generated(1)


def test_penalties_of_requests_that_join_and_leave(adapter, alone):
    """A request that takes the row of another has its own counts. Steady steps with penalties upload nothing."""
    params = SamplingParams(repetition_penalty=1.3, presence_penalty=0.5, frequency_penalty=0.8)
    drawn = replace(SEEDED, frequency_penalty=0.6, presence_penalty=0.4)
    prompts, plugin = [prompt for prompt, _ in REQUESTS], Plugin(adapter)
    plugin.add(prompts[0], params)
    plugin.step()
    plugin.add(prompts[1], drawn)
    plugin.step()
    for _ in range(3):
        uploaded, downloaded = adapter.generator.uploaded_bytes, adapter.generator.downloaded_bytes
        plugin.step()
        assert adapter.generator.uploaded_bytes == uploaded
        assert adapter.generator.downloaded_bytes == downloaded + 4 * ROWS
    assert plugin.end(0) == alone(prompts[0], 6, params)
    plugin.step()
    plugin.add(prompts[2], params)  # in the row that is free
    for _ in range(4):
        plugin.step()
        check_counts(plugin)
    assert plugin.generated(0) == alone(prompts[2], 5, params)
    assert plugin.generated(1) == alone(prompts[1], 10, drawn)


def check_counts(plugin: Plugin) -> None:
    """Assert that the device has counted the text of each row, but not the token that its last step chose."""
    counts = ttnn.to_torch(plugin.adapter.generator.inputs.penalties.counts)[0, 0]
    for row, request in plugin.rows.items():
        expected = torch.bincount(torch.tensor(request.generated[:-1]), minlength=VOCABULARY).float()
        expected[request.text[: request.prompt_length]] += 0.5
        assert torch.equal(counts[row], expected)


def test_penalties_while_the_host_is_a_step_behind(adapter, alone):
    """The device counts tokens that the host has not read yet."""
    params = SamplingParams(presence_penalty=0.5, frequency_penalty=0.8)
    plugin, prompt = Plugin(adapter), REQUESTS[0][0]
    plugin.add(prompt, params)
    plugin.steps_ahead(7)
    assert plugin.generated(0) == alone(prompt, 8, params)


def test_penalties_of_drawn_tokens(adapter, alone):
    params = replace(SEEDED, frequency_penalty=3.0)
    plugin, prompt = Plugin(adapter), REQUESTS[0][0]
    plugin.add(prompt, params)
    for _ in range(5):
        plugin.step()
    assert plugin.generated(0) == alone(prompt, 6, params) != alone(prompt, 6, SEEDED)


def test_padding_is_no_part_of_a_text():
    """The plugin pads prompts and texts with -1. The newest token is the next step's input."""
    prompts, generated = torch.tensor([[3, -1, -1], [4, 4, 5]]), torch.tensor([[5, 5, 7, -1], [6, -1, -1, -1]])
    assert texts_of(prompts, generated) == [Text([3], [5, 5]), Text([4, 4, 5], [])]


@pytest.mark.parametrize(
    "name, value", [("repetition", 1e30), ("repetition", 1e-30), ("presence", -2), ("frequency", 1e30)]
)
def test_extreme_penalties(adapter, name, value):
    plugin = Plugin(adapter)
    plugin.add(REQUESTS[0][0], replace(SEEDED, **{f"{name}_penalty": value}))
    plugin.step()
    assert all(0 <= token < VOCABULARY for token in plugin.generated(0))


def test_whatever_a_client_asks_for_is_cut_to_what_the_device_does():
    values = {
        "temperature": [0.0, 1e-30, 1.0, 1e30, float("inf"), float("nan"), -1.0],
        "top_k": [-1, 0, 1, 31, 32, 33, VOCABULARY, 2**31],
        "top_p": [0.0, 1e-30, 0.5, 1.0, 2.0],
        "seed": [None, 0, -1, 2**63 - 1],
        "repetition_penalty": [1.0, 1e-40, float("inf")],
        "presence_penalty": [0.0],
        "frequency_penalty": [0.0],
    }
    grid = list(itertools.product(*values.values()))
    rows = wanted(SimpleNamespace(**dict(zip(values, map(list, zip(*grid))))))
    assert len(rows) == len(grid)
    one = {row[:4]: result for row, result in zip(grid, rows) if row[4] == 1.0}
    assert {row.repetition_penalty for row in rows} == {1.0, 1 / LARGEST, LARGEST}
    assert one[0.0, 1, 0.0, None] == GREEDY
    assert one[1.0, 1, 0.5, 0] == SamplingParams(1.0, 1, 0.5, 0)
    assert one[1.0, 31, 0.5, 0] == SamplingParams(1.0, 31, 0.5, 0)
    assert one[1.0, VOCABULARY, 1.0, 0] == SamplingParams(1.0, 0, 1.0, 0)
    assert one[1.0, VOCABULARY, 0.0, 0] == SamplingParams(1.0, 1, 1.0, 0)


@pytest.mark.parametrize("seed", range(3))
def test_one_candidate_is_greedy(adapter, alone, seed):
    """One candidate makes all tokens greedy at any temperature, also the first token after the prompt."""
    plugin, prompt = Plugin(adapter), REQUESTS[0][0]
    plugin.add(prompt, SamplingParams(temperature=100.0, top_k=1, seed=seed))
    for _ in range(3):
        plugin.step()
    assert plugin.generated(0) == alone(prompt, 4, GREEDY)


def test_the_step_after_a_failed_one_uses_the_hosts_tokens(adapter, alone, monkeypatch):
    """After a failed step the next step uses the host's tokens, even if the plugin says that the batch is unchanged."""
    plugin, prompt = Plugin(adapter), REQUESTS[0][0]
    plugin.add(prompt)
    plugin.step()
    with monkeypatch.context() as patch, pytest.raises(RuntimeError, match="cut short"):

        def fail(*args, **kwargs):
            raise RuntimeError("cut short")

        patch.setattr(ttnn, "execute_trace", fail)
        plugin.submit()
    adapter.generator.inputs.forget()
    plugin.step()
    assert plugin.generated(0) == alone(prompt, 3, GREEDY)
