# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""Ctrl-C, kept until the program is where it may stop.

Raised anywhere, it can fall between two halves of an upload, or into a callback of a native library, which drops it.
"""

import signal
import threading
from types import FrameType, TracebackType


class KeptInterrupt:
    """Within the block the first Ctrl-C waits for `check`, and a second is raised at once.

    Only in the main thread, which alone gets signals, and only where nobody else handles them.
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
