# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""Measures the time inside the compiled functions of the ttnn library on the host."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import ttnn

FastOperation = ttnn.decorators.FastOperation


class LibraryTime:
    """The number of outermost calls of ttnn operations, and the seconds inside them."""

    def __init__(self) -> None:
        self.calls = 0
        self.seconds = 0.0
        self._inside = False

    @property
    def milliseconds(self) -> float:
        return 1e3 * self.seconds

    def run(self, function: Any, args: tuple, kwargs: dict) -> Any:
        if self._inside:
            return function(*args, **kwargs)
        self._inside = True
        started = time.perf_counter()
        try:
            return function(*args, **kwargs)
        finally:
            self.seconds += time.perf_counter() - started
            self.calls += 1
            self._inside = False


class _Timed:
    """A wrapper that times the function of an operation."""

    def __init__(self, function: Any, timer: LibraryTime):
        self._function, self._timer = function, timer

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self._timer.run(self._function, args, kwargs)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._function, name)


@contextmanager
def library_time() -> Iterator[LibraryTime]:
    """Time the library in this block. The time excludes the work of an emulated device after each call."""
    timer = LibraryTime()
    original = FastOperation.__dict__.get("function")
    FastOperation.function = property(lambda self: _Timed(self.__dict__["function"], timer))
    try:
        yield timer
    finally:
        if original is None:
            del FastOperation.function
        else:
            FastOperation.function = original
