# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""Tests of `BitNet.generate`: batches, the KV cache, the ends of texts, streaming and interruption.

The text of a request depends on its prompt alone, whatever else is in the batch and wherever its cache blocks are.
"""

import dataclasses
import math
import random
import signal

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import ttnn
from models.bitnet.tests import shipped
from models.bitnet.tt.bitnet import BitNet, StreamCallback
from models.bitnet.tt.engine.request import Completion
from models.bitnet.tt.engine.text import TextStream
from models.bitnet.tt.generation.sampling import GREEDY, Draws, SamplingParams
from models.bitnet.tt.generator import IDLE
from models.bitnet.tt.kv_cache import PagedAttentionConfig

CONTEXT = 160
SEEDED = SamplingParams(temperature=1.0, top_k=20, top_p=0.95, seed=7)


@pytest.fixture(scope="module")
def single(open_device):
    """A model that runs one request at a time."""
    paging = PagedAttentionConfig.contiguous(1, CONTEXT, block_size=32)
    with shipped.load_short(open_device, max_batch=1, max_seq_len=CONTEXT, paging=paging) as loaded:
        yield loaded


@pytest.fixture(scope="module")
def batch(open_device):
    """A model with four slots and a pool of few blocks."""
    paging = PagedAttentionConfig(block_size=32, max_num_blocks=12)
    with shipped.load_short(open_device, max_batch=4, max_seq_len=CONTEXT, paging=paging) as loaded:
        yield loaded


@pytest.fixture(autouse=True)
def nothing_left_behind(single, batch):
    """Assert after every test that no slot is taken and that every block is free."""
    yield
    for model in (single, batch):
        assert not model.engine.busy and not model.engine.scheduler.running
    assert batch.pool.free_blocks == 12
    assert sorted([*batch.pool._free, *batch.pool.kept]) == list(range(12)), "a block was returned twice or lost"


def shuffle(model: BitNet) -> None:
    """Take and return blocks in a random order, so that the blocks of a user are not consecutive."""
    model.pool.forget()
    random.Random(0).shuffle(model.pool._free)


def long_prompt(length: int, start: int = 0) -> list[int]:
    return sum(shipped.prompts(), [])[start : start + length]


def collector(shown: list[str]) -> StreamCallback:
    return lambda number, text: shown.append(text)


def tokens_of(completions: list[Completion]) -> list[list[int]]:
    return [completion.tokens for completion in completions]


def alone(single: BitNet, prompts, count: int, sampling=GREEDY) -> list[list[int]]:
    """The tokens of each prompt in a separate run."""
    return [single.generate([prompt], count, sampling)[0].tokens for prompt in prompts]


# --- batches ---------------------------------------------------------------------------------------------------------


def full_batch() -> tuple[list[list[int]], list[SamplingParams]]:
    """32 prompts of many lengths. Every other prompt has draws, the rest are greedy."""
    prompts = [long_prompt(1 + 3 * i, start=i) for i in range(32)]
    return prompts, [GREEDY if i % 2 else dataclasses.replace(SEEDED, seed=i) for i in range(32)]


def test_a_full_batch_equals_single_runs(open_device, single):
    """Each prompt in a full batch gives the same tokens as alone in a model of one user."""
    prompts, sampling = full_batch()
    paging = PagedAttentionConfig.contiguous(32, CONTEXT, block_size=32)  # as large as the single one's
    with shipped.load_short(open_device, max_batch=32, max_seq_len=CONTEXT, paging=paging) as model:
        together = model.generate(prompts, 6, sampling)
    for prompt, params, completion in zip(prompts, sampling, together):
        assert single.generate([prompt], 6, params)[0].tokens == completion.tokens


def test_a_full_batch_equals_runs_among_idle_users(open_device):
    """A prompt gives the same tokens in a full batch as among 31 idle users, in `performance`.

    The batch size is the same in both, because the rows are not integers here. The order of a sum, and with it the last
    bit, may depend on the batch size.
    """
    prompts, sampling = full_batch()
    with shipped.load_short(open_device, precision="performance", max_batch=32, max_seq_len=CONTEXT) as model:
        together = model.generate(prompts, 6, sampling)
        for i in range(0, 32, 3):
            assert model.generate(prompts[i : i + 1], 6, sampling[i])[0].tokens == together[i].tokens


def test_more_prompts_than_slots(batch, single):
    """Eleven prompts run in four slots. A free slot is filled while other slots run."""
    prompts = [long_prompt(2 + 4 * i, start=i) for i in range(11)]
    shuffle(batch)
    assert tokens_of(batch.generate(prompts, 10)) == alone(single, prompts, 10)


def test_requests_of_different_lengths_share_the_batch(batch, single, monkeypatch):
    """A request that ends early, at an end token, makes room for another request in the middle of a run."""
    prompts = [long_prompt(3 + 5 * i, start=2 * i) for i in range(9)]
    full = alone(single, prompts, 16)
    # some of these texts reach these end tokens, at different steps
    ends = {full[0][5], full[3][2], full[6][11]}
    monkeypatch.setattr(batch.engine.answers, "ends", tuple(ends))
    completions = batch.generate(prompts, 16)
    assert len({len(c.tokens) for c in completions}) >= 3, "the test wants them to end at different steps"
    for tokens, completion in zip(full, completions):
        end = next((i for i, token in enumerate(tokens) if token in ends), None)
        assert completion.tokens == tokens[:end]
        assert completion.finish_reason == ("length" if end is None else "stop")


def test_a_preempted_slot_is_refilled_without_a_trace_in_the_others(batch, single):
    """A request is preempted, and its blocks go to a new request in its slot.

    The texts of both neighbours, of which one has draws, do not change.
    """
    prompts = [long_prompt(20), long_prompt(40, 5), long_prompt(31, 9)]
    replacement, steps, cut = long_prompt(50, 70), 14, 6
    params = [GREEDY, GREEDY, SEEDED, GREEDY]
    expected = [alone(single, [p], steps, s)[0] for p, s in zip(prompts, params)]
    seeded = Draws.from_seed(SEEDED.seed)
    shuffle(batch)

    def begin(slot: int, prompt: list[int]) -> int:
        draws = [seeded.at(len(prompt) - 1)]
        token = shipped.prefill(batch, {slot: prompt}, sampling_params=[params[slot]], draws=draws)[slot]
        return int(token)

    lengths = [len(p) for p in prompts] + [0]
    texts = [[begin(slot, prompt)] for slot, prompt in enumerate(prompts)] + [[]]
    for step in range(1, steps):
        if step == cut:
            gone = list(batch.pool._owned[1])
            batch.pool.release(1)
            lengths[1], texts[1] = len(replacement), []
            texts[1].append(begin(1, replacement))
            assert set(gone) & set(batch.pool._owned[1]), "the blocks were to be used again"
        positions = torch.full((4,), IDLE)
        for slot in range(3):
            positions[slot] = lengths[slot] + len(texts[slot]) - 1
            batch.pool.reserve(slot, int(positions[slot]) + 1)
        last = torch.tensor([text[-1] if text else 0 for text in texts])
        chosen = batch.generator.decode_forward(
            last,
            positions,
            batch.pool.page_table(),
            sampling_params=params,
            draws=[seeded.at(max(0, int(position))) for position in positions],
        )
        for slot in range(3):
            texts[slot].append(int(chosen[slot]))
    for slot in range(3):
        batch.pool.release(slot)
    assert texts[0] == expected[0] and texts[2] == expected[2]
    assert texts[1] == alone(single, [replacement], steps - cut + 1)[0]


@pytest.mark.parametrize("temperature", [pytest.param(0.7, marks=pytest.mark.slow), 1.5])
def test_a_seed_gives_the_same_tokens_everywhere(batch, single, temperature):
    """A seeded request gives the same tokens alone, first or last in a batch, and among any other requests."""
    params = SamplingParams(temperature, top_k=0, top_p=0.9, seed=11)
    prompt, others = long_prompt(17), [long_prompt(5 + i, 3 * i) for i in range(3)]
    expected = alone(single, [prompt], 16, params)[0]
    assert expected == alone(single, [prompt], 16, params)[0]
    assert expected != alone(single, [prompt], 16, dataclasses.replace(params, seed=12))[0]
    drawn = SamplingParams(1.0)
    assert batch.generate([prompt, *others], 16, [params, drawn, GREEDY, drawn])[0].tokens == expected
    assert batch.generate([*others, prompt], 16, [GREEDY, GREEDY, GREEDY, params])[3].tokens == expected
    # a slot that others used before
    assert batch.generate([*others, *others, prompt], 16, [drawn] * 6 + [params])[6].tokens == expected


def test_no_seed_means_another_text_each_time(single):
    params, prompt = SamplingParams(temperature=1.5), long_prompt(9)
    assert len({tuple(alone(single, [prompt], 16, params)[0]) for _ in range(4)}) == 4


# --- the cache -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("block_size, dtype", [(32, ttnn.bfloat16), (64, ttnn.bfloat8_b)], ids=["bf16", "bfp8"])
def test_paged_equals_contiguous(open_device, dtype, block_size):
    """Shuffled blocks in a small pool give the same tokens as a contiguous cache. Requests grow over several blocks."""
    prompts = [long_prompt(n, n) for n in (1, 31, 32, 33, 63, 64, 65, 70)]
    options = {"max_batch": 4, "max_seq_len": CONTEXT, "cache_dtype": dtype}
    contiguous = PagedAttentionConfig.contiguous(4, CONTEXT, block_size)
    with shipped.load_short(open_device, paging=contiguous, **options) as model:
        assert model.pool.contiguous
        expected = tokens_of(model.generate(prompts, 40))
    paging = PagedAttentionConfig(block_size, 16 * 32 // block_size)
    with shipped.load_short(open_device, paging=paging, **options) as model:
        assert not model.pool.contiguous
        shuffle(model)
        assert tokens_of(model.generate(prompts, 40)) == expected
        assert model.pool.free_blocks == paging.max_num_blocks


def test_blocks_are_taken_as_the_text_grows_and_returned_at_its_end(batch):
    free: list[int] = []
    completion = batch.generate([long_prompt(30)], 40, stream=lambda n, _: free.append(batch.pool.free_blocks))[0]
    assert len(completion.tokens) == 40
    # positions 0 to 68 are written: one block at first, then two, then three; the last text is shown after the end
    assert free[0] == 11 and free[-2:] == [9, 12] and set(free[:-1]) == {11, 10, 9}
    assert batch.pool.free_blocks == 12


def test_a_request_without_room_is_preempted_and_loses_nothing(open_device, single):
    """The pool has 4 blocks. Two requests of one block each grow to three blocks, for which there is no room."""
    prompts, params = [long_prompt(20), long_prompt(24, 7)], [SEEDED, dataclasses.replace(SEEDED, seed=8)]
    paging = PagedAttentionConfig(block_size=32, max_num_blocks=4)
    with shipped.load_short(open_device, max_batch=2, max_seq_len=CONTEXT, paging=paging) as model:
        completions = model.generate(prompts, 48, params)
        assert model.engine.metrics.preemptions == 1 and model.engine.metrics.replayed_tokens > 30
    assert [c.finish_reason for c in completions] == ["length"] * 2
    assert tokens_of(completions) == [alone(single, [p], 48, s)[0] for p, s in zip(prompts, params)]


def test_prompts_that_begin_alike_share_blocks(batch, single):
    """Prompts that begin alike use the same blocks and give the same tokens as alone.

    The blocks remain intact when the first request that used them ends.
    """
    beginning = long_prompt(70, 40)
    prompts = [beginning + long_prompt(n, 5 * n) for n in (3, 9, 20)]
    batch.pool.forget()
    first = batch.generate(prompts[:1], 6)
    others = batch.generate(prompts[1:], 6, [GREEDY, SEEDED])
    assert [c.shared_tokens for c in first + others] == [0, 64, 64]
    assert tokens_of(first + others) == alone(single, prompts[:2], 6) + alone(single, prompts[2:], 6, SEEDED)


def test_a_prompt_waits_for_room(batch, single):
    """There are free slots but no free blocks. The third prompt waits until the first two end."""
    prompts = [long_prompt(150), long_prompt(140, 3), long_prompt(100, 9)]
    completions = batch.generate(prompts, 4)
    assert [c.finish_reason for c in completions] == ["length"] * 3
    assert tokens_of(completions) == alone(single, prompts, 4)
    assert completions[2].ttft_s > max(c.ttft_s for c in completions[:2])


def test_a_prompt_that_no_pool_can_hold(open_device):
    paging = PagedAttentionConfig(block_size=32, max_num_blocks=3)
    with shipped.load_short(open_device, max_batch=2, max_seq_len=CONTEXT, paging=paging) as model:
        first, second = model.generate([long_prompt(120), long_prompt(10)], 4)
        assert first.finish_reason == "error" and not first.tokens
        assert "more than the 96 positions of the KV cache's 3 blocks" in first.error
        assert second.finish_reason == "length" and len(second.tokens) == 4
        assert model.pool.free_blocks == 3


def test_the_end_of_the_context(batch, single):
    """A text may grow to the last position of the context. The other request continues."""
    near, other = long_prompt(CONTEXT - 5), long_prompt(10)
    completions = batch.generate([near, other], 30)
    assert completions[0].finish_reason == "length" and f"context of {CONTEXT} tokens is full" in completions[0].error
    # the prompt leaves 5 positions; the token after the last one is known but not written
    assert len(completions[0].tokens) == 6
    assert completions[1].error is None and tokens_of(completions[1:]) == alone(single, [other], 30)
    full = single.generate([long_prompt(CONTEXT)], 30)[0]
    assert len(full.tokens) == 1 and "is full" in full.error
    assert tokens_of(single.generate([near], 6)) == tokens_of(completions[:1])


def test_prompts_that_cannot_be_run_do_not_stop_the_others(batch, single):
    good = [long_prompt(10), long_prompt(12, 4)]
    vocabulary = shipped.config().vocab_size
    bad = [[], long_prompt(CONTEXT + 1), [5, vocabulary], [5, -1]]
    completions = batch.generate([good[0], *bad, good[1]], 6)
    assert tokens_of([completions[0], completions[-1]]) == alone(single, good, 6)
    messages = [
        "the prompt is empty",
        f"the prompt has {CONTEXT + 1} tokens, more than the context of {CONTEXT}",
        f"token {vocabulary} is outside the vocabulary of {vocabulary}",
        "token -1 is outside the vocabulary",
    ]
    for completion, message in zip(completions[1:-1], messages):
        assert completion.finish_reason == "error" and message in completion.error
        assert not completion.tokens and completion.text == ""


@pytest.mark.parametrize("sampling", [GREEDY, SEEDED], ids=["greedy", "drawn"])
def test_logits_that_are_nan_end_their_request_and_no_other(open_device, monkeypatch, sampling):
    """The logits of one user are NaN from the third decode step on. Its text ends there with a reason.

    The other text does not change. A step still downloads four bytes a user.
    """
    prompts = [long_prompt(20), long_prompt(9, 5)]
    with shipped.load_short(open_device, max_batch=2, max_seq_len=64, enable_trace=False) as model:
        expected = tokens_of(model.generate(prompts, 8, sampling))
        nan = torch.tensor([0.0, math.nan])[None, None, :, None]
        poison = ttnn.from_torch(nan, dtype=model.config.activations, layout=ttnn.TILE_LAYOUT, device=open_device)
        forward, calls = model.generator.model.forward_decode, []

        def poisoned(*args):
            calls.append(1)
            return forward(*args) if len(calls) < 3 else ttnn.add(forward(*args), poison)

        with monkeypatch.context() as patch:
            patch.setattr(model.generator.model, "forward_decode", poisoned)
            good, bad = model.generate(prompts, 8, sampling)
        assert good.tokens == expected[0] and good.error is None
        assert bad.finish_reason == "error" and bad.error == "the logits that follow 12 tokens are NaN or infinite"
        assert bad.tokens == expected[1][:3]
        assert {step.downloaded_bytes for step in model.steps} == {8}
        assert tokens_of(model.generate(prompts, 8, sampling)) == expected


@pytest.mark.parametrize("chunk", [32, pytest.param(64, marks=pytest.mark.slow)])
def test_prefill_in_chunks(single, monkeypatch, chunk):
    """A prefill in chunks gives the same tokens as in one pass: later chunks read the prompt's keys and values."""
    prompts = [long_prompt(n) for n in (chunk - 1, chunk, chunk + 1, 100, 128, 150)]
    expected = alone(single, prompts, 8)
    passes: list[int] = []
    forward = single.generator.model.forward_prefill

    def counted(tokens, cache, page_table, blocks, start, last):
        passes.append(start)
        return forward(tokens, cache, page_table, blocks, start, last)

    monkeypatch.setattr(single.config, "prefill_chunk", chunk)
    monkeypatch.setattr(single.generator.model, "forward_prefill", counted)
    assert alone(single, prompts, 8) == expected
    assert passes == [start for prompt in prompts for start in range(0, len(prompt), chunk)]


