# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""Speculation over a device in little: every text is the one that comes without drafts, whatever ends it, and drafts
take nothing that another request needs."""

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from models.bitnet.tests.engine.test_engine import BLOCK, CONTEXT, check_books, expected, finish, make, text
from models.bitnet.tests.engine.toy import alone
from models.bitnet.tt.engine import speculation
from models.bitnet.tt.engine.engine import Engine
from models.bitnet.tt.engine.request import Request
from models.bitnet.tt.generation.sampling import GREEDY, SamplingParams

SEEDED = SamplingParams(1.0, seed=5)
# a text that the device in little has written: it repeats itself, and goes on so
REPEATING = (*text(5), *alone(text(5), CONTEXT, GREEDY, CONTEXT, ()))
every_sampling = pytest.mark.parametrize("sampling", [GREEDY, SEEDED], ids=["greedy", "drawn"])


def speculating(speculate: int = 4, users: int = 1, blocks: int = 9, **options) -> Engine:
    """An engine whose step has a row for each draft beside those of its requests."""
    return make(users, blocks, more_rows=speculate, speculate=speculate, **options)


def steps_of(engine: Engine) -> list[tuple[int, int, int]]:
    """The tokens, drafts and accepted drafts of each step until nothing is left."""
    steps = []
    while engine.busy:
        engine.step()
        check_books(engine)
        if engine.last_step is not None:
            steps.append((engine.last_step.tokens, engine.last_step.drafted, engine.last_step.accepted))
    return steps


@contextmanager
def every_draft_pays() -> Iterator[None]:
    """Rows and uploads cost nothing, so that a step verifies all drafts that there are."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(speculation, "_POSITION_COST", 0.0)
        patch.setattr(speculation, "_UPLOAD_COST", 0.0)
        yield


@settings(max_examples=200)
@given(
    beginning=st.integers(0, 500),
    length=st.integers(1, CONTEXT),
    count=st.integers(1, 150),
    seed=st.none() | st.integers(0, 99),
    speculate=st.integers(0, 31),
    contiguous=st.booleans(),
    is_eager=st.booleans(),
)
def test_a_text_is_that_without_drafts(beginning, length, count, seed, speculate, contiguous, is_eager):
    """Any prompt, any number of drafts, up to the end of the context."""
    engine = speculating(speculate, blocks=7 if contiguous else 6)
    sampling = GREEDY if seed is None else SamplingParams(1.0, seed=seed)
    request = Request(text(min(length, engine.scheduler.context), beginning), count, sampling)
    number = engine.add(request)
    with every_draft_pays() if is_eager else nullcontext():
        completion = finish(engine)[number]
    assert completion.tokens == expected(engine, request)
    assert completion.finish_reason == "length"


@every_sampling
def test_accepted_drafts_are_tokens_of_fewer_steps(sampling):
    """A step gives one token more for each accepted draft, and the counters say so."""
    engine = speculating()
    number = engine.add(Request(REPEATING[:60], 120, sampling))
    job = engine.answers.jobs[number]
    steps = steps_of(engine)
    assert all(tokens == 1 + accepted <= 1 + drafted <= 5 for tokens, drafted, accepted in steps)
    assert sum(tokens for tokens, _, _ in steps) == len(job.completion.tokens) - 1 == 119
    assert engine.metrics.drafted_tokens == sum(drafted for _, drafted, _ in steps)
    assert engine.metrics.accepted_tokens == sum(accepted for _, _, accepted in steps) == 119 - len(steps)
    assert engine.metrics.generated_tokens == 120 and engine.metrics.replayed_tokens == 0
    if sampling is GREEDY:
        assert len(steps) < 90, "hardly any draft was right"


@every_sampling
@pytest.mark.parametrize("distance", range(6))
def test_drafts_around_the_edge_of_a_block(sampling, distance):
    prompt = REPEATING[: 2 * BLOCK - distance]
    engine = speculating()
    request = Request(prompt, 20, sampling)
    number = engine.add(request)
    with every_draft_pays():
        completion = finish(engine)[number]
    assert completion.tokens == expected(engine, request) and engine.metrics.drafted_tokens > 4


def written_positions(engine: Engine) -> list[int]:
    """A list that grows by the positions that each step writes, of drafts too."""
    positions, run_step = [], engine.generator.run_step

    def noted(table):
        positions.extend(engine.generator.positions.tolist())
        return run_step(table)

    engine.generator.run_step = noted
    return positions


@pytest.mark.parametrize("left", range(1, 8))
def test_the_end_of_the_context(left):
    """No draft lies past the last position, and the text ends with the same tokens."""
    engine = speculating()
    request = Request(REPEATING[: CONTEXT - left], 50)
    number, positions = engine.add(request), written_positions(engine)
    with every_draft_pays():
        completion = finish(engine)[number]
    assert completion.tokens == expected(engine, request) and len(completion.tokens) == left + 1
    assert completion.finish_reason == "length" and "is full" in completion.error
    assert max(positions) == CONTEXT - 1
    assert (engine.metrics.drafted_tokens > 0) == (left > 1)


