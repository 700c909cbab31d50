# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""This module follows a program's own captures of the library's graph (`ttnn.graph`).

Without dispatch (`RunMode.NO_DISPATCH`) the library allocates nothing and runs nothing, so nothing is computed either.
In comparison mode the library captures the graph of every operation, and drops it unless the program captures too. Then
the capture is left out, because a recorder can learn of circular buffers only outside all captures.
"""

import functools
from collections.abc import Callable
from typing import Any

import ttnn


class Graphs:
    """The captures that are open, outermost first."""

    def __init__(self):
        self._modes: list[Any] = []
        self._left_out = 0  # captures of the library's that it believes to be open

    def dispatches(self) -> bool:
        if self._modes and not ttnn.graph.is_graph_capture_active():  # an error has ended it
            self._modes.clear()
        return ttnn.graph.RunMode.NO_DISPATCH not in self._modes

    def beginning(self, library_begin: Callable) -> Callable:
        @functools.wraps(library_begin)
        def begin_graph_capture(run_mode: Any = None, **options: Any) -> Any:
            if options.get("_internal") and not ttnn.graph.is_graph_capture_active():
                self._left_out += 1
                return None
            result = library_begin(run_mode, **options)
            self._modes.append(run_mode)
            return result

        return begin_graph_capture

    def ending(self, library_end: Callable) -> Callable:
        @functools.wraps(library_end)
        def end(*args: Any, **kwargs: Any) -> Any:
            if self._left_out and not ttnn.graph.is_graph_capture_active():
                self._left_out -= 1
                return []
            result = library_end(*args, **kwargs)
            self._modes.pop()
            return result

        return end
