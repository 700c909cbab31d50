# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""The engine for asyncio: every request is a stream of text.

    async with AsyncEngine(engine) as front:
        async for piece in front.stream(Request(prompt)):
            ...

The engine runs in a thread of its own, one step at a time; what is asked of it meanwhile is done between two steps.
"""

import asyncio
from collections.abc import AsyncGenerator
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing

from models.bitnet.tt.engine.engine import Engine, QueueFull
from models.bitnet.tt.engine.request import Completion, Event, Request


class RequestFailed(RuntimeError):
    """A request ended with an error, which is the message."""


class AsyncEngine:
    """In one event loop. A stream that is left early (break, cancellation, an error) ends its request."""

    def __init__(self, engine: Engine):
        self._engine = engine
        self._streams: dict[int, asyncio.Queue[Event | BaseException]] = {}
        self._room = asyncio.Condition()  # a request left the queue, or a step is over
        self._stepping = self._closing = False

    async def __aenter__(self) -> "AsyncEngine":
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="bitnet-engine")
        self._wanted = asyncio.Event()
        self._driver = asyncio.create_task(self._drive())
        return self

    async def __aexit__(self, *_: object) -> None:
        """Every open stream ends with "aborted"."""
        self._closing = True
        self._wanted.set()
        await self._driver  # to the end of a step that is under way
        self._thread.shutdown()
        for number in list(self._streams):
            self._engine.abort(number)
        self._tell(self._engine.take_events())

    async def stream(self, request: Request) -> AsyncGenerator[str, None]:
        """The pieces of its text, or RequestFailed. Waits while the engine's queue is full."""
        async with aclosing(self._events(request)) as events:
            async for event in events:
                if event.completion is not None and event.completion.finish_reason == "error":
                    raise RequestFailed(event.completion.error)
                if event.text:
                    yield event.text

    async def complete(self, request: Request) -> Completion:
        """The whole of it."""
        async with aclosing(self._events(request)) as events:
            async for event in events:
                if event.completion is not None:
                    return event.completion
        raise RuntimeError("the stream ended without a completion")

    async def _events(self, request: Request) -> AsyncGenerator[Event, None]:
        number = await self._add(request)
        try:
            while True:
                event = await self._streams[number].get()
                if isinstance(event, BaseException):
                    raise RuntimeError("the engine's step failed") from event
                yield event
                if event.completion is not None:
                    return
        finally:
            del self._streams[number]
            await asyncio.shield(self._end(number))

    async def _add(self, request: Request) -> int:
        async with self._room:
            while True:
                if not self._stepping:
                    try:
                        number = self._engine.add(request)
                        break
                    except QueueFull:
                        pass
                await self._room.wait()
            self._streams[number] = asyncio.Queue()
            self._wanted.set()
            return number

    async def _end(self, number: int) -> None:
        """If it still runs: at the end of the step that is under way."""
        async with self._room:
            await self._room.wait_for(lambda: not self._stepping)
            if self._engine.abort(number):
                self._wanted.set()

    async def _drive(self) -> None:
        loop = asyncio.get_running_loop()
        while not self._closing:
            await self._wanted.wait()
            while self._engine.busy and not self._closing:
                self._stepping = True
                try:
                    self._tell(await loop.run_in_executor(self._thread, self._engine.step))
                except Exception as error:  # each stream's reader gets it; the engine can go on
                    for stream in self._streams.values():
                        stream.put_nowait(error)
                    for number in self._streams:
                        self._engine.abort(number)
                    self._engine.take_events()
                finally:
                    self._stepping = False
                async with self._room:
                    self._room.notify_all()
                await asyncio.sleep(0)  # those that were told have their turn before the next step
            self._wanted.clear()

    def _tell(self, events: list[Event]) -> None:
        for event in events:
            if event.id in self._streams:  # else its reader left
                self._streams[event.id].put_nowait(event)