@pytest.mark.parametrize("count", range(2, 8))
def test_no_draft_lies_behind_the_end_of_the_answer(count):
    """The last token of an answer is written into no position. The token before it is the last that is."""
    engine = speculating()
    engine.add(Request(REPEATING[:60], count))
    positions = written_positions(engine)
    with every_draft_pays():
        finish(engine)
    assert max(positions) == 60 + count - 2


def accepted_run(engine: Engine, request: Request) -> tuple[int, int]:
    """The first and the last place, among a request's tokens, of a step in which three or more drafts were right."""
    engine.add(request)
    (job,) = engine.answers.jobs.values()
    found = None
    while engine.busy:
        before = len(job.completion.tokens)
        engine.step()
        if found is None and engine.last_step is not None and engine.last_step.accepted >= 3:
            found = before, len(job.completion.tokens) - 1
    return found


@pytest.mark.parametrize("place", [0, 1, 2])
@pytest.mark.parametrize("how", ["stop string", "end token", "length"])
def test_a_text_that_ends_inside_an_accepted_run(how, place):
    """What the step chose behind the end is dropped."""
    prompt = text(40)
    tokens = alone(list(prompt), 120, GREEDY, CONTEXT, ())
    first, last = accepted_run(speculating(), Request(prompt, 120))
    end = first + place
    assert end < last
    engine = speculating(ends=(tokens[end],) if how == "end token" else ())
    stop = (" ".join(map(str, tokens[end - 3 : end + 1])) + " ",) if how == "stop string" else ()
    number = engine.add(Request(prompt, end + 1 if how == "length" else 120, stop=stop))
    completion = finish(engine)[number]
    assert completion.finish_reason == ("length" if how == "length" else "stop")
    if how == "end token":
        assert completion.tokens == tokens[: tokens.index(tokens[end])]
    elif how == "length":
        assert completion.tokens == tokens[: end + 1]
    else:
        shown = "".join(f"{token} " for token in tokens)
        assert completion.text == shown[: shown.find(stop[0])]
    check_books(engine)
    assert engine.pool.free_blocks == engine.pool.blocks or engine.pool.contiguous


def test_an_abort_between_verified_steps():
    engine = speculating(users=2, blocks=12)
    requests = [Request(text(40, place), 60) for place in range(3)]
    numbers = [engine.add(request) for request in requests[:2]]
    while not engine.metrics.accepted_tokens:
        engine.step()
    written = len(engine.answers.jobs[numbers[0]].completion.tokens)
    assert engine.abort(numbers[0])
    numbers.append(engine.add(requests[2]))
    completions = finish(engine)
    assert completions[numbers[0]].tokens == expected(engine, requests[0])[:written]
    for place in (1, 2):
        assert completions[numbers[place]].tokens == expected(engine, requests[place])


@pytest.mark.parametrize("place", range(3))
def test_logits_that_are_nan_in_a_row_of_a_draft(place):
    """The text ends with the token before, as without drafts."""
    prompt = text(40)
    first, _ = accepted_run(speculating(), Request(prompt, 120))
    wrong, tokens = first + place, alone(list(prompt), 120, GREEDY, CONTEXT, ())
    engine = speculating()
    number = engine.add(Request(prompt, 120))
    logits = engine.generator.logits
    engine.generator.logits = lambda blocks, length: [] if length == 40 + wrong else logits(blocks, length)
    completion = finish(engine)[number]
    assert completion.finish_reason == "error" and "NaN" in completion.error
    assert completion.tokens == tokens[:wrong]


# --- what drafts may take --------------------------------------------------------------------------------------------


def test_a_request_that_comes_takes_a_row_from_the_drafts():
    """All rows are requests' rows here. A new request gets one in the step in which its prompt is computed."""
    engine = make(users=3, blocks=21, speculate=2)
    requests = [Request(REPEATING[:60], 60), Request(text(20), 30), Request(text(20, 9), 30)]
    numbers = [engine.add(requests[0])]
    while not engine.metrics.accepted_tokens:
        engine.step()
    numbers += [engine.add(request) for request in requests[1:]]
    engine.step()
    assert engine.last_step.users == 3 and engine.last_step.drafted == 0
    completions = finish(engine)
    assert [completions[n].tokens for n in numbers] == [expected(engine, request) for request in requests]


def test_drafts_preempt_nobody():
    """Two requests fill the pool. Their drafts stay in their own blocks until a block is free for each."""
    requests = [Request(REPEATING[:length], 24) for length in (34, 60)]

    def preemptions(speculate: int, blocks: int) -> int:
        engine = make(users=2, blocks=blocks, more_rows=4, speculate=speculate)
        numbers = [engine.add(request) for request in requests]
        completions = finish(engine)
        assert [completions[n].tokens for n in numbers] == [expected(engine, request) for request in requests]
        return engine.metrics.preemptions

    for blocks in range(4, 8):
        assert preemptions(4, blocks) <= preemptions(0, blocks)


