# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""The library's comparison mode: every operation is also computed by its golden function, and the two are compared.

In that mode (`ttnn.CONFIG.enable_comparison_mode`), and when it logs, the library runs an operation inside a wrapper
that reads operands and results. The wrapper is given the emulated operation, so it reads emulated values.
"""

from collections.abc import Callable
from typing import Any

import ttnn
from ttnn_emulator.device.call import Calls
from ttnn_emulator.device.state import EmulatedDevice
from ttnn_emulator.library.private import FastOperation, wrapped


class Comparing:
    """Runs an operation as the library's configuration asks: alone, or inside the wrapper that compares."""

    def __init__(self, calls: Calls, emulated: EmulatedDevice):
        self._calls, self._emulated = calls, emulated
        self._wrapped: dict[FastOperation, Callable] = {}
        self._recorders: list[Any] = []  # those of the wrapped calls that are running

    def caller(self) -> Callable:
        """Return what takes the place of `FastOperation.__call__`."""

        def call(operation: FastOperation, *args: Any, **kwargs: Any) -> Any:
            if not _is_wanted() or self._calls.inside_library:
                return self._calls.call(operation, args, kwargs)
            if operation not in self._wrapped:
                self._wrapped[operation] = wrapped(operation, self._plain(operation))
            self._recorders.append(self._emulated.recorder)
            try:
                with self._emulated.recording(None):  # what the wrapper reads is not the program's
                    return self._wrapped[operation](*args, **kwargs)
            finally:
                self._recorders.pop()

        return call

    def _plain(self, operation: FastOperation) -> Callable:
        def call(*args: Any, **kwargs: Any) -> Any:
            with self._emulated.recording(self._recorders[-1]):
                return self._calls.call(operation, args, kwargs)

        return call


def _is_wanted() -> bool:
    config = ttnn.CONFIG
    return config.enable_comparison_mode or config.enable_logging or not config.enable_fast_runtime_mode
