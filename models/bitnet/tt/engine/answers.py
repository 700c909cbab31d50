# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""The answers of an engine's jobs: the text that each new token adds, and the end of a job."""

import logging
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager

from models.bitnet.tt.engine.metrics import Metrics
from models.bitnet.tt.engine.request import Event, Job
from models.bitnet.tt.engine.scheduler import Scheduler
from models.bitnet.tt.kernels.head.best_tokens import NO_TOKEN

_log = logging.getLogger(__name__)


class Answers:
    """The jobs that have not ended, by their numbers, and the events that nobody has taken yet.

    `ends` are the tokens that end a text.
    """

    def __init__(self, scheduler: Scheduler, metrics: Metrics, ends: tuple[int, ...]):
        self._scheduler, self._metrics, self.ends = scheduler, metrics, ends
        self.jobs: dict[int, Job] = {}
        self._events: list[Event] = []

    @property
    def missing(self) -> bool:
        """Whether a job has not ended, or an event was not taken yet."""
        return bool(self.jobs or self._events)

    def take_events(self) -> list[Event]:
        """Return the events that nobody has taken yet."""
        events, self._events = self._events, []
        return events

    def add(self, job: Job, token: int) -> None:
        """Give a job its new token. End the job if this was its last."""
        completion, now = job.completion, time.perf_counter()
        if token >= NO_TOKEN:
            completion.error = f"the logits that follow {job.known} tokens are NaN or infinite"
            self.leave(job, "error")
            return
        if completion.tokens:
            self._metrics.gap.add(now - job.newest)
        else:
            completion.ttft_s = now - job.arrived
            self._metrics.prompt_tokens += len(job.prompt)
            self._metrics.shared_tokens += completion.shared_tokens
        job.newest = now
        if token in self.ends:
            self.leave(job, "stop")
            return
        completion.tokens.append(token)
        if job.drafter is not None:
            job.drafter.add(token)
        self._metrics.generated_tokens += 1
        text = job.stream.add(token)
        if text:
            self._events.append(Event(job.id, text))
        if job.stream.stopped:
            self.leave(job, "stop")
        elif len(completion.tokens) == job.request.max_new_tokens:
            self.leave(job, "length")
        elif job.computed >= self._scheduler.context:
            completion.error = f"the context of {self._scheduler.context} tokens is full"
            self.leave(job, "length")

    @contextmanager
    def alone(self, job: Job) -> Iterator[None]:
        """Run work that is for this job alone. An error in it ends the job, and the step goes on."""
        try:
            yield
        except Exception as error:
            _log.warning("request %d ended with an error", job.id, exc_info=error)
            job.completion.error = "".join(traceback.format_exception_only(error)).strip()
            self.leave(job, "error")

    def leave(self, job: Job, reason: str) -> None:
        """End a job that waits or runs. Its slot and blocks are free at once."""
        self._scheduler.remove(job)
        self.finish(job, reason)

    def finish(self, job: Job, reason: str) -> None:
        """Write the completion and the last event of a job that neither waits nor runs."""
        del self.jobs[job.id]
        text = job.stream.finish()
        job.completion.text, job.completion.finish_reason = job.stream.text, reason
        self._events.append(Event(job.id, text, job.completion))
