# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""The counters and times of an engine."""

from collections import deque
from dataclasses import dataclass, field

_KEPT = 1024  # newest times that percentiles are taken from: memory stays as it is however long the engine runs


class Times:
    """Durations in seconds, for percentiles."""

    def __init__(self) -> None:
        self._newest: deque[float] = deque(maxlen=_KEPT)
        self.largest = 0.0

    def add(self, seconds: float) -> None:
        self._newest.append(seconds)
        self.largest = max(self.largest, seconds)

    def percentile(self, percent: int) -> float:
        """Return a percentile of the newest durations, or 0 if there are none."""
        ordered = sorted(self._newest)
        return ordered[min(len(ordered) * percent // 100, len(ordered) - 1)] if ordered else 0.0


@dataclass
class Metrics:
    """Totals since the engine was made."""

    preemptions: int = 0
    prompt_tokens: int = 0
    shared_tokens: int = 0  # tokens of prompts that were found in the cache
    generated_tokens: int = 0
    replayed_tokens: int = 0  # decoded again after a preemption
    decode_steps: int = 0
    drafted_tokens: int = 0  # verified by decode steps
    accepted_tokens: int = 0  # of these
    gap: Times = field(default_factory=Times)  # between two tokens of a request