def test_a_chunk_begins_with_a_block(open_device, monkeypatch):
    """A prefill chunk is never smaller than a cache block. Rows that do not fill a block are a pass of their own."""
    prompts = [long_prompt(n) for n in (63, 65, 100)]
    paging = PagedAttentionConfig(block_size=64, max_num_blocks=3)
    with shipped.load_short(open_device, max_batch=1, max_seq_len=CONTEXT, paging=paging) as model:
        expected = tokens_of(model.generate(prompts, 8))
        assert model.generator.prefill.passes(0, 64 + 32) == [(0, 64), (64, 96)]
        assert model.generator.prefill.passes(0, 64 + 33) == [(0, 97)]  # 33 tokens take two tiles, a whole block
        monkeypatch.setattr(model.config, "prefill_chunk", 32)
        assert model.generator.prefill.passes(0, 100) == [(0, 64), (64, 100)]
        assert tokens_of(model.generate(prompts, 8)) == expected


# --- how a text ends -------------------------------------------------------------------------------------------------


def test_any_end_token_stops(single, monkeypatch):
    """Each of several end tokens ends the text. The end token is neither in the tokens nor in the text.

    The first token may be an end token too.
    """
    prompt = long_prompt(25)
    full = alone(single, [prompt], 16)[0]
    for place in (0, 4, 9):
        others = tuple({0, 1, 2} - set(full))
        monkeypatch.setattr(single.engine.answers, "ends", (*others, full[place]))
        completion = single.generate([prompt], 16)[0]
        assert completion.finish_reason == "stop" and completion.error is None
        assert completion.tokens == full[: full.index(full[place])]


