# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""The shipped model gives the same tokens with drafts as without, bit for bit, with a step of the same rows.

A verified step is an ordinary decode step: several of its rows belong to one text.
"""

from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import ttnn
from models.bitnet.perf.programs import capture
from models.bitnet.tests import shipped
from models.bitnet.tt.bitnet import BitNet
from models.bitnet.tt.engine import speculation
from models.bitnet.tt.engine.speculation import Speculation
from models.bitnet.tt.generation.decode_inputs import IDLE
from models.bitnet.tt.generation.sampling import GREEDY, NO_DRAWS, Draws, SamplingParams
from models.bitnet.tt.kv_cache import PagedAttentionConfig

CONTEXT, ROWS = 160, 5
SEEDED = SamplingParams(temperature=0.7, top_p=0.9, seed=7)
every_sampling = pytest.mark.parametrize("sampling", [GREEDY, SEEDED], ids=["greedy", "drawn"])


@pytest.fixture(scope="module")
def model(open_device):
    """A model for two requests at a time, whose step has five rows."""
    paging = PagedAttentionConfig(block_size=32, max_num_blocks=9)
    with shipped.load_short(open_device, max_batch=2, max_seq_len=CONTEXT, rows=ROWS, paging=paging) as loaded:
        yield loaded


@pytest.fixture(scope="module", autouse=True)
def every_draft_pays():
    """Rows and uploads cost nothing in these tests, so that a step verifies all drafts that there are."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(speculation, "_POSITION_COST", 0.0)
        patch.setattr(speculation, "_UPLOAD_COST", 0.0)
        yield


def set_drafts(model: BitNet, most: int) -> None:
    model.engine.speculation = Speculation(most, ROWS, model.engine.scheduler.context)


def tokens_of(model: BitNet, most: int, prompts, count: int, sampling=GREEDY, **options) -> list[list[int]]:
    """The tokens of each prompt with up to `most` drafts a step. No prompt finds its beginning in the cache."""
    model.pool.forget()
    set_drafts(model, most)
    try:
        completions = model.generate(prompts, count, sampling, **options)
    finally:
        set_drafts(model, 0)
    assert not model.engine.busy and model.pool.free_blocks == model.pool.blocks
    return [completion.tokens for completion in completions]


