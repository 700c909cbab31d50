# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""The engine over a device in little: nobody loses a token, whoever comes, goes, waits or is preempted."""

import dataclasses
import gc
import math
import tracemalloc
from unittest.mock import Mock

import numpy
import pytest
import torch
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from models.bitnet.tests.engine.toy import VOCABULARY, ToyGenerator, Words, alone
from models.bitnet.tt.checks import shown
from models.bitnet.tt.engine.blocks import BlockPool
from models.bitnet.tt.engine.engine import Engine
from models.bitnet.tt.engine.request import Completion, Job, Request
from models.bitnet.tt.generation.sampling import GREEDY, Draws, SamplingParams
from models.bitnet.tt.kv_cache import PagedAttentionConfig

CONTEXT, BLOCK = 200, 32


def make(users: int = 3, blocks: int = 9, ends: tuple[int, ...] = (), more_rows: int = 0, **options) -> Engine:
    """An engine for `users` requests at a time. Its decode step has `more_rows` rows that no request has."""
    paging = PagedAttentionConfig(BLOCK, blocks)
    generator = ToyGenerator(users + more_rows, paging, CONTEXT, ends)
    return Engine(generator, BlockPool(paging, users, CONTEXT), Words(), **options)


def text(length: int, start: int = 0) -> tuple[int, ...]:
    return tuple((5 + 7 * i + i * i // 3) % VOCABULARY for i in range(start, start + length))


def expected(engine: Engine, request: Request) -> list[int]:
    ends = engine.generator.config.model.eos_token_ids
    return alone(list(request.prompt), request.max_new_tokens, request.sampling, engine.scheduler.context, ends)


def finish(engine: Engine) -> dict[int, Completion]:
    """Step until nothing is left."""
    completions = {}
    while engine.busy:
        for event in engine.step():
            if event.completion is not None:
                completions[event.id] = event.completion
    return completions


def check_books(engine: Engine) -> None:
    """No block lost, none in two places, shared ones counted, and nobody writes into a shared one."""
    running = {job.id for job in engine.scheduler.running}
    waiting = {job.id for job in engine.scheduler.waiting}
    assert running.isdisjoint(waiting) and running | waiting == set(engine.answers.jobs)
    pool = engine.pool
    held = [block for row in pool._owned for block in row]
    if pool.contiguous:
        assert len(set(held)) == len(held)
        return
    assert sorted({*held, *pool._free, *pool.kept}) == list(range(pool.blocks))
    assert len(set(held)) + len(pool._free) + len(pool.kept) == pool.blocks
    assert pool._owners == {block: held.count(block) for block in held}
    assert set(pool._known.values()) == set(pool._keys) and set(pool.kept) <= set(pool._keys)
    for job in engine.scheduler.running:
        blocks = pool._owned[job.slot]
        assert len(blocks) * BLOCK >= job.computed
        for block in blocks[job.computed // BLOCK :]:
            assert pool._owners[block] == 1, "a block that is still written to is shared"


# values that a field of a request does not take, and what the error says besides the field
WRONG = {
    "prompt": [None, 5, "text", b"text", {1: 2}, [None], [[1, 2]], [1.7, 2.2], [True], ["a"], torch.tensor([[1, 2]])],
    "max_new_tokens": [None, 2.5, "3", True, [4], 0, -(10**5000)],
    "sampling": [None, 0, "greedy", [GREEDY]],
    "stop": [None, 5, "text", b"text", [5], [None], ["good", ""], {"a"}],
    "priority": [None, 1.5, "high", False],
    "temperature": [None, "0.5", True, -1.0, math.nan, math.inf, 10**400, [1.0]],
    "top_k": [None, 1.5, "4", True, -1, 33, 10**5000],
    "top_p": [None, "1", True, 0.0, 1.5, math.nan],
    "seed": [1.5, "7", False, [1], 10**5000, -(10**5000)],
}
WRONG_CASES = [(field, value) for field, values in WRONG.items() for value in values]


def wrong_request(field: str, value: object) -> Request:
    """The attempt to make a request that is right but for one field."""
    if field in ("temperature", "top_k", "top_p", "seed"):
        return Request(text(9), 5, SamplingParams(**{"temperature": 1.0, field: value}))
    return Request(**{"prompt": text(9), "max_new_tokens": 5, field: value})


class Serving(RuleBasedStateMachine):
    """Requests come, go and step in any order, in pools of any size; some are malformed, some fail by themselves."""

    preemptions = steps_ahead = ignored_rows = drafted = accepted = 0  # in all runs
    failed_alone = {"prefill": 0, "draws": 0, "text": 0, "NaN": 0, "the device failed": 0}

    @initialize(
        users=st.integers(2, 5),
        blocks=st.integers(2, 10),
        budget=st.sampled_from([32, 64, 100]),
        more_rows=st.sampled_from([0, 2]),
        speculate=st.sampled_from([0, 1, 4]),
        lengths=st.lists(st.integers(1, 30), min_size=3, max_size=6),
    )
    def begin(self, users, blocks, budget, more_rows, speculate, lengths):
        self.engine = make(users, blocks, (3, 50), more_rows, prefill_budget=budget, speculate=speculate)
        self.requests: dict[int, Request] = {}
        self.spoiled: set[tuple[int, str]] = set()  # requests that fail by themselves, and where
        self.engine.generator.fail_for = self.fail_for
        self.engine.generator.is_nan = lambda blocks: (self.owner(blocks), "NaN") in self.spoiled
        for number, length in enumerate(lengths):  # they begin small, and grow until somebody has to go
            self.add(length, number, 150, number, 0)

    @rule(
        length=st.integers(1, 120),
        beginning=st.integers(0, 2),
        count=st.integers(1, 150),
        seed=st.none() | st.integers(0, 3),
        priority=st.integers(-1, 1),
    )
    def add(self, length, beginning, count, seed, priority):
        sampling = GREEDY if seed is None else SamplingParams(1.0, seed=seed)
        request = Request(text(length, beginning), count, sampling, priority=priority)
        self.requests[self.engine.add(request)] = request

    @rule(number=st.sampled_from(range(len(WRONG_CASES))))
    def add_wrong(self, number):
        """Nothing is left of it: neither a number nor a place in the queue."""
        case = WRONG_CASES[number]
        jobs, next_id = dict(self.engine.answers.jobs), self.engine._next_id
        with pytest.raises((TypeError, ValueError), match=case[0]):
            self.engine.add(wrong_request(*case))
        with pytest.raises(TypeError, match="must be a Request"):
            self.engine.add(case[1])
        assert self.engine.answers.jobs == jobs and self.engine._next_id == next_id

    @precondition(lambda self: self.engine.answers.jobs)
    @rule(data=st.data(), place=st.sampled_from(["prefill", "draws", "text", "NaN"]))
    def spoil(self, data, place):
        """Make this request fail by itself from now on, if it gets there."""
        running = [job.id for job in self.engine.scheduler.running]
        number = data.draw(st.sampled_from(running or sorted(self.engine.answers.jobs)))
        job = self.engine.answers.jobs[number]
        self.spoiled.add((number, place))

        def spoiled(*_):
            raise RuntimeError(f"{place} of {number} failed")

        if place == "draws":
            job.draws = spoiled
        elif place == "text":
            job.stream.add = spoiled

    def owner(self, blocks: torch.Tensor) -> int:
        """The number of the request that runs on these blocks."""
        running = self.engine.scheduler.running
        return next(job.id for job in running if torch.equal(self.engine.pool.row(job.slot), blocks))

    def fail_for(self, blocks: torch.Tensor) -> None:
        if (self.owner(blocks), "prefill") in self.spoiled:
            raise RuntimeError(f"prefill of {self.owner(blocks)} failed")

    @rule(times=st.integers(1, 12))
    def step(self, times):
        for _ in range(times):
            self.observe(self.engine.step())
            if self.engine._ahead is not None:
                Serving.ignored_rows += sum(job.slot is None for job in self.engine._ahead.jobs)

    @precondition(lambda self: self.requests)
    @rule(data=st.data())
    def abort(self, data):
        number = data.draw(st.sampled_from(sorted(self.requests)))
        lives = (
            number in self.engine.answers.jobs
        )  # else its last event came in a step that failed, and was not told yet
        assert self.engine.abort(number) == lives
        self.observe(self.engine.take_events())

    @precondition(lambda self: self.requests)
    @rule(calls=st.integers(0, 4), error=st.sampled_from([RuntimeError, KeyboardInterrupt]))
    def fail(self, calls, error):
        """One of the next calls into the device raises, be it after the device has done its work. An error in a pass
        over a prompt is that request's end; else, and whenever it is an interrupt, the step is made again."""
        left = [calls]

        def fail():
            left[0] -= 1
            if left[0] < 0:
                raise error("the device failed")

        self.engine.generator.fail = fail
        forgotten = self.engine.generator.forgotten
        try:
            events = self.engine.step()
        except error:
            assert self.engine.generator.forgotten == forgotten + 1
        else:
            errors = [event.completion.error for event in events if event.completion is not None]
            assert left[0] >= 0 or error is RuntimeError and "RuntimeError: the device failed" in errors
            self.observe(events)
        finally:
            self.engine.generator.fail = lambda: None

    def observe(self, events):
        for event in events:
            if event.completion is None:
                continue
            request, completion = self.requests.pop(event.id), event.completion
            wanted = expected(self.engine, request)
            if len(request.prompt) > self.engine.scheduler.context:
                assert completion.finish_reason == "error" and "blocks" in completion.error
            elif completion.finish_reason == "error":
                (reason,) = (reason for reason in self.failed_alone if reason in completion.error)
                assert reason == "the device failed" or (event.id, reason) in self.spoiled
                self.failed_alone[reason] += 1
                assert completion.tokens == wanted[: len(completion.tokens)]
            elif completion.finish_reason == "aborted":
                assert completion.tokens == wanted[: len(completion.tokens)]
            else:
                assert completion.finish_reason in ("stop", "length")
                assert completion.tokens == wanted

    @invariant()
    def books_are_right(self):
        if hasattr(self, "engine"):
            check_books(self.engine)

    def teardown(self):
        if hasattr(self, "engine"):
            for _ in range(5000):
                if not self.engine.busy:
                    break
                self.observe(self.engine.step())
            assert not self.requests, "a request was lost"
            Serving.preemptions += self.engine.metrics.preemptions
            Serving.steps_ahead += self.engine.generator.steps_ahead
            Serving.drafted += self.engine.metrics.drafted_tokens
            Serving.accepted += self.engine.metrics.accepted_tokens
            assert self.engine.pool.contiguous or self.engine.pool.free_blocks == self.engine.pool.blocks


def machine(examples: int) -> type:
    case = type("Case", (Serving,), {}).TestCase
    case.settings = settings(
        max_examples=examples,
        stateful_step_count=50,
        deadline=None,
        derandomize=True,
        phases=[Phase.generate, Phase.shrink],
        suppress_health_check=list(HealthCheck),
    )
    return case


class TestThousandSteps(machine(50)):
    @classmethod
    def tearDownClass(cls):
        assert Serving.preemptions > 5, "hardly anybody was preempted: the test shows nothing"
        assert Serving.steps_ahead > 100, "hardly any step was submitted ahead"
        assert 50 < Serving.accepted < Serving.drafted - 50, "hardly any draft was right, or hardly any was wrong"
        assert Serving.ignored_rows > 0, "no request ended in a step before one that was submitted ahead"
        assert min(Serving.failed_alone.values()) > 2, f"hardly anybody failed: {Serving.failed_alone}"


@pytest.mark.slow
class TestTenThousandSteps(machine(250)):
    pass


def test_the_youngest_is_preempted_and_goes_on_as_if_alone():
    engine = make(users=3, blocks=9)
    requests = [Request(text(60, i), 80, SamplingParams(1.0, seed=i) if i else GREEDY) for i in range(3)]
    numbers = [engine.add(request) for request in requests]
    completions = finish(engine)
    assert engine.metrics.preemptions and engine.metrics.replayed_tokens
    assert list(completions) == numbers, "an elder request waited for a younger one"
    for number, request in zip(numbers, requests):
        assert completions[number].tokens == expected(engine, request)


def test_priority_before_age():
    engine = make(users=1)
    first, second, third = (engine.add(Request(text(10, i), 2, priority=p)) for i, p in enumerate((0, 0, -1)))
    assert list(finish(engine)) == [third, first, second]


def test_admission_leaves_room_for_the_next_token():
    """A prompt that fills its blocks wholly is admitted with one more, or waits: else its first token would preempt it.

    The elder one wants its third block in the very step in which the newcomer would want its third.
    """
    engine = make(users=2, blocks=5)
    elder, newcomer = Request(text(60), 20), Request(text(2 * BLOCK, 9), 5)
    numbers = [engine.add(elder)]
    while engine.answers.jobs[numbers[0]].computed < 2 * BLOCK:
        engine.step()
    numbers.append(engine.add(newcomer))
    engine.scheduler.admit()
    assert [job.id for job in engine.scheduler.waiting] == numbers[1:], "3 blocks are free, and 3 + 1 are wanted"
    completions = finish(engine)
    assert engine.metrics.preemptions == 0
    assert [completions[number].tokens for number in numbers] == [expected(engine, r) for r in (elder, newcomer)]
    alone = make(users=2, blocks=5)
    alone.add(newcomer)
    alone.scheduler.admit()
    assert alone.pool.missing(0, 2 * BLOCK + 1) == 0


def test_the_gap_of_a_running_request_is_one_budget_of_prefill():
    """A prompt of 190 tokens comes while another request writes: in no step more than 64 of it are computed."""
    engine = make(users=2, blocks=20, prefill_budget=64)
    engine.add(Request(text(10), 30))
    engine.step()
    engine.add(Request(text(190, 3), 1))
    counts = []
    run = engine.generator.prefill.run

    def counted(tokens, blocks, start, stop, *rest, **options):
        counts[-1] += stop - start
        return run(tokens, blocks, start, stop, *rest, **options)

    engine.generator.prefill.run = counted
    while any(not job.prefilled for job in engine.scheduler.running) or engine.scheduler.waiting:
        counts.append(0)
        engine.step()
        assert engine.last_step is not None and engine.last_step.users >= 1, f"{counts}: the other got no token"
    assert counts == [64, 64, 62]


def test_several_short_prompts_share_a_budget():
    engine = make(users=5, blocks=20, prefill_budget=64)
    engine.add(Request(text(5), 30))
    engine.step()
    for i in range(4):
        engine.add(Request(text(20, i), 5))
    engine.step()
    assert [job.prefilled for job in engine.scheduler.running] == [True] * 4 + [False]


def test_prompts_that_begin_alike_share_blocks():
    """The second computes only what is new; a request over the same prompt again computes the last block."""
    engine = make(users=3, blocks=20)
    prompts = [text(100), text(70) + text(20, 900), text(96)]
    for prompt, shared in zip(prompts, (0, 64, 64)):
        request = Request(prompt, 5)
        number = engine.add(request)
        completion = finish(engine)[number]
        assert completion.tokens == expected(engine, request)
        assert completion.shared_tokens == shared
    assert engine.metrics.shared_tokens == 128


def test_prompts_that_come_together_share_blocks():
    """All three have blocks before the first is computed, and give back what it computes for them."""
    engine = make(users=3, blocks=16)
    requests = [Request(prompt, 5) for prompt in (text(100), text(70) + text(20, 900), text(100))]
    numbers = [engine.add(request) for request in requests]
    engine.scheduler.admit()
    assert engine.pool.free_blocks == 5
    completions = finish(engine)
    for number, request, shared in zip(numbers, requests, (0, 64, 96)):
        assert completions[number].tokens == expected(engine, request)
        assert completions[number].shared_tokens == shared
    assert len(engine.pool.kept) == 3 and engine.pool.free_blocks == 16


def test_blocks_are_kept_until_room_is_wanted():
    """The least recently used beginning goes first, its end before its start."""
    engine = make(users=2, blocks=8)
    for start in (0, 50):
        engine.add(Request(text(96, start), 1))
        finish(engine)
    assert len(engine.pool.kept) == 6
    engine.add(Request(text(97), 1))  # uses the first one again: now the second is the elder
    assert finish(engine)[2].shared_tokens == 96
    engine.add(Request(text(140, 120), 1))  # five blocks, two are free
    finish(engine)
    engine.add(Request(text(97), 1))
    assert finish(engine)[4].shared_tokens == 96
    engine.add(Request(text(97, 50), 1))
    assert finish(engine)[5].shared_tokens == 0


def test_a_request_that_can_never_run_ends_at_once():
    engine = make(users=2, blocks=3)
    errors = ["is empty", "more than the context of 200", "outside the vocabulary", "the KV cache's 3 blocks"]
    prompts = [(), text(201), (5, VOCABULARY), text(97)]
    for prompt, message in zip(prompts, errors):
        number = engine.add(Request(prompt))
        (event,) = engine.take_events()
        assert event.id == number and event.completion.finish_reason == "error" and message in event.completion.error
    assert not engine.busy


def test_only_a_prompt_that_can_run_is_hashed(monkeypatch):
    hashed = []
    monkeypatch.setattr(
        "models.bitnet.tt.engine.engine.prefix_keys", lambda _, prompt, size: hashed.append(prompt) or []
    )
    engine = make(users=2, blocks=3)
    for prompt in ((), text(201), text(97), text(40)):
        engine.add(Request(prompt))
    assert hashed == [text(40)]


def test_a_row_of_the_page_table():
    """The blocks of one user, in the order of its positions, then zeros; the table is all of them."""
    pool = BlockPool(PagedAttentionConfig(BLOCK, 6), 2, CONTEXT)
    pool.reserve(1, 2 * BLOCK)
    pool.reserve(0, 1)
    pool.reserve(1, 3 * BLOCK)
    assert pool.row(1).tolist() == [0, 1, 3, 0, 0, 0] and pool.row(0).tolist() == [2, 0, 0, 0, 0, 0]
    assert pool.page_table().tolist() == [[2, 0, 0, 0, 0, 0], [0, 1, 3, 0, 0, 0]]
    assert pool.row(0).dtype == pool.page_table().dtype == torch.int32


def test_the_page_table_is_made_again_only_where_blocks_change():
    """The pool returns the same page table until blocks change. A table that it returned before keeps its content."""
    pool = BlockPool(PagedAttentionConfig(BLOCK, 6), 2, CONTEXT)
    pool.reserve(0, 2 * BLOCK)
    pool.learn(0, [b"other", b"begin"])
    first = pool.page_table()
    kept = first.clone()
    assert not pool.reserve(0, 5) and pool.page_table() is first
    for change in (
        lambda: pool.share(1, pool.find([b"begin"])),
        lambda: pool.reserve(1, 2 * BLOCK),
        lambda: pool.exchange(1, 1, pool.find([b"begin"])),
        lambda: pool.release(1),
    ):
        before = pool.page_table()
        change()
        after = pool.page_table()
        assert after is not before and not torch.equal(after, before) and pool.page_table() is after
        owned = [row + [0] * (6 - len(row)) for row in pool._owned]
        assert after.tolist() == owned
    assert torch.equal(first, kept)


def test_draws_of_a_job_are_those_of_its_position(monkeypatch):
    """A job gives its draws in any order of positions. Following positions and greedy requests compute no powers."""
    at, calls = Draws.at, []
    monkeypatch.setattr(Draws, "at", lambda self, position: calls.append(position) or at(self, position))
    seeded, greedy = (
        Job(0, Request(text(9), 5, sampling), None, 0.0) for sampling in (SamplingParams(1.0, seed=7), GREEDY)
    )
    for position in (8, 9, 10, 10, 11, 40, 41, 3, 3, 0, 1):
        assert seeded.draws(position) == at(Draws.from_seed(7), position)
        greedy.draws(position)
    assert calls == [8, 40, 3, 0]


def test_abort_frees_blocks_at_once():
    engine = make(users=2, blocks=9)
    first, second, third = (engine.add(Request(text(90, i), 50)) for i in range(3))
    engine.step()
    free = engine.pool.free_blocks
    assert engine.abort(first) and engine.abort(third) and not engine.abort(99)
    assert engine.pool.free_blocks == free + 3, "the first had three blocks, the third waited"
    check_books(engine)
    assert {event.id for event in engine.take_events() if event.completion} >= {first, third}
    assert len(engine.scheduler.running) == 1 and not engine.scheduler.waiting
    assert not engine.abort(first), "it has ended already"
    assert finish(engine)[second].finish_reason in ("length", "stop")


def test_stop_strings_end_a_text():
    engine = make()
    tokens = expected(engine, Request(text(9), 20))
    number = engine.add(Request(text(9), 20, stop=(f" {tokens[4]} ",)))
    completion = finish(engine)[number]
    assert completion.finish_reason == "stop" and completion.text == " ".join(map(str, tokens[:4]))


def test_the_numbers_add_up():
    engine = make(users=2, blocks=13)
    numbers = [engine.add(Request(text(40, i), 6)) for i in range(4)]
    completions = finish(engine)
    metrics = engine.metrics
    assert metrics.prompt_tokens == 160
    assert metrics.generated_tokens == sum(len(completions[n].tokens) for n in numbers)
    assert 0 < metrics.gap.percentile(50) <= metrics.gap.percentile(99) <= metrics.gap.largest
    assert engine.pool.free_blocks == engine.pool.blocks == 13


def test_5000_requests_leave_memory_as_it_is():
    engine = make(users=8, blocks=40)

    def serve(count: int) -> int:
        for i in range(count):
            engine.add(Request(text(1 + i % 40, i % 50), 1 + i % 3))
            if i % 8 == 7:
                finish(engine)
        finish(engine)
        gc.collect()
        return tracemalloc.get_traced_memory()[0]

    tracemalloc.start()
    try:
        before = serve(2500)
        after = serve(2500)
    finally:
        tracemalloc.stop()
    assert after - before < 100_000, f"{after - before} bytes more"


@pytest.mark.parametrize("field, value", WRONG_CASES, ids=lambda part: shown(part)[:40])
def test_wrong_requests(field, value):
    """A type is a TypeError, a value a ValueError; the message is one short line that names the field and the value."""
    with pytest.raises((TypeError, ValueError)) as error:
        wrong_request(field, value)
    message = str(error.value)
    assert message.startswith(field) and "must" in message or "give" in message or "more than" in message
    assert len(message) < 200 and "\n" not in message
    is_range = isinstance(value, int | float) and not isinstance(value, bool) and field != "prompt"
    whole = isinstance(value, int) or field in ("temperature", "top_p")
    if is_range and whole and field not in ("sampling", "stop") or value == ["good", ""]:
        assert error.type is ValueError
    else:
        assert error.type is TypeError


def test_integers_of_other_libraries():
    """NumPy's and torch's are kept as Python's: a request means the same whatever made it."""
    plain = Request((5, 7, 9), 4, SamplingParams(0.5, 3, 1.0, 8), priority=2)
    arrays = [
        numpy.array([5, 7, 9]),
        torch.tensor([5, 7, 9]),
        list(numpy.array([5, 7, 9])),
        list(torch.tensor([5, 7, 9])),
    ]
    for prompt in arrays:
        sampling = SamplingParams(numpy.float64(0.5), numpy.int32(3), 1, torch.tensor(8))
        other = Request(prompt, numpy.int64(4), sampling, priority=torch.tensor(2))
        assert other == plain and all(type(token) is int for token in other.prompt)
        engine = make()
        number = engine.add(other)
        assert finish(engine)[number].tokens == expected(engine, plain)[:4]
    assert dataclasses.replace(plain, priority=3).priority == 3


def test_a_token_of_any_size_is_outside_the_vocabulary():
    engine = make()
    for token, digits in ((-1, "-1"), (2**63, str(2**63)), (10**5000, "an integer of 16610 bits")):
        engine.add(Request((5, token)))
        (event,) = engine.take_events()
        assert event.completion.error == f"token {digits} is outside the vocabulary of {VOCABULARY}"
    assert not engine.busy


def spoil_draws(engine, number):
    engine.answers.jobs[number].draws = raise_it


def spoil_text(engine, number):
    engine.answers.jobs[number].stream.add = raise_it


def spoil_prefill(engine, number):
    engine.generator.prefill.run = only(engine.generator.prefill.run, lambda tokens, *_, **__: tokens[0] == 11)


def spoil_first_token(engine, number):
    engine.generator.first_token = only(engine.generator.first_token, lambda logits, *_: logits[0] == 11)


def raise_it(*_, **__):
    raise LookupError("it cannot be done")


def only(function, is_spoiled):
    return lambda *args, **options: (raise_it if is_spoiled(*args) else function)(*args, **options)


def test_the_next_step_is_submitted_before_the_tokens_are_read():
    """The engine submits a step ahead in the steady state. It does not while a prompt is computed, while a request
    waits, or before a step that is surely the last one of a request."""
    engine, calls = make(users=2, blocks=12), []
    generator = engine.generator

    def noted(name, function):
        return lambda *args, **options: (calls.append(name), function(*args, **options))[1]

    for name in ("decode_forward", "decode_next", "start_reading", "finish_reading", "read_tokens"):
        setattr(generator, name, noted(name, getattr(generator, name)))
    requests = [Request(text(40), 5), Request(text(100, 3), 7)]
    numbers = [engine.add(request) for request in requests]
    ahead = ["start_reading", "decode_next", "finish_reading"]
    expected_calls = [
        ["decode_forward", "read_tokens"],  # the other's prompt takes three steps
        ["decode_forward", "read_tokens"],
        ["decode_forward", *ahead],
        ["read_tokens"],  # the last step of the first request
        ["decode_forward", *ahead],
        ahead,
        ahead,
        ["read_tokens"],
    ]
    engine.prefill_budget = 64
    completions = {}
    for wanted in expected_calls:
        calls.clear()
        completions |= {event.id: event.completion for event in engine.step() if event.completion is not None}
        assert calls == wanted
    assert not engine.busy
    assert [completions[n].tokens for n in numbers] == [expected(engine, request) for request in requests]


@pytest.mark.parametrize("sampling", [GREEDY, SamplingParams(1.0, seed=3)], ids=["greedy", "drawn"])
def test_a_request_that_ends_ignores_its_row_of_the_step_ahead(sampling):
    """An end token ends a request while the next step runs. A new request gets the slot and the blocks at once."""
    tokens = expected(make(), Request(text(20), 30, sampling))
    end = next(token for place, token in enumerate(tokens) if place >= 4 and token not in tokens[:place])
    engine = make(users=2, blocks=4, ends=(end,))
    requests = [Request(text(20), 30, sampling), Request(text(25, 2), 30, sampling), Request(text(30, 9), 20, sampling)]
    numbers = [engine.add(request) for request in requests[:2]]
    completions = {}

    def step() -> None:
        completions.update({event.id: event.completion for event in engine.step() if event.completion is not None})

    while numbers[0] not in completions:
        step()
    assert engine._ahead is not None and completions[numbers[0]].finish_reason == "stop"
    numbers.append(engine.add(requests[2]))
    step()
    assert engine.last_step.users == 1, "the row of the first request counts"
    completions |= finish(engine)
    assert engine.metrics.replayed_tokens == 0
    assert [completions[number].tokens for number in numbers] == [expected(engine, request) for request in requests]
    check_books(engine)


@pytest.mark.parametrize("gone", [[0], [0, 1]], ids=["one", "all"])
def test_an_abort_while_a_step_ahead_is_under_way(gone):
    """The step ignores the row of an aborted request. A new request in that slot begins after it."""
    engine = make(users=2, blocks=12)
    requests = [Request(text(40, place), 12) for place in range(3)]
    numbers = [engine.add(request) for request in requests[:2]]
    for _ in range(3):
        engine.step()
    assert engine._ahead is not None
    counts = [len(engine.answers.jobs[number].completion.tokens) for number in numbers]
    for place in gone:
        assert engine.abort(numbers[place])
    numbers.append(engine.add(requests[2]))
    completions = finish(engine)
    for place, request in enumerate(requests):
        tokens = expected(engine, request)
        assert completions[numbers[place]].tokens == (tokens[: counts[place]] if place in gone else tokens)


@pytest.mark.parametrize("name", ["start_reading", "decode_next", "finish_reading"])
@pytest.mark.parametrize("error", [KeyboardInterrupt, OSError])
@pytest.mark.parametrize("done", [False, True], ids=["before", "after"])
def test_an_interrupt_around_a_step_ahead(monkeypatch, name, error, done):
    """Before or after the device has done its work: both steps are made again, with the same tokens."""
    engine = make(users=2, blocks=12)
    requests = [Request(text(40, place), 9, SamplingParams(1.0, seed=place)) for place in range(2)]
    numbers = [engine.add(request) for request in requests]
    for _ in range(3):
        engine.step()
    assert engine._ahead is not None
    function = getattr(engine.generator, name)

    def cut_short(*args, **options):
        if done:
            function(*args, **options)
        raise error("cut short")

    with monkeypatch.context() as patch:
        patch.setattr(engine.generator, name, cut_short)
        with pytest.raises(error, match="cut short"):
            engine.step()
    assert engine._ahead is None
    completions = finish(engine)
    assert [completions[number].tokens for number in numbers] == [expected(engine, request) for request in requests]


@pytest.mark.parametrize("spoil", [spoil_draws, spoil_text, spoil_prefill, spoil_first_token])
@pytest.mark.parametrize("steps", [0, 2])
def test_an_error_of_one_request_ends_it_alone(spoil, steps):
    """Before its first token, or, where it can be, between two: its neighbours go on with their tokens."""
    engine = make(users=3, blocks=12)
    prompts = [text(40, 1), (11, *text(40, 2)), text(40, 3)]
    requests = [Request(prompt, 12, SamplingParams(1.0, seed=place)) for place, prompt in enumerate(prompts)]
    numbers = [engine.add(request) for request in requests]
    for _ in range(steps):
        engine.step()
    if steps and spoil is not spoil_text:  # the others happen when a request comes
        numbers[1] = engine.add(requests[1])
    spoil(engine, numbers[1])
    completions = finish(engine)
    for place in (0, 2):
        assert completions[numbers[place]].tokens == expected(engine, requests[place])
    failed = completions[numbers[1]]
    assert failed.finish_reason == "error" and failed.error == "LookupError: it cannot be done"
    assert failed.tokens == expected(engine, requests[1])[: len(failed.tokens)]
    check_books(engine)
    assert engine.pool.free_blocks == 12 and not engine.busy


@pytest.mark.parametrize("after", [0, 3])
def test_logits_that_are_nan_end_their_request_alone(after):
    engine = make(users=2, blocks=12)
    requests = [Request(text(40, place), 8) for place in range(2)]
    numbers = [engine.add(request) for request in requests]
    engine.scheduler.admit()
    row = engine.pool.row(1)
    for _ in range(after):
        engine.step()
    written = len(engine.answers.jobs[numbers[1]].completion.tokens)
    assert bool(written) == bool(after)
    written += engine._ahead is not None  # this step was computed before the logits become NaN
    engine.generator.is_nan = lambda blocks: torch.equal(blocks, row)
    completions = finish(engine)
    assert completions[numbers[0]].tokens == expected(engine, requests[0])
    failed = completions[numbers[1]]
    assert failed.finish_reason == "error" and failed.tokens == expected(engine, requests[1])[:written]
    assert failed.error == f"the logits that follow {40 + written} tokens are NaN or infinite"
    assert engine.pool.free_blocks == 12


def test_a_step_that_fails_for_all_is_made_again(monkeypatch):
    """An error in the decode step of the batch, and an interrupt anywhere."""
    engine = make(users=2, blocks=12)
    requests = [Request(text(40, place), 8) for place in range(2)]
    numbers = [engine.add(request) for request in requests]
    generator = engine.generator
    for owner, name, error in (
        (generator.prefill, "run", KeyboardInterrupt),
        (generator, "first_token", KeyboardInterrupt),
        (generator, "decode_forward", KeyboardInterrupt),
        (generator, "decode_forward", OSError),
    ):
        with monkeypatch.context() as patch:
            patch.setattr(owner, name, Mock(side_effect=error("all of it")))
            with pytest.raises(error, match="all of it"):
                engine.step()
    completions = finish(engine)
    assert [completions[number].tokens for number in numbers] == [expected(engine, request) for request in requests]
