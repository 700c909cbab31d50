# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""Tests of the generator's calls under upstream's names: their results, their transfers and their refusals."""

import json
import shutil

import pytest
import torch
from safetensors.torch import load_file, save_file

import ttnn
from models.bitnet.tests import shipped
from models.bitnet.tests.common import assert_close
from models.bitnet.tt.bitnet import BitNet
from models.bitnet.tt.engine.blocks import BlockPool, OutOfBlocks
from models.bitnet.tt.generation.decode_steps import StepEnd
from models.bitnet.tt.generation.sampling import GREEDY, Draws, SamplingParams
from models.bitnet.tt.generator import IDLE
from models.bitnet.tt.kv_cache import PagedAttentionConfig
from models.bitnet.tt.precision import FUSED

USERS, CONTEXT, BLOCKS = 4, 160, 5
PCC, ERROR = 0.9998, 0.02
TABLE_BYTES = USERS * 8 * 4  # the page table on the device has whole chunks of 8 blocks


PAGING = PagedAttentionConfig.contiguous(USERS, CONTEXT, block_size=32)


@pytest.fixture(scope="module")
def model(open_device):
    """The model's first layers: what a call takes, moves and refuses does not depend on how many there are."""
    with shipped.load_short(open_device, max_batch=USERS, max_seq_len=CONTEXT, paging=PAGING) as loaded:
        yield loaded


@pytest.fixture
def generator(model):
    return model.generator


def text(length: int) -> list[int]:
    return sum(shipped.prompts(), [])[:length]


def padded(prompts: list[list[int]]) -> torch.Tensor:
    """The prompts as a tensor [batch, longest]. The padding holds tokens that must not have an effect."""
    longest = max(map(len, prompts))
    return torch.tensor([prompt + [7] * (longest - len(prompt)) for prompt in prompts])


def scattered() -> torch.Tensor:
    """A page table like that of a server, with the blocks in a random order."""
    return torch.randperm(USERS * BLOCKS, generator=torch.Generator().manual_seed(0)).reshape(USERS, BLOCKS).int()


