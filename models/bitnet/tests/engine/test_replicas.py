# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""Engines behind one front, over devices in little: every text is that of the request alone."""

import asyncio

import pytest

from models.bitnet.tests.engine.test_engine import check_books, expected, finish, make, text
from models.bitnet.tt.engine.engine import QueueFull
from models.bitnet.tt.engine.replicas import Replicas
from models.bitnet.tt.engine.request import Request
from models.bitnet.tt.engine.streaming import AsyncEngine


def test_requests_go_to_the_least_loaded():
    with Replicas([make(users=2), make(users=2)]) as front:
        first, second = front.engines
        front.add(Request(text(9), 30))
        front.add(Request(text(9, 1), 2))
        assert first.gauges()["waiting"] == second.gauges()["waiting"] == 1
        while second.busy:
            front.step()
        front.add(Request(text(9, 2), 2))
        assert second.busy and first.gauges()["running"] == 1
        assert front.gauges()["running"] == 1 and front.gauges()["waiting"] == 1


def test_every_text_is_that_of_the_request_alone():
    """More requests than all slots, some of them aborted; the numbers are the front's."""
    with Replicas([make(users=2), make(users=1), make(users=3)]) as front:
        requests = [Request(text(10 + 3 * i, i), 8 + i) for i in range(14)]
        numbers = [front.add(request) for request in requests]
        assert numbers == list(range(14))
        assert front.abort(13) and not front.abort(99)
        done = finish(front)
        assert done.keys() == set(numbers) and done[13].finish_reason == "aborted"
        for number, request in list(zip(numbers, requests))[:-1]:
            assert done[number].tokens == expected(front.engines[0], request)
        assert not front.abort(0) and not front.busy
        for engine in front.engines:
            assert engine.metrics.finished > 0
            check_books(engine)


def test_a_full_queue_and_no_engine_at_all():
    with Replicas([make(users=1, max_waiting=1), make(users=1, max_waiting=1)]) as front:
        for start in range(2):
            front.add(Request(text(9, start), 2))
        with pytest.raises(QueueFull):
            front.add(Request(text(9), 2))
        assert len(finish(front)) == 2
    with pytest.raises(ValueError, match="at least one"):
        Replicas([])


def test_one_engine_fails_and_the_others_events_are_kept():
    with Replicas([make(), make()]) as front:
        requests = [Request(text(9, i), 5) for i in range(2)]
        for request in requests:
            front.add(request)

        front.step()  # both prompts are in the cache: from here on an error is the whole step's

        def fail():
            raise OSError("the device is gone")

        front.engines[0].generator.fail = fail
        for _ in range(6):
            with pytest.raises(OSError, match="the device is gone"):
                front.step()
        assert not front.engines[1].busy and front.busy
        front.engines[0].generator.fail = lambda: None
        done = finish(front)
        assert [done[number].tokens for number in range(2)] == [expected(front.engines[0], r) for r in requests]


def test_as_streams():
    async def run():
        with Replicas([make(users=1), make(users=1)]) as replicas:
            requests = [Request(text(10 + i, i), 12) for i in range(5)]
            async with AsyncEngine(replicas) as front:
                done = await asyncio.wait_for(asyncio.gather(*map(front.complete, requests)), 20)
            for completion, request in zip(done, requests):
                assert completion.tokens == expected(replicas.engines[0], request)

    asyncio.run(run())
