# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""Delays Ctrl-C until the program is at a place where it may stop.

An interrupt that is raised anywhere can cut an upload into halves. A callback of a native library would drop it.
"""

import signal
import threading
from types import FrameType, TracebackType


class KeptInterrupt:
    """A context in which the first Ctrl-C waits for `check`. A second one is raised at once.

    It has an effect only in the main thread, which alone gets signals, and only if Python's own handler is installed.
    """

    def __init__(self) -> None:
        self._arrived = self._handles = False

    def __enter__(self) -> "KeptInterrupt":
        in_main_thread = threading.current_thread() is threading.main_thread()
        self._handles = in_main_thread and signal.getsignal(signal.SIGINT) is signal.default_int_handler
        if self._handles:
            signal.signal(signal.SIGINT, self._keep)
        return self

    def check(self) -> None:
        """Raise KeyboardInterrupt if Ctrl-C was pressed."""
        if self._arrived:
            self._arrived = False
            raise KeyboardInterrupt

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._handles:
            signal.signal(signal.SIGINT, signal.default_int_handler)
        if kind is None:
            self.check()

    def _keep(self, number: int, frame: FrameType | None) -> None:
        if self._arrived:
            raise KeyboardInterrupt
        self._arrived = True
