# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""The engine over a device in little: nobody loses a token, whoever comes, goes, waits or is preempted."""

import dataclasses
import gc
import tracemalloc

import pytest
import torch
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from models.bitnet.tests.engine.toy import VOCABULARY, ToyGenerator, Words, alone
from models.bitnet.tt.engine.blocks import BlockPool
from models.bitnet.tt.engine.engine import Engine
from models.bitnet.tt.engine.request import Completion, Request
from models.bitnet.tt.generation.sampling import GREEDY, SamplingParams
from models.bitnet.tt.kv_cache import PagedAttentionConfig

CONTEXT, BLOCK = 200, 32


def make(users: int = 3, blocks: int = 9, ends: tuple[int, ...] = (), **options) -> Engine:
    paging = PagedAttentionConfig(BLOCK, blocks)
    return Engine(ToyGenerator(users, paging, CONTEXT, ends), BlockPool(paging, users, CONTEXT), Words(), **options)


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
    assert running.isdisjoint(waiting) and running | waiting == set(engine._jobs)
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


class Serving(RuleBasedStateMachine):
    """Requests come, go and step in any order, in pools of any size."""

    preemptions = 0  # in all runs

    @initialize(
        users=st.integers(2, 5),
        blocks=st.integers(2, 10),
        budget=st.sampled_from([32, 64, 100]),
        lengths=st.lists(st.integers(1, 30), min_size=3, max_size=6),
    )
    def begin(self, users, blocks, budget, lengths):
        self.engine = make(users, blocks, ends=(3, 50), prefill_budget=budget)
        self.requests: dict[int, Request] = {}
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

    @rule(times=st.integers(1, 12))
    def step(self, times):
        for _ in range(times):
            self.observe(self.engine.step())

    @precondition(lambda self: self.requests)
    @rule(data=st.data())
    def abort(self, data):
        number = data.draw(st.sampled_from(sorted(self.requests)))
        can_run = len(self.requests[number].prompt) <= self.engine.scheduler.context
        assert self.engine.abort(number) == can_run, "who cannot run has ended at once"
        self.observe(self.engine.take_events())

    @precondition(lambda self: self.requests)
    @rule(calls=st.integers(0, 4))
    def fail(self, calls):
        """One of the next calls into the device raises, be it after the device has done its work."""
        left = [calls]

        def fail():
            left[0] -= 1
            if left[0] < 0:
                raise RuntimeError("the device failed")

        self.engine.generator.fail = fail
        try:
            self.observe(self.engine.step())
        except RuntimeError:
            assert self.engine.generator.forgotten
        self.engine.generator.fail = lambda: None

    def observe(self, events):
        for event in events:
            if event.completion is None:
                continue
            request, completion = self.requests.pop(event.id), event.completion
            wanted = expected(self.engine, request)
            if len(request.prompt) > self.engine.scheduler.context:
                assert completion.finish_reason == "error" and "blocks" in completion.error
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


class TestThousandSteps(machine(25)):
    @classmethod
    def tearDownClass(cls):
        assert Serving.preemptions > 5, "hardly anybody was preempted: the test shows nothing"


@pytest.mark.slow
class TestTenThousandSteps(machine(250)):
    pass


def test_the_youngest_is_preempted_and_goes_on_as_if_alone():
    engine = make(users=3, blocks=9)
    requests = [Request(text(60, i), 80, SamplingParams(1.0, seed=i) if i else GREEDY) for i in range(3)]
    numbers = [engine.add(request) for request in requests]
    completions = finish(engine)
    assert engine.metrics.preemptions and engine.metrics.replayed_tokens
    for number, request in zip(numbers, requests):
        assert completions[number].tokens == expected(engine, request)


def test_priority_before_age():
    engine = make(users=1)
    first, second, third = (engine.add(Request(text(10, i), 2, priority=p)) for i, p in enumerate((0, 0, -1)))
    assert list(finish(engine)) == [third, first, second]


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


def test_abort_frees_blocks_at_once():
    engine = make(users=2, blocks=9)
    first, second, third = (engine.add(Request(text(90, i), 50)) for i in range(3))
    engine.step()
    assert engine.abort(first) and engine.abort(third) and not engine.abort(99)
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


def test_bad_requests():
    with pytest.raises(ValueError, match="max_new_tokens is 0"):
        Request((1,), 0)
    with pytest.raises(ValueError, match="none of them empty"):
        Request((1,), stop=("",))
    assert dataclasses.replace(Request((1,)), priority=3).priority == 3