def start(generator, params=None, draws=None, table=None) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Prefill prompts of different lengths. Returns (first tokens, their positions, page table)."""
    prompts = [text(n) for n in (40, 5, 33, 64)]
    table = scattered() if table is None else table
    draws = draws or [Draws() for _ in range(USERS)]
    lengths = [len(p) for p in prompts]
    tokens = generator.prefill_forward_text(
        padded(prompts), table, prompt_lens=lengths, sampling_params=params or [GREEDY] * USERS, draws=draws
    )
    return tokens, torch.tensor(lengths), table


# --- what the calls return -------------------------------------------------------------------------------------------


@pytest.fixture
def whole_model(open_device):
    options = {"precision": "fused", "max_batch": USERS, "max_seq_len": CONTEXT, "paging": PAGING}
    with shipped.load(open_device, **options) as loaded:
        yield loaded


def test_logits_at_mixed_positions(whole_model, reference):
    """One prefill call of prompts with 40, 5, 33 and 64 tokens and then three decode steps, against the reference."""
    generator = whole_model.generator
    prompts, table = [text(n) for n in (40, 5, 33, 64)], scattered()
    first = generator.prefill_forward_text(padded(prompts), table, prompt_lens=[len(p) for p in prompts])
    assert first.shape == (USERS, 1, shipped.config().vocab_size) and first.dtype == torch.float32
    rows, texts = [first[:, 0]], [list(prompt) for prompt in prompts]
    for step in range(3):
        tokens = torch.tensor([11 + step, 200, 300 + step, 45])
        positions = torch.tensor([len(t) for t in texts])
        logits = generator.decode_forward(tokens[:, None], positions, page_table=table)
        assert logits.shape == first.shape and logits.dtype == torch.float32
        rows.append(logits[:, 0])
        for t, token in zip(texts, tokens.tolist()):
            t.append(token)
    # all rows are compared at once: in the four rows of one prompt a single flipped int8 code exceeds the bar
    expected = [reference.prefill(torch.tensor([whole]))[0][0, -4:] for whole in texts]
    assert_close(torch.stack(expected), torch.stack(rows, 1), PCC, ERROR)


@pytest.mark.parametrize("params, enable_trace", [(None, False), ([GREEDY] * USERS, True)], ids=["logits", "tokens"])
def test_a_result_may_stay_on_the_device(generator, params, enable_trace):
    tokens, positions, table = start(generator)
    options = {"page_table": table, "enable_trace": enable_trace, "sampling_params": params}
    expected = generator.decode_forward(tokens, positions, **options)
    # the same step again
    downloaded = generator.downloaded_bytes
    output = generator.decode_forward(tokens, positions, read_from_device=False, **options)
    assert isinstance(output, ttnn.Tensor) and generator.downloaded_bytes == downloaded
    host = generator.read_decode_output(output)
    assert generator.downloaded_bytes > downloaded
    assert torch.equal(generator.process_decode_output_host(host, is_tokens=params is not None), expected)


def test_tokens_that_were_never_read_are_not_taken_for_known(generator):
    """Two steps have the same input tokens. The result of the first step stays on the device."""
    tokens, positions, table = start(generator)
    params = [GREEDY] * USERS
    generator.decode_forward(tokens, positions, table, sampling_params=params, read_from_device=False)
    unread = generator.decode_forward(tokens, positions + 1, table, sampling_params=params)
    generator.decode_forward(tokens, positions, table, sampling_params=params)
    assert torch.equal(generator.decode_forward(tokens, positions + 1, table, sampling_params=params), unread)


# --- traffic ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("temperature, enable_trace", [(0.0, True), (1.0, True), (1.0, False)])
def test_a_steady_step_uploads_nothing_and_downloads_four_bytes_a_user(generator, temperature, enable_trace):
    params = [SamplingParams(temperature, seed=1)] * USERS
    draws = [Draws.from_seed(user) for user in range(USERS)]
    tokens, positions, table = start(generator, params, draws)
    for step in range(6):
        draws = [each.next() for each in draws]
        uploaded, downloaded = generator.uploaded_bytes, generator.downloaded_bytes
        tokens = generator.decode_forward(
            tokens, positions + step, table, enable_trace=enable_trace, sampling_params=params, draws=draws
        )
        assert generator.downloaded_bytes - downloaded == 4 * USERS
        if step > 0:
            assert generator.uploaded_bytes == uploaded


def test_no_other_transfers_happen_in_a_steady_step(generator, monkeypatch):
    """A steady step calls ttnn's functions for transfers only to read the result."""
    tokens, positions, table = start(generator)
    params, calls = [GREEDY] * USERS, []
    tokens = generator.decode_forward(tokens, positions, table, sampling_params=params)
    for name in ("from_torch", "to_torch", "to_device", "from_device", "copy_host_to_device_tensor", "as_tensor"):
        function = getattr(ttnn, name)
        monkeypatch.setattr(ttnn, name, lambda *a, f=function, n=name, **k: (calls.append(n), f(*a, **k))[1])
    for step in range(1, 4):
        calls.clear()
        tokens = generator.decode_forward(tokens, positions + step, table, sampling_params=params)
        assert calls == ["to_torch"]


def test_a_changed_page_table_is_uploaded(whole_model):
    """Only the changed page table is uploaded, and the step uses it.

    The same keys and values in other blocks give the same tokens. The first two layers alone would choose the same
    tokens from the wrong blocks.
    """
    generator = whole_model.generator
    params = [GREEDY] * USERS

    def write(table: torch.Tensor, moved: torch.Tensor) -> list[torch.Tensor]:
        tokens, positions, _ = start(generator, table=table)
        steps, sent = [], []
        for step in range(4):
            uploaded = generator.uploaded_bytes
            tokens = generator.decode_forward(
                tokens, positions + step, table if step < 2 else moved, sampling_params=params
            )
            steps.append(tokens)
            sent.append(generator.uploaded_bytes - uploaded)
        assert sent[1:] == [0, 0 if moved is table else TABLE_BYTES, 0]
        return steps

    table = scattered()
    expected = write(table, table)
    unused = table.clone()
    unused[1, 1:] = table[1, 1:].flip(0)  # blocks that user 1 has not reached
    assert all(torch.equal(a, b) for a, b in zip(write(table, unused), expected))
    wrong = table.clone()
    wrong[0], wrong[3] = table[3], table[0]
    assert not all(torch.equal(a, b) for a, b in zip(write(table, wrong), expected)), "the new table was not used"


