# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""The adapter under the calls that vLLM's plugin was seen to make: their arguments, types and order, without vLLM."""

import itertools
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch
import ttnn

from models.bitnet.tests import shipped
from models.bitnet.tt.generator_vllm import BitNetForCausalLM, wanted
from models.bitnet.tt.kv_cache import PagedAttentionConfig
from models.bitnet.tt.penalties import Penalties
from models.bitnet.tt.sampling import GREEDY, SamplingParams

ROWS, BLOCK, CONTEXT, BLOCKS = 4, 32, 96, 16
VOCABULARY = shipped.config().vocab_size
NEUTRAL = Penalties()
SEEDED = SamplingParams(temperature=1.0, top_k=20, top_p=0.9, seed=11)


@pytest.fixture(scope="module")
def open_device():
    device = ttnn.open_device(device_id=0, trace_region_size=shipped.TRACE_REGION)
    yield device
    ttnn.close_device(device)


@pytest.fixture(scope="module")
def alone(open_device):
    """What the project's own `generate` makes of a prompt."""
    paging = PagedAttentionConfig(BLOCK, BLOCKS)
    options = {"max_batch": ROWS, "max_seq_len": CONTEXT, "paging": paging, "enable_trace": False}
    with shipped.load_short(open_device, **options) as model:
        yield lambda prompt, count, params: model.generate([prompt], count, params)[0].tokens


@pytest.fixture(scope="module")
def adapter(open_device, alone):
    """Loaded, given its cache and warmed up in the plugin's order. The other model is there before its traces are."""
    short = shipped.load_short(open_device, max_batch=ROWS, max_seq_len=CONTEXT)
    adapter = BitNetForCausalLM(short.generator.model)
    config = adapter.model.config.model
    shape = (BLOCKS, config.num_key_value_heads, BLOCK, config.head_dim)
    cache = adapter.allocate_kv_cache(shape, torch.bfloat16, config.num_hidden_layers)
    for trace in (False, True):
        adapter.warmup_model_prefill(enable_trace=trace, kv_cache=cache, can_sample_on_device=True)
        adapter.warmup_model_decode(
            enable_trace=trace,
            kv_cache=cache,
            max_batch_size=ROWS,
            num_blocks=CONTEXT // BLOCK,
            can_sample_on_device=True,
        )
    yield adapter
    adapter.generator.close()