def test_stop_strings(single):
    """The text ends before a stop string, wherever token boundaries are, and no part of the stop string is shown."""
    prompt = long_prompt(25)
    full = single.generate([prompt], 30)[0]
    pieces = [shipped.tokenizer().decode(full.tokens[:n]) for n in range(31)]
    for begin, end in ((3, 6), (10, 11), (14, 20)):
        # from the middle of one token to the middle of another
        first, last = len(pieces[begin]) + 1, len(pieces[end]) + 1
        stop = full.text[first:last]
        expected = full.text[: full.text.find(stop)]
        shown: list[str] = []
        completion = single.generate([prompt], 30, stop=["no such text", stop], stream=collector(shown))[0]
        assert completion.finish_reason == "stop"
        assert completion.text == expected == "".join(shown)
        assert len(completion.tokens) < 30
    unmet: list[str] = []
    completion = single.generate([prompt], 30, stop=[full.text[-3:] + "~"], stream=collector(unmet))[0]
    assert completion.finish_reason == "length" and completion.text == full.text == "".join(unmet)


def test_length(single):
    for count in (1, 2, 5):
        completion = single.generate([long_prompt(6)], count)[0]
        assert (len(completion.tokens), completion.finish_reason, completion.error) == (count, "length", None)
        assert completion.prompt_tokens == 6