def test_a_join_or_leave_uploads_only_rows(generator):
    """If a user joins or leaves, tokens and positions change, but not the page table."""
    tokens, positions, table = start(generator)
    params = [GREEDY] * USERS
    tokens = generator.decode_forward(tokens, positions, table, sampling_params=params)
    positions = positions + 1
    positions[2] = IDLE
    uploaded = generator.uploaded_bytes
    generator.decode_forward(tokens, positions, table, sampling_params=params)
    assert generator.uploaded_bytes - uploaded == USERS * 4  # positions


@pytest.mark.parametrize("enable_trace", [True, False])
def test_idle_rows_stay_idle_on_the_device(generator, enable_trace):
    """The position of an idle user stays IDLE at every step. A position 0 would write to the cache's first block."""
    tokens, positions, table = start(generator)
    positions[1] = positions[3] = IDLE
    for step in range(3):
        at = torch.where(positions == IDLE, IDLE, positions + step)
        tokens = generator.decode_forward(
            tokens, at, table, enable_trace=enable_trace, sampling_params=[GREEDY] * USERS
        )
        assert ttnn.to_torch(generator.inputs.positions).tolist() == [41 + step, IDLE, 34 + step, IDLE]


def test_a_step_that_is_captured_runs_with_idle_rows(generator, monkeypatch):
    """A step runs once before its capture, to build its programs. This run must not write to the cache of any user."""
    tokens, positions, table = start(generator)
    generator.close()
    forward, seen = generator.model.forward_decode, []

    def watched(rows, at, *rest):
        if not seen:
            seen.append(ttnn.to_torch(at).tolist())
        return forward(rows, at, *rest)

    monkeypatch.setattr(generator.model, "forward_decode", watched)
    generator.decode_forward(tokens, positions, table, sampling_params=[GREEDY] * USERS)
    assert seen == [[IDLE] * USERS]


# --- warm-up ---------------------------------------------------------------------------------------------------------


def test_warm_up(open_device, monkeypatch):
    """After the warm-up no trace is captured, and the tokens are those of a model without warm-up."""
    prompt = shipped.prompts(1)
    with shipped.load(open_device, max_batch=2, max_seq_len=96) as cold:
        expected = cold.generate(prompt, 6)[0].tokens
    with shipped.load(open_device, max_batch=2, max_seq_len=96) as warm:
        warm.generator.warmup_model_decode()
        warm.generator.warmup_model_decode(end=StepEnd.DRAWN)
        warm.generator.warmup_model_decode(enable_trace=False)
        warm.warm_up()
        capture = ttnn.begin_trace_capture
        captured: list[int] = []
        monkeypatch.setattr(ttnn, "begin_trace_capture", lambda *a, **k: (captured.append(1), capture(*a, **k))[1])
        assert warm.generate(prompt, 6)[0].tokens == expected
        drawn = warm.generate(prompt * 2, 6, SamplingParams(1.0, seed=3))
        assert drawn[0].tokens == drawn[1].tokens
        assert not captured
        assert warm.generator.count_programs() < warm.generator.count_programs(StepEnd.DRAWN)
        assert warm.generate(prompt, 6)[0].tokens == expected
        assert not captured


# --- what is refused -------------------------------------------------------------------------------------------------


def refuses(message: str, error: type[Exception] = ValueError):
    return pytest.raises(error, match=message)