def test_blocks_for_drafts_leave_one_to_each_running_request():
    engine = make(users=2, blocks=5, more_rows=4, speculate=4)
    for _ in range(2):
        engine.add(Request(text(20), 5))
    engine.scheduler.admit()
    first, _ = engine.scheduler.running
    first.computed = 30  # the next position is the last of its block
    assert engine.pool.free_blocks == 3
    assert engine.scheduler.extend(first, 4) == 4 and engine.pool.free_blocks == 2
    first.computed = 62
    assert engine.scheduler.extend(first, 4) == 1, "two blocks are free, and two requests run"
    first.computed = 63
    assert engine.scheduler.extend(first, 4) == 0
    engine.add(Request(text(20), 5))
    first.computed = 20
    assert engine.scheduler.extend(first, 4) == 4, "the block is its own already"


def test_drafts_are_not_learned_as_prompts():
    """Prompts that begin alike share the blocks of a prompt, and none that a draft was written into."""
    engine = speculating(users=2, blocks=12)
    prompt = REPEATING[:70]
    first = Request(prompt, 80)
    number = engine.add(first)
    answer = finish(engine)[number].tokens
    assert engine.metrics.drafted_tokens > engine.metrics.accepted_tokens > 0
    assert len(engine.pool._known) == 70 // BLOCK
    second = Request((*prompt, *answer), 20)
    number = engine.add(second)
    completion = finish(engine)[number]
    assert completion.shared_tokens == 70 // BLOCK * BLOCK
    assert completion.tokens == expected(engine, second)


@every_sampling
def test_a_preempted_request_decodes_several_known_tokens_a_step(sampling):
    engine = make(users=2, blocks=5, more_rows=4, speculate=4)
    requests = [Request(text(30, place), 60, sampling) for place in range(2)]
    numbers = [engine.add(request) for request in requests]
    completions, most = {}, 0
    while engine.busy:
        replayed = engine.metrics.replayed_tokens
        completions |= {event.id: event.completion for event in engine.step() if event.completion is not None}
        most = max(most, engine.metrics.replayed_tokens - replayed)
    assert engine.metrics.preemptions and most == 5
    assert [completions[n].tokens for n in numbers] == [expected(engine, request) for request in requests]
    assert engine.metrics.accepted_tokens <= engine.metrics.drafted_tokens


def test_where_nothing_matches_the_plain_steps_run_ahead():
    """A text without repetitions is decoded as without speculation: every step but the first is submitted ahead."""
    prompt = tuple(range(40))
    plain, engine = make(users=1), speculating()
    texts = []
    for each in (plain, engine):
        each.generator.logits = lambda blocks, length: [length]  # each token depends on the position alone
        number = each.add(Request(prompt, 12))
        texts.append(finish(each)[number].tokens)
    assert texts[0] == texts[1] and len(set(texts[0])) > 8
    assert engine.metrics.drafted_tokens == 0
    assert engine.generator.steps_ahead == plain.generator.steps_ahead == 10


def test_a_request_with_penalties_does_not_speculate():
    engine = speculating(users=2, blocks=12)
    penalised, plain = Request(REPEATING[:60], 30, SamplingParams(frequency_penalty=0.5)), Request(REPEATING[:60], 30)
    engine.add(penalised)
    finish(engine)
    assert engine.metrics.drafted_tokens == 0
    numbers = [engine.add(penalised), engine.add(plain)]
    completions = finish(engine)
    assert engine.metrics.drafted_tokens > 0
    assert [completions[n].tokens for n in numbers] == [expected(engine, request) for request in (penalised, plain)]


def test_rows_of_drafts_have_their_requests_blocks():
    """Idle rows may have any blocks. The table has a row for each row of the step."""
    engine = speculating(users=2, blocks=12)
    engine.add(Request(tuple(range(20)), 80))
    engine.add(Request(REPEATING[:60], 40))
    tables = []
    forward = engine.generator.decode_forward

    def noted(tokens, positions, table, **more):
        tables.append((positions.clone(), table.clone()))
        return forward(tokens, positions, table, **more)

    engine.generator.decode_forward = noted
    while not engine.metrics.drafted_tokens:
        engine.step()
    positions, table = tables[-1]
    assert table.shape == (6, 7)
    of_second = [row for row in range(6) if row != 0 and positions[row] >= 0]
    assert positions[0] >= 20 and len(of_second) > 1 and all(torch.equal(table[row], table[1]) for row in of_second)
    assert sorted(positions[of_second].tolist()) == list(range(positions[1], positions[1] + len(of_second)))
