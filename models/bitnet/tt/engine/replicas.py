# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""Data parallel: engines on chips of their own (submeshes, say) behind one front, which is used like an engine.

front = Replicas([model.engine for model in models])
number = front.add(Request(prompt))
while front.busy:
    for event in front.step():
        ...
"""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import replace
from typing import Any

from models.bitnet.tt.engine.engine import Engine
from models.bitnet.tt.engine.request import Event, Request


class Replicas:
    """A request goes to the engine with the least to do, and stays there: its cache is there. Close it when done.

    A step is one step of every engine that has something to do, each in a thread of its own, since a step waits for its
    device. Warm the models up first: a trace is captured best while nobody else runs anything.
    """

    def __init__(self, engines: Sequence[Engine]):
        if not engines:
            raise ValueError("there is no engine; give at least one")
        self.engines = list(engines)
        self._threads = ThreadPoolExecutor(len(self.engines), thread_name_prefix="bitnet-replica")
        self._places: dict[int, tuple[int, int]] = {}  # a request's engine, and its number there
        self._numbers: dict[tuple[int, int], int] = {}  # and back
        self._events: list[Event] = []  # of a step that failed in another engine
        self._next_id = 0

    @property
    def busy(self) -> bool:
        """Whether `step` has anything to do or to tell."""
        return bool(self._events) or any(engine.busy for engine in self.engines)

    def add(self, request: Request) -> int:
        """The number that its events bear. QueueFull if the engine with the least to do takes no more."""
        engine = min(range(len(self.engines)), key=self._load)
        place = engine, self.engines[engine].add(request)
        number, self._next_id = self._next_id, self._next_id + 1
        self._places[number], self._numbers[place] = place, number
        return number

    def abort(self, number: int, reason: str = "aborted") -> bool:
        """End a request. False if it has ended already."""
        if number not in self._places:
            return False
        engine, there = self._places[number]
        return self.engines[engine].abort(there, reason)

    def step(self) -> list[Event]:
        """What happened: to requests since the last step, and in this one. If an engine fails, the others' events come
        with the next step."""
        steps = {self._threads.submit(engine.step): place for place, engine in enumerate(self.engines) if engine.busy}
        wait(steps)
        failed = [step.exception() for step in steps if step.exception() is not None]
        for step, place in steps.items():
            if step.exception() is None:
                self._take(place, step.result())
        if failed:
            raise failed[0]
        events, self._events = self._events, []
        return events

    def take_events(self) -> list[Event]:
        """What happened to requests since the last step."""
        for place, engine in enumerate(self.engines):
            self._take(place, engine.take_events())
        events, self._events = self._events, []
        return events

    def gauges(self) -> dict[str, float]:
        """What holds now, in all engines together."""
        each = [engine.gauges() for engine in self.engines]
        return {name: sum(gauges[name] for gauges in each) for name in each[0]}

    def close(self) -> None:
        """End the threads; the engines are their owner's."""
        self._threads.shutdown()

    def __enter__(self) -> "Replicas":
        return self

    def __exit__(self, *_: Any) -> None:
        self.close()

    def _load(self, engine: int) -> float:
        """Requests that wait or run there."""
        gauges = self.engines[engine].gauges()
        return gauges["waiting"] + gauges["running"]

    def _take(self, engine: int, events: list[Event]) -> None:
        """An engine's events, under the front's numbers; a request that has ended is forgotten."""
        for event in events:
            number = self._numbers[engine, event.id]
            self._events.append(replace(event, id=number))
            if event.completion is not None:
                del self._numbers[self._places.pop(number)]
