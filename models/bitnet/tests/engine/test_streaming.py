# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""The asyncio front over a device in little."""

import asyncio
from contextlib import aclosing

import pytest

from models.bitnet.tests.engine.test_engine import check_books, expected, make, text
from models.bitnet.tt.engine.request import Request
from models.bitnet.tt.engine.streaming import AsyncEngine, RequestFailed


def test_many_streams_at_once():
    """More than there are slots, in a queue of one: whoever finds it full waits, and all get their own text."""

    async def read(front, request):
        pieces = [piece async for piece in front.stream(request)]
        assert len(pieces) > 1, "the text came in one piece"
        return "".join(pieces)

    async def run():
        engine = make(users=2, max_waiting=1)
        requests = [Request(text(10 + i, i), 12) for i in range(7)]
        async with AsyncEngine(engine) as front:
            texts = await asyncio.wait_for(asyncio.gather(*(read(front, request) for request in requests)), 20)
        assert texts == [
            engine.tokenizer.decode(expected(engine, request), skip_special_tokens=True) for request in requests
        ]

    asyncio.run(run())


def test_a_completion():
    async def run():
        engine, request = make(), Request(text(9), 5)
        async with AsyncEngine(engine) as front:
            completion = await asyncio.wait_for(front.complete(request), 10)
        assert completion.tokens == expected(engine, request) and completion.finish_reason == "length"

    asyncio.run(run())


@pytest.mark.parametrize("how", ["leaves", "cancelled"])
def test_a_reader_that_goes_frees_its_blocks(how):
    async def run():
        engine = make(users=2, blocks=9)
        async with AsyncEngine(engine) as front:
            begun = asyncio.Event()

            async def read():
                async with aclosing(front.stream(Request(text(90), 100))) as pieces:
                    async for _ in pieces:
                        begun.set()
                        if how == "leaves":
                            return

            task = asyncio.create_task(read())
            await asyncio.wait_for(begun.wait(), 10)
            if how == "cancelled":
                task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            assert not engine.scheduler.running and engine.pool.free_blocks == 9
            check_books(engine)
            other = Request(text(30, 5), 4)
            assert (await asyncio.wait_for(front.complete(other), 10)).tokens == expected(engine, other)

    asyncio.run(run())


def test_errors_reach_the_reader():
    """A prompt that cannot run, or whose pass fails, is one reader's error. A step that fails is everybody's, and the
    next request runs."""

    async def run():
        engine = make()
        async with AsyncEngine(engine) as front:
            with pytest.raises(RequestFailed, match="the prompt is empty"):
                async for _ in front.stream(Request(())):
                    pass
            with pytest.raises(TypeError, match="must be a Request"):
                await front.complete(text(9))

            def fail(*_, **__):
                raise OSError("the device is gone")

            engine.generator.fail_for = fail
            with pytest.raises(RequestFailed, match="OSError: the device is gone"):
                async for _ in front.stream(Request(text(9))):
                    pass
            engine.generator.fail_for = lambda blocks: None
            decode, engine.generator.decode_forward = engine.generator.decode_forward, fail
            results = await asyncio.gather(
                *(front.complete(Request(text(9, i))) for i in range(2)), return_exceptions=True
            )
            assert all(isinstance(result, RuntimeError) and isinstance(result.__cause__, OSError) for result in results)
            engine.generator.decode_forward = decode
            request = Request(text(9), 5)
            assert (await asyncio.wait_for(front.complete(request), 10)).tokens == expected(engine, request)

    asyncio.run(run())


def test_closing_ends_open_streams():
    async def run():
        engine = make()
        async with AsyncEngine(engine) as front:
            task = asyncio.create_task(front.complete(Request(text(9), 100)))
            while not engine.metrics.generated_tokens:
                await asyncio.sleep(0.001)
        completion = await asyncio.wait_for(task, 10)
        assert completion.finish_reason in ("aborted", "length")
        assert not engine.busy

    asyncio.run(run())