# --- streaming -------------------------------------------------------------------------------------------------------


class Bytes:
    """A tokenizer whose tokens are bytes."""

    def decode(self, tokens: list[int], skip_special_tokens: bool) -> str:
        return bytes(tokens).decode(errors="replace")


@pytest.mark.parametrize("text", ["plain", "naïve", "北京 and ελληνικά", "🙂👍🏽 ends", "a\ufffdb"])
def test_no_half_character_is_shown(text):
    """The text comes byte by byte. The shown text is always a prefix of the text, and all of it in the end."""
    stream, shown = TextStream(Bytes()), ""
    for byte in text.encode():
        shown += stream.add(byte)
        assert text.startswith(shown)
    assert len(text) - len(shown) <= text.endswith("\ufffd")
    assert shown + stream.finish() == stream.text == text


def test_an_unfinished_character_is_shown_at_the_end_only():
    stream = TextStream(Bytes())
    shown = "".join(stream.add(byte) for byte in "ab北".encode()[:-1])
    assert shown == "ab"
    assert stream.finish() == "\ufffd" and stream.text == "ab\ufffd"


def test_bytes_that_are_no_character_are_shown_once_that_is_certain():
    stream = TextStream(Bytes())
    assert [stream.add(byte) for byte in b"a\xe5x"] == ["a", "", "\ufffdx"]