def test_bad_prompts(generator):
    table = scattered()
    with refuses("a batch of 5 prompts is larger than the 4 users"):
        generator.prefill_forward_text(torch.zeros(5, 3), table)
    with refuses("prompt 0 is empty; give at least one token"):
        generator.prefill_forward_text(torch.zeros(1, 0), table)
    with refuses("prompt 1 is empty"):
        generator.prefill_forward_text(torch.zeros(2, 4), table, prompt_lens=[4, 0])
    with refuses("prompt 0 has 161 tokens, more than the context of 160; shorten it"):
        generator.prefill_forward_text(torch.zeros(1, 161), table)
    with refuses("prompt 0 has 100 tokens, its page table only 3 blocks"):
        generator.prefill_forward_text(torch.zeros(1, 100), table[:, :3])
    vocabulary = shipped.config().vocab_size
    for token in (vocabulary, -1):
        with refuses(f"token {token} is outside the vocabulary of {vocabulary}"):
            generator.prefill_forward_text(torch.tensor([[3, token]]), table)
    # what lies behind a prompt's end does not count
    generator.prefill_forward_text(torch.tensor([[3, vocabulary]]), table, prompt_lens=[1])


def test_bad_steps(generator):
    tokens, positions, table = start(generator)
    with refuses("tokens has 3 entries for 4 users; give idle users -1"):
        generator.decode_forward(tokens[:3], positions, table)
    with refuses("start_pos has 5 entries for 4 users"):
        generator.decode_forward(tokens, torch.zeros(5), table)
    with refuses("position 160 is past the context of 160"):
        generator.decode_forward(tokens, torch.tensor([1, 160, 2, 3]), table)
    with refuses("position -7"):
        generator.decode_forward(tokens, torch.tensor([1, -7, 2, 3]), table)
    for wrong in (table[:, :3], table[:2], torch.cat([table, table], dim=1)):
        with refuses(r"page_table is \[.*\], must be 4 users by 5 blocks"):
            generator.decode_forward(tokens, positions, wrong)
    vocabulary = shipped.config().vocab_size
    with refuses(f"token {vocabulary} is outside the vocabulary of {vocabulary}"):
        generator.decode_forward(torch.tensor([1, 2, 3, vocabulary]), positions, table)
    sampled = [SamplingParams(1.0)] * USERS
    with refuses("sampling_params has 2 entries for 4 users"):
        generator.decode_forward(tokens, positions, table, sampling_params=sampled[:2], draws=[Draws()] * USERS)
    with refuses("draws has 0 entries for 4 users"):
        generator.decode_forward(tokens, positions, table, sampling_params=sampled)
    with refuses("texts has 0 entries for 4 users"):
        penalised = [SamplingParams(presence_penalty=1.0)] * USERS
        generator.decode_forward(tokens, positions, table, sampling_params=penalised)
    # none of which left anything behind
    params = [GREEDY] * USERS
    after = generator.decode_forward(tokens, positions, table, sampling_params=params)
    assert torch.equal(after, generator.decode_forward(tokens, positions, table, sampling_params=params))


def test_bad_requests(model):
    prompt = shipped.prompts(1)
    with refuses("prompts is one string; give a list of prompts", TypeError):
        model.generate("And it came to pass")
    with refuses("prompts is None; give a list of prompts", TypeError):
        model.generate(None)
    for wrong in ([None], [5], [[None]], [[[1, 2]]], [[1.7, 2.2]], [[True]], [b"text"]):
        with refuses(r"prompt.* must be", TypeError):
            model.generate([*prompt, *wrong])
    for count in (2.5, "4", None):
        with refuses("max_new_tokens is .*, must be an integer", TypeError):
            model.generate(prompt, count)
    for sampling in (None, 0.5, [None]):
        with refuses("sampling is None|sampling is 0.5", TypeError):
            model.generate(prompt, 4, sampling)
    for count in (0, -3):
        with refuses(f"max_new_tokens is {count}, must be at least 1"):
            model.generate(prompt, count)
    for stop, error in (("text", TypeError), ([5], TypeError), (None, TypeError), (["good", ""], ValueError)):
        with refuses("give a list of strings, none of them empty", error):
            model.generate(prompt, 4, stop=stop)
    with refuses("there are 2 sampling parameters for 1 prompts"):
        model.generate(prompt, 4, [GREEDY, GREEDY])
    assert not model.engine.busy and not model.engine.answers.jobs, "something was kept"