def repeating(length: int, start: int = 0, period: int = 11) -> list[int]:
    """A prompt whose tokens come again and again."""
    piece = sum(shipped.prompts(), [])[start : start + period]
    return (piece * (length // period + 1))[:length]


def drafted(model: BitNet) -> tuple[int, int]:
    return sum(step.drafted for step in model.steps), sum(step.accepted for step in model.steps)


@every_sampling
def test_texts_are_those_without_drafts(model, sampling):
    """Two requests share the idle rows. Some drafts are right, and some are wrong."""
    prompts = [repeating(length, 3 * length) for length in (20, 33, 45, 60)]
    params = [replace(sampling, seed=7 + place) for place in range(4)] if sampling is SEEDED else sampling
    expected = tokens_of(model, 0, prompts, 24, params)
    assert drafted(model) == (0, 0)
    steps = len(model.steps)
    assert tokens_of(model, 4, prompts, 24, params) == expected
    all_drafts, accepted = drafted(model)
    assert 0 < accepted < all_drafts and len(model.steps) < steps
    assert sum(step.tokens for step in model.steps) == 4 * 23


def cases(examples: int):
    """A test of random prompts, drafts and blocks. One model runs all of them."""

    @settings(max_examples=examples)
    @given(
        lengths=st.lists(st.integers(1, CONTEXT), min_size=1, max_size=3),
        start=st.integers(0, 200),
        period=st.integers(2, 12),
        count=st.integers(2, 40),
        most=st.integers(1, 6),
        seed=st.none() | st.integers(0, 9),
    )
    def test(self, model, lengths, start, period, count, most, seed):
        prompts = [repeating(length, start + place, period) for place, length in enumerate(lengths)]
        sampling = GREEDY if seed is None else replace(SEEDED, seed=seed)
        assert tokens_of(model, most, prompts, count, sampling) == tokens_of(model, 0, prompts, count, sampling)

    return test


class TestSomePrompts:
    test_texts_are_those_without_drafts = cases(6)


@pytest.mark.slow
class TestHundredsOfPrompts:
    test_texts_are_those_without_drafts = cases(300)


def test_stop_strings(model):
    prompt = [repeating(40)]
    (tokens,) = tokens_of(model, 0, prompt, 40)
    text = shipped.tokenizer().decode(tokens)
    for place in range(8, 30, 7):
        stop = text[place : place + 4]
        for most in (0, 4):
            model.pool.forget()
            set_drafts(model, most)
            (completion,) = model.generate(prompt, 40, stop=[stop])
            assert completion.finish_reason == "stop" and completion.text == text[: text.find(stop)]
    set_drafts(model, 0)


def test_a_verified_step_costs_what_a_plain_one_does(model):
    """It is the same trace. Tokens, positions and the table of blocks are uploaded if they are new, and a token of each
    row is downloaded. Steps without drafts upload nothing in the steady state."""
    tokens_of(model, 4, [repeating(40)], 40)
    row, table = 4 * ROWS, 4 * ROWS * model.generator.inputs.page_table.shape[1]
    for before, step in zip(model.steps, model.steps[1:]):
        assert step.downloaded_bytes == row
        if step.drafted or before.drafted:
            assert step.uploaded_bytes in (0, row, 2 * row, row + table, 2 * row + table)
        else:
            assert step.uploaded_bytes in (0, table)
    uploads = [step.uploaded_bytes for step in model.steps if step.drafted]
    assert sorted(uploads)[len(uploads) // 2] <= 2 * row, "the table is uploaded only when it changes"
    tokens_of(model, 0, [repeating(40)], 20)
    assert [step.uploaded_bytes for step in model.steps].count(0) >= 17


def test_programs_and_reads_of_a_verified_step(model):
    """Rows of one text run the programs of rows of several texts, and each reads the keys that it attends to."""
    generator, positions = model.generator, torch.tensor([40, 41, 42, IDLE, IDLE])

    def programs(step_positions):
        table = torch.zeros(ROWS, model.pool.blocks_per_user, dtype=torch.int32)
        table[:3, :2] = torch.tensor([3, 5])
        step = lambda: generator.decode_forward(  # noqa: E731
            torch.arange(ROWS), step_positions, table, enable_trace=False, sampling_params=[GREEDY] * ROWS
        )
        step()
        return capture(step, step_positions.tolist())

    verified, plain = programs(positions), programs(torch.where(positions == 40, 40, IDLE))
    assert [program.key for program in verified] == [program.key for program in plain]
    reads = [sum(program.kv_read for program in each) for each in (plain, verified)]
    assert reads[1] == 3 * reads[0] > 0, "these three rows attend to as many tiles of keys"


def test_rows_of_one_text_are_steps_one_after_the_other(model):
    """A step with three rows of a text chooses, and leaves in the cache, what three steps of one row do: the same bits.

    The rows begin in one block and end in the next.
    """
    generator, prompt = model.generator, sum(shipped.prompts(), [])[:31]
    drafts = [11, 400, 77]
    params, seeded = [SEEDED] * ROWS, Draws.from_seed(SEEDED.seed)
    results = []
    for together in (False, True):
        shipped.prefill(model, {0: prompt})
        model.pool.reserve(0, 34)
        table = model.pool.page_table()[[0] * ROWS]
        chosen = []
        for rows in [[0, 1, 2]] if together else [[0], [1], [2]]:
            tokens, positions, draws = torch.zeros(ROWS), torch.full((ROWS,), IDLE), [NO_DRAWS] * ROWS
            # the rows of a text need not be neighbours, nor in order
            for row, place in zip((3, 0, 4), rows):
                tokens[row], positions[row], draws[row] = drafts[place], 31 + place, seeded.at(31 + place)
            step = generator.decode_forward(tokens, positions, table, sampling_params=params, draws=draws)
            chosen += [int(step[row]) for row, _ in zip((3, 0, 4), rows)]
        blocks = table[0, :2].long()
        cache = [ttnn.to_torch(pool)[blocks] for each in generator.cache for pool in (each.keys, each.values)]
        results.append((chosen, [blocks_of.transpose(0, 1).flatten(1, 2)[:, :34] for blocks_of in cache]))
        model.pool.release(0)
    (one_by_one, first), (at_once, second) = results
    assert one_by_one == at_once
    assert all(map(torch.equal, first, second))


# --- what is refused -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "options, message",
    [
        ({"speculate": -1}, "speculate is -1, must be between 0 and 31: a step has 32 rows"),
        ({"speculate": 32}, "speculate is 32, must be between 0 and 31: a step has 32 rows"),
        ({"speculate": 2, "precision": "accuracy"}, "speculate is 2, must be 0 in precision accuracy: .*"),
    ],
)
def test_drafts_that_cannot_be_verified(open_device, options, message):
    with pytest.raises(ValueError, match=f"^{message}$"):
        shipped.load(open_device, **options)


def test_the_rows_of_a_model_that_speculates(open_device):
    """A step has a row for a request and each of its drafts. The cache has room for the requests alone."""
    with shipped.load(open_device, speculate=2, max_seq_len=64) as model:
        assert model.config.users == 3 and model.pool.users == 1 and model.paging.max_num_blocks == 1
        expected = "max_batch is 4, must be between 1 and the 3 rows of a step"
        with pytest.raises(ValueError, match=expected):
            BitNet(model.config, shipped.state(), shipped.tokenizer(), max_batch=4)