@pytest.mark.parametrize(
    ("text", "stops", "expected"),
    [
        ("one two three", (" two",), "one"),
        ("one twoo three", (" two three",), "one twoo three"),
        ("aaab", ("aab",), "a"),
        ("say 北京 now", ("京 n",), "say 北"),
        ("the end", ("end",), "the "),
        ("first second", ("second", "st s"), "fir"),
        ("stop at once", ("s",), ""),
        ("never", ("never more",), "never"),
    ],
)
def test_a_stop_string_is_held_back_until_it_is_none(text, stops, expected):
    stream, shown = TextStream(Bytes(), stops), ""
    for byte in text.encode():
        shown += stream.add(byte)
        assert expected.startswith(shown)
        if stream.stopped:
            break
    assert stream.stopped == (expected != text)
    assert shown + stream.finish() == stream.text == expected


class Counting:
    """The shipped tokenizer. It counts the tokens that it decodes."""

    def __init__(self) -> None:
        self.tokenizer, self.decoded = shipped.tokenizer(), 0

    def decode(self, tokens: list[int], skip_special_tokens: bool) -> str:
        self.decoded += len(tokens)
        return self.tokenizer.decode(tokens, skip_special_tokens=skip_special_tokens)


def half_characters() -> list[int]:
    """The tokens of the shipped tokenizer that are no whole character, and its special tokens."""
    tokenizer = shipped.tokenizer()
    return [t for t in range(len(tokenizer)) if tokenizer.decode([t], skip_special_tokens=True) in ("\ufffd", "")]