def test_the_default_precision(open_device):
    with shipped.load(open_device, max_seq_len=64) as loaded:
        assert loaded.config.precision is FUSED


def test_bad_settings(open_device):
    with refuses("unknown precision 'fast'; choose one of accuracy, performance"):
        shipped.load(open_device, precision="fast")
    for batch in (0, 33):
        with refuses(f"batch {batch}: decode takes 1 to 32 users"):
            shipped.load(open_device, max_batch=batch)
    limit = shipped.config().max_position_embeddings
    with refuses(f"max_seq_len {limit + 1} is past the model's context of {limit}"):
        shipped.load(open_device, max_seq_len=limit + 1)
    for block_size in (0, 16, -32, 40, 96):
        with refuses(f"block_size is {block_size}, must be a power of two, 32 or more"):
            PagedAttentionConfig(block_size)
    with refuses("max_num_blocks must be at least 1"):
        PagedAttentionConfig(32, 0)


def test_bad_folders(open_device, tmp_path):
    """A folder without a model and a model with NaN in a weight are refused in one line that names file and tensor."""
    with refuses("config.json: no such file"):
        BitNet.from_pretrained(tmp_path, open_device, progress=False)
    folder = tmp_path / "model"
    shutil.copytree(shipped.FOLDER, folder)
    tensors = load_file(folder / "model.safetensors")
    tensors["model.norm.weight"][3] = float("nan")
    save_file(tensors, folder / "model.safetensors")
    with refuses("model.norm.weight: contains NaN or infinity") as error:
        BitNet.from_pretrained(folder, open_device, progress=False)
    assert "\n" not in str(error.value) and str(folder) in str(error.value)
    (folder / "config.json").write_text(json.dumps({"model_type": "llama"}))
    with refuses("model_type is 'llama' and nothing says"):
        BitNet.from_pretrained(folder, open_device, progress=False)


# --- the pool of blocks, without a device ----------------------------------------------------------------------------


def test_pool():
    pool = BlockPool(PagedAttentionConfig(32, 6), users=3, max_seq_len=128)
    assert pool.reserve(0, 33) and not pool.reserve(0, 64) and pool.reserve(1, 128)
    table = pool.page_table()
    assert table.shape == (3, 4) and table.dtype == torch.int32
    owned = table[0, :2].tolist() + table[1].tolist()
    assert sorted(owned) == list(range(6)) and pool.free_blocks == 0
    with refuses("the KV cache is full: 1 positions need 1 more blocks of 32, 0 are free", OutOfBlocks):
        pool.reserve(2, 1)
    pool.release(0)
    assert pool.free_blocks == 2
    with refuses("96 positions need 3 more blocks of 32, 2 are free", OutOfBlocks):
        pool.reserve(2, 96)
    assert pool.free_blocks == 2, "all or nothing"
    assert pool.reserve(2, 64) and not set(pool.page_table()[2, :2].tolist()) & set(pool.page_table()[1].tolist())
    for user in (0, 1, 2, 2):
        pool.release(user)
    assert pool.free_blocks == 6


def test_contiguous_pool():
    """Every user has a fixed run of blocks."""
    pool = BlockPool(PagedAttentionConfig.contiguous(3, 100, 32), users=3, max_seq_len=100)
    table = pool.page_table()
    assert table.tolist() == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9, 10, 11]]
    assert not pool.reserve(1, 100)
    pool.release(1)
    assert torch.equal(pool.page_table(), table)