class Plugin:
    """The plugin's side: which request is in which row, its tokens as far as the host has them, its blocks."""

    def __init__(self, adapter: BitNetForCausalLM):
        self.adapter, self.cache = adapter, adapter.generator.cache
        self.texts: list[list[int]] = []
        self.prompts: list[int] = []  # their lengths
        self.params: list[SamplingParams] = []
        self.blocks: list[list[int]] = []
        self.penalties: list[Penalties] = []
        self.changed = True  # rows, since the last decode step
        self._free = iter(range(1, BLOCKS))

    def add(self, text, params=GREEDY, prompt_length=None, computed=0, blocks=(), penalties=NEUTRAL, sample=True):
        """Prefill one request and return its next token (logits if not `sample`)."""
        blocks = [*blocks, *itertools.islice(self._free, CONTEXT // BLOCK - len(blocks))]
        given = {"sampling_params": self.sampling([params], [penalties])} if sample else {}
        out = self.adapter.prefill_forward(
            tokens=torch.tensor([text], dtype=torch.int32),
            page_table=torch.tensor([blocks], dtype=torch.int32),
            kv_cache=self.cache,
            enable_trace=True,
            prompt_lens=np.array([len(text)], dtype=np.int64),
            start_pos=np.array([computed], dtype=np.int32),
            empty_slots=[len(self.texts)],
            **given,
        )
        token = int(out[0]) if sample else int(out[0, 0].argmax())
        self.texts.append([*text, token])
        self.prompts.append(prompt_length or len(text))
        self.params.append(params)
        self.blocks.append(blocks)
        self.penalties.append(penalties)
        self.changed = True
        return token

    def submit(self, device=True, read_async=False, penalised=False):
        """One decode step on the tokens that the host has."""
        idle = ROWS - len(self.texts)
        tokens = torch.tensor([[text[-1]] for text in self.texts] + [[0]] * idle, dtype=torch.int32)
        positions = torch.tensor([len(text) - 1 for text in self.texts] + [-1] * idle, dtype=torch.int32)
        given = {}
        if device:
            neutral = [NEUTRAL] * idle
            given["sampling_params"] = self.sampling(self.params + [GREEDY] * idle, self.penalties + neutral)
            given["reset_batch"] = self.changed
        if penalised:
            histories = [(text[:length], text[length:]) for text, length in zip(self.texts, self.prompts)]
            given["prompt_tokens"] = padded([prompt for prompt, _ in histories])
            given["output_tokens"] = padded([generated for _, generated in histories])
        self.changed = False
        output = self.adapter.decode_forward(
            tokens=tokens,
            page_table=torch.tensor(self.blocks + [[0] * (CONTEXT // BLOCK)] * idle, dtype=torch.int32),
            kv_cache=self.cache,
            start_pos=positions,
            enable_trace=True,
            read_from_device=False,
            **given,
        )
        return self.adapter.read_decode_output(output, async_read=True) if read_async else output

    def step(self, device=True, **options):
        """A step whose tokens the host has before the next one."""
        output = self.submit(device, **options)
        if not isinstance(output, torch.Tensor):
            output = self.adapter.process_decode_output_host(output, is_tokens=device)
        self.take(output if device else output[:, 0].argmax(dim=-1))

    def take(self, tokens):
        for text, token in zip(self.texts, tokens.tolist()):
            text.append(token)

    def generated(self, row):
        return self.texts[row][self.prompts[row] :]

    @staticmethod
    def sampling(params, penalties):
        """As the plugin gives them: greedy has one candidate and no temperature, no top-k is the vocabulary."""
        return SimpleNamespace(
            temperature=[p.temperature for p in params],
            top_k=[1 if p.greedy else p.top_k or VOCABULARY for p in params],
            top_p=[0.0 if p.greedy else p.top_p for p in params],
            presence_penalty=[p.presence for p in penalties],
            frequency_penalty=[p.frequency for p in penalties],
            repetition_penalty=[p.repetition for p in penalties],
            seed=[p.seed for p in params],
            num_logprobs=[-2] * len(params),
            enable_log_probs=[False] * len(params),
        )


def padded(rows):
    width = max(map(len, rows))
    rows = rows + [[]] * (ROWS - len(rows))
    return torch.tensor([row + [-1] * (width - len(row)) for row in rows], dtype=torch.int32)


REQUESTS = list(zip(shipped.prompts(3), (GREEDY, SEEDED, GREEDY)))


def test_capabilities_and_the_size_of_the_cache():
    assert all(BitNetForCausalLM.model_capabilities.values())
    size = BitNetForCausalLM.get_max_tokens_all_users
    sizes = {"model_name": "x", "num_devices": 1, "tt_data_parallel": 1}
    assert size(**sizes, max_model_len=512, max_num_seqs=4) == 2048
    assert size(**sizes, max_model_len=4096, max_num_seqs=32) == 65536
    assert size(**sizes, max_model_len=131072, max_num_seqs=32) == 131072  # one request at least


def test_load(open_device):
    """From a folder; the precision by the plugin's option, or by an entry of the config."""
    load = BitNetForCausalLM.initialize_vllm_model
    config = SimpleNamespace(_name_or_path=str(shipped.FOLDER), tt_precision="fused")
    given = {"mesh_device": open_device, "max_batch_size": ROWS, "max_seq_len": CONTEXT, "tt_data_parallel": 1}
    assert load(config, **given).model.config.precision.name == "fused"
    assert load(config, **given, optimizations="performance").model.config.precision.name == "performance"
    with pytest.raises(ValueError, match="in 2 part"):
        load(config, **{**given, "tt_data_parallel": 2})


def test_read_at_once(adapter, alone):
    """Rows that join one after the other; a steady step uploads nothing."""
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
    """The next step is submitted before the last one's tokens are read: what the host sends is old."""
    plugin = Plugin(adapter)
    for prompt, params in REQUESTS:
        plugin.add(prompt, params)
    pending = plugin.submit(read_async=True)
    for _ in range(6):
        following = plugin.submit(read_async=True)  # one token and one position behind
        host, events = pending
        for event in events:
            ttnn.event_synchronize(event)
        plugin.take(adapter.process_decode_output_host(host, is_tokens=True))
        pending = following
    plugin.take(adapter.process_decode_output_host(pending[0], is_tokens=True))
    for row, (prompt, params) in enumerate(REQUESTS):
        tokens = plugin.generated(row)
        assert len(tokens) == 8 and tokens == alone(prompt, 8, params)


def test_host_and_device_take_turns(adapter, alone):
    """A grammar or log probabilities send a step's logits to the host; the device then goes on with the host's
    tokens, though the rows are the same."""
    plugin = Plugin(adapter)
    prompts = [prompt for prompt, _ in REQUESTS]
    for prompt in prompts:
        plugin.add(prompt, sample=prompt is not prompts[1])
    for device in (True, False, True, True, False, False, True):
        plugin.step(device)
    for row, prompt in enumerate(prompts):
        assert plugin.generated(row) == alone(prompt, 8, GREEDY)


@pytest.mark.parametrize("params", [GREEDY, replace(SEEDED, seed=20)], ids=["greedy", "seeded"])
def test_resume_after_preemption(adapter, alone, params):
    """The text so far comes back as one prompt, in other blocks: the draws go on where they were. (Prefill rounds its
    own way, so a draw at the very edge between two tokens may change: one in ten seeds here. This seed has none.)"""
    plugin, prompt = Plugin(adapter), REQUESTS[0][0]
    plugin.add(prompt, params)
    for _ in range(3):
        plugin.step()
    resumed = Plugin(adapter)
    resumed.add(plugin.texts[0], params, prompt_length=len(prompt))
    for _ in range(3):
        resumed.step()
    assert resumed.generated(0) == alone(prompt, 8, params)


def test_prefill_behind_shared_blocks(adapter, alone):
    """Two prompts with their first block in common: the second one's prefill begins behind it."""
    shared = (REQUESTS[0][0] * BLOCK)[:BLOCK]
    first, second = shared + REQUESTS[1][0], shared + REQUESTS[2][0]
    plugin = Plugin(adapter)
    plugin.add(first)
    plugin.add(second, computed=BLOCK, blocks=plugin.blocks[0][:1])
    plugin.step()
    assert [plugin.generated(row) for row in (0, 1)] == [alone(prompt, 2, GREEDY) for prompt in (first, second)]


def test_penalties(adapter):
    """The tokens of a row are the largest logits after its penalties; its neighbour without any is not touched."""
    penalties = Penalties(repetition=1.5, presence=0.5, frequency=0.8)
    prompt, neighbour = REQUESTS[0][0], REQUESTS[1][0]
    plugin = Plugin(adapter)
    plugin.add(prompt, penalties=penalties)
    plugin.add(neighbour)
    for _ in range(6):
        plugin.step(penalised=True)
    # by hand: the same texts through a plugin that takes logits, which are penalised here one by one
    by_hand = Plugin(adapter)
    by_hand.add(prompt, sample=False)
    by_hand.add(neighbour, sample=False)
    by_hand.texts = [plugin.texts[0][: len(prompt) + 1], plugin.texts[1][: len(neighbour) + 1]]
    for step in range(6):
        logits = by_hand.adapter.process_decode_output_host(by_hand.submit(device=False), is_tokens=False)[:, 0]
        rows = [row.tolist() for row in logits]
        generated = by_hand.generated(0)
        for token in {*prompt, *generated}:
            value = rows[0][token]
            value = value / 1.5 if value > 0 else value * 1.5
            rows[0][token] = value - 0.8 * generated.count(token) - 0.5 * (token in generated)
        best = torch.tensor([max(range(VOCABULARY), key=row.__getitem__) for row in rows])
        by_hand.take(best)
        assert best[:2].tolist() == [plugin.generated(0)[step + 1], plugin.generated(1)[step + 1]]
    assert plugin.generated(0) != plugin.generated(1)


def test_penalties_of_drawn_tokens(adapter, alone):
    """Neutral in effect but not in form (a tiny frequency penalty): the same tokens as drawn at a step's end."""
    plugin, prompt = Plugin(adapter), REQUESTS[0][0]
    plugin.add(prompt, SEEDED, penalties=Penalties(frequency=1e-30))
    for _ in range(5):
        plugin.step(penalised=True)
    assert plugin.generated(0) == alone(prompt, 6, SEEDED)


@pytest.mark.parametrize("penalties", [Penalties(repetition=1e30), Penalties(repetition=1e-40), Penalties(presence=-2)])
def test_extreme_penalties(adapter, penalties):
    plugin = Plugin(adapter)
    plugin.add(REQUESTS[0][0], SEEDED, penalties=penalties)
    plugin.step(penalised=True)
    assert all(0 <= token < VOCABULARY for token in plugin.generated(0))


def test_whatever_a_client_asks_for_is_cut_to_what_the_device_does():
    values = {
        "temperature": [0.0, 1e-30, 1.0, 1e30, float("inf"), float("nan"), -1.0],
        "top_k": [-1, 0, 1, 31, 32, 33, VOCABULARY, 2**31],
        "top_p": [0.0, 1e-30, 0.5, 1.0, 2.0],
        "seed": [None, 0, -1, 2**64],
    }
    grid = list(itertools.product(*values.values()))
    rows = wanted(SimpleNamespace(**dict(zip(values, map(list, zip(*grid))))))
    assert len(rows) == len(grid)
    one = {row: result for row, result in zip(grid, rows)}
    assert one[0.0, 1, 0.0, None] == GREEDY
    assert one[1.0, 31, 0.5, 0] == SamplingParams(1.0, 31, 0.5, 0)
    assert one[1.0, VOCABULARY, 1.0, 0] == SamplingParams(1.0, 0, 1.0, 0)
    assert one[1.0, VOCABULARY, 0.0, 0] == SamplingParams(1.0, 1, 1.0, 0)


def test_an_error_leaves_nothing_to_go_on_with(adapter, alone, monkeypatch):
    """After a step that was cut short the next one takes the host's tokens, whatever it says of the rows."""
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