def any_token() -> st.SearchStrategy[int]:
    return st.integers(0, len(shipped.tokenizer()) - 1) | st.sampled_from(half_characters())


@settings(max_examples=150, deadline=None, derandomize=True)
@given(tokens=st.lists(any_token(), max_size=70) | st.text(max_size=40).map(shipped.tokenizer().encode))
def test_streamed_text_is_the_decoding_of_all_tokens(tokens):
    """The streamed text equals the decoding of all tokens, after each token. No token costs more than a few windows."""
    tokenizer, shown = Counting(), ""
    stream = TextStream(tokenizer)
    for count in range(1, len(tokens) + 1):
        before = tokenizer.decoded
        shown += stream.add(tokens[count - 1])
        whole = shipped.tokenizer().decode(tokens[:count], skip_special_tokens=True)
        assert stream.text == whole and whole.startswith(shown)
        assert tokenizer.decoded - before <= 100
    assert shown + stream.finish() == stream.text


@pytest.mark.parametrize("kind", ["text", "one byte", "special", "special inside a character", "drawn"])
def test_the_tokens_decoded_for_a_token_do_not_grow_with_the_text(kind):
    """Over 2000 tokens: no more in the last thousand than in the first, and below 30 for a token."""
    generator, count = random.Random(3), 2000
    half, *rest = shipped.tokenizer().encode("北", add_special_tokens=False)
    assert rest, "the test wants a character of several tokens"
    tokens = {
        "text": (shipped.tokenizer().encode("北京 and ελληνικά, 🙂👍🏽. ") * count)[:count],
        "one byte": [half] * count,
        "special": [0] * count,
        "special inside a character": ([half] + [0] * 40 + rest) * (count // (41 + len(rest))),
        "drawn": [generator.randrange(len(shipped.tokenizer())) for _ in range(count)],
    }[kind]
    tokenizer, counts = Counting(), []
    stream = TextStream(tokenizer)
    for token in tokens:
        before = tokenizer.decoded
        stream.add(token)
        counts.append(tokenizer.decoded - before)
    first, last = sum(counts[: len(counts) // 2]), sum(counts[len(counts) // 2 :])
    assert last <= 1.1 * first + 100 and last / (count // 2) < 30, (first, last)
    assert stream.text == shipped.tokenizer().decode(tokens, skip_special_tokens=True)


def test_a_stop_string_across_settled_text():
    """A stop string longer than the window is found, and until then nothing of it is shown."""
    begin, stop = "once upon a time ", "the end of a very long and winding story"
    stream, shown = TextStream(Bytes(), (stop,)), ""
    for byte in f"{begin}{stop[:-1]}, {begin}{stop} and more".encode():
        shown += stream.add(byte)
        if stream.stopped:
            break
    assert shown + stream.finish() == stream.text == f"{begin}{stop[:-1]}, {begin}"


def test_what_is_streamed_is_the_text(batch):
    """The streamed text of every request is its text. A high temperature makes bytes of rare characters occur too."""
    prompts = [long_prompt(4 + i, i) for i in range(6)]
    shown = [""] * 6

    def show(number: int, text: str) -> None:
        assert text
        shown[number] += text

    completions = batch.generate(prompts, 30, SamplingParams(2.0, seed=3), stream=show)
    for text, completion in zip(shown, completions):
        assert text == completion.text == shipped.tokenizer().decode(completion.tokens, skip_special_tokens=True)


def test_text_prompts_and_token_prompts_are_the_same(single):
    text = shipped.texts(1)[0]
    by_text, by_tokens = single.generate([text], 8)[0], single.generate([shipped.prompts(1)[0]], 8)[0]
    assert by_text.tokens == by_tokens.tokens and by_text.text == by_tokens.text
    assert by_text.prompt_tokens == len(shipped.prompts(1)[0])
    assert single.generate([], 8) == []


def test_chat_goes_through_the_template(single):
    """Each special token of the template is one token, and there is one beginning of text."""
    messages = [
        {"role": "user", "content": "Tell me about Moses."},
        {"role": "assistant", "content": "He was a man."},
        {"role": "user", "content": "And Aaron?"},
    ]
    tokenizer = shipped.tokenizer()
    prompt = tokenizer.apply_chat_template(messages, add_generation_prompt=True, return_dict=False)
    assert prompt.count(tokenizer.bos_token_id) == 1 and prompt.count(2) == 3
    shown: list[str] = []
    answer = single.chat(messages, 12, stream=lambda number, text: shown.append(text))
    assert answer.prompt_tokens == len(prompt)
    assert answer.tokens == single.generate([prompt], 12)[0].tokens
    assert answer.text == "".join(shown)


# --- interruption ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("calls_before", [0, 5])
def test_ctrl_c_while_streaming(batch, single, calls_before):
    """Every running request keeps its text, and waiting requests have none. The model serves the next call as usual."""
    prompts = [long_prompt(5 + i, i) for i in range(6)]
    expected = alone(single, prompts, 12)
    calls = [0]

    def interrupt(number: int, text: str) -> None:
        calls[0] += 1
        if calls[0] > calls_before:
            raise KeyboardInterrupt

    completions = batch.generate(prompts, 12, stream=interrupt)
    assert {c.finish_reason for c in completions} == {"interrupted"}
    assert calls[0] == calls_before + 1, "the callback was called again"
    assert 0 < len(completions[0].tokens) < 12 and not completions[5].tokens
    for tokens, completion in zip(expected, completions):
        assert completion.tokens == tokens[: len(completion.tokens)]
        assert completion.text == shipped.tokenizer().decode(completion.tokens, skip_special_tokens=True)
    assert tokens_of(batch.generate(prompts, 12)) == expected


@pytest.mark.parametrize("place", ["first_token", "read_decode_output"])
def test_ctrl_c_inside_a_step(batch, single, monkeypatch, place):
    """A step is interrupted before the host knows its result. Later the same prompts give the same tokens."""
    prompts = [long_prompt(33), long_prompt(8, 5)]
    expected = alone(single, prompts, 6)
    function, calls = getattr(batch.generator, place), [0]

    def cut_short(*args, **kwargs):
        calls[0] += 1
        result = function(*args, **kwargs)
        if calls[0] == 2:
            raise KeyboardInterrupt
        return result

    with monkeypatch.context() as patch:
        patch.setattr(batch.generator, place, cut_short)
        completions = batch.generate(prompts, 6)
    assert {c.finish_reason for c in completions} == {"interrupted"}
    assert batch.pool.free_blocks == 12
    for tokens, completion in zip(expected, completions):
        assert completion.tokens == tokens[: len(completion.tokens)]
    assert tokens_of(batch.generate(prompts, 6)) == expected


def test_ctrl_c_at_the_very_first_step(single, monkeypatch):
    """The device ran the step, but the host was interrupted. The same prompt then gives the same tokens."""
    prompt = long_prompt(21)
    expected = alone(single, [prompt], 6)
    execute = ttnn.execute_trace

    def cut_short(*args, **kwargs):
        execute(*args, **kwargs)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(ttnn, "execute_trace", cut_short)
        assert single.generate([prompt], 6)[0].tokens == expected[0][:1]
    assert alone(single, [prompt], 6) == expected


@pytest.fixture
def pythons_handler():
    """Install Python's default handler of SIGINT, which a process that was started as a background job lacks."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def test_ctrl_c_waits_for_the_end_of_a_step(single, monkeypatch, pythons_handler):
    """A real signal comes in a step. The token of the step is kept, and the text ends there.

    A second signal interrupts the step at once.
    """
    prompt, read = long_prompt(9), single.generator.read_decode_output
    expected = alone(single, [prompt], 8)[0]
    for signals in (1, 2):

        def pressed(output, signals=signals):
            for _ in range(signals):
                signal.raise_signal(signal.SIGINT)
            return read(output)

        with monkeypatch.context() as patch:
            patch.setattr(single.generator, "read_decode_output", pressed)
            completion = single.generate([prompt], 8)[0]
        assert completion.finish_reason == "interrupted"
        assert completion.tokens == expected[: 3 - signals]
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    assert alone(single, [prompt], 8)[0] == expected


def test_ctrl_c_is_left_to_who_handles_it(single, pythons_handler):
    """A program's handler of SIGINT is called at once, and the text continues."""
    heard: list[int] = []
    signal.signal(signal.SIGINT, lambda number, frame: heard.append(number))
    completion = single.generate([long_prompt(9)], 4, stream=lambda *_: signal.raise_signal(signal.SIGINT))[0]
    assert completion.finish_reason == "length" and heard


def test_an_error_in_the_callback_reaches_the_caller(batch, single):
    prompts = [long_prompt(7), long_prompt(40)]
    with pytest.raises(ZeroDivisionError):
        batch.generate(prompts, 6, stream=lambda number, text: 1 / 0)
    assert tokens_of(batch.generate(prompts, 6)) == alone(single, prompts, 6)
