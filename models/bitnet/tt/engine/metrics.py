# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""What an engine counts and times, as a dict and in the text form that Prometheus reads."""

from collections import deque
from dataclasses import dataclass, field

_KEPT = 1024  # newest times that percentiles are taken from: memory stays as it is however long the engine runs
_PERCENTILES = (50, 90, 99)


class Times:
    """Seconds, of which percentiles are wanted."""

    def __init__(self) -> None:
        self._newest: deque[float] = deque(maxlen=_KEPT)
        self.count, self.total, self.largest = 0, 0.0, 0.0

    def add(self, seconds: float) -> None:
        self._newest.append(seconds)
        self.count += 1
        self.total += seconds
        self.largest = max(self.largest, seconds)

    def percentile(self, percent: int) -> float:
        """Of the newest; 0 if there are none."""
        ordered = sorted(self._newest)
        return ordered[min(len(ordered) * percent // 100, len(ordered) - 1)] if ordered else 0.0


@dataclass
class Metrics:
    """Since the engine began."""

    requests: int = 0
    finished: int = 0
    preemptions: int = 0
    prompt_tokens: int = 0
    shared_tokens: int = 0  # of prompts, found in the cache
    generated_tokens: int = 0
    replayed_tokens: int = 0  # decoded again after a preemption
    decode_steps: int = 0
    prefill_passes: int = 0
    ttft: Times = field(default_factory=Times)  # from arrival to the first token
    gap: Times = field(default_factory=Times)  # between two tokens of a request
    between_steps: Times = field(default_factory=Times)  # that running requests waited for prefill, step by step

    def as_dict(self) -> dict[str, float]:
        """Counts by name, and for each time its percentiles and largest, in seconds."""
        result: dict[str, float] = {}
        for name, value in vars(self).items():
            if isinstance(value, Times):
                result |= {f"{name}_p{percent}_s": value.percentile(percent) for percent in _PERCENTILES}
                result[f"{name}_largest_s"] = value.largest
            else:
                result[name] = value
        return result


_HELP = {
    "requests": "Requests that came.",
    "finished": "Requests that ended, however they did.",
    "preemptions": "Times that a running request made room and waited again.",
    "prompt_tokens": "Tokens of prompts that were answered.",
    "shared_tokens": "Tokens of prompts that were found in the cache.",
    "generated_tokens": "Tokens that were written.",
    "replayed_tokens": "Tokens that were decoded again after a preemption.",
    "decode_steps": "Decode steps of the device.",
    "prefill_passes": "Passes over a part of a prompt.",
    "ttft": "From arrival to the first token.",
    "gap": "Between two tokens of a request.",
    "between_steps": "That running requests waited for prefill, step by step.",
    "waiting": "Requests that wait for a slot.",
    "running": "Requests that run.",
    "blocks": "Blocks of the cache.",
    "free_blocks": "Blocks that a request can have.",
    "kept_blocks": "Free blocks that hold the beginning of a prompt.",
}


def prometheus(metrics: Metrics, gauges: dict[str, float]) -> str:
    """The text form: counters, summaries, and `gauges`, what holds now."""
    lines = []
    for name, value in vars(metrics).items():
        full = f"bitnet_{name}"
        if isinstance(value, Times):
            lines += _family(f"{full}_seconds", "summary", name)
            lines += [f'{full}_seconds{{quantile="{p / 100}"}} {value.percentile(p):.6g}' for p in _PERCENTILES]
            lines += [f"{full}_seconds_sum {value.total:.6g}", f"{full}_seconds_count {value.count}"]
        else:
            lines += [*_family(f"{full}_total", "counter", name), f"{full}_total {value}"]
    for name, value in gauges.items():
        lines += [*_family(f"bitnet_{name}", "gauge", name), f"bitnet_{name} {value}"]
    return "\n".join(lines) + "\n"


def _family(full: str, kind: str, name: str) -> list[str]:
    return [f"# HELP {full} {_HELP[name]}", f"# TYPE {full} {kind}"]
