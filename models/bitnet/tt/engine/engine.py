# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""Many requests on one device, joining and leaving at any time.

    engine = Engine(generator, pool, tokenizer)
    number = engine.add(Request(prompt))
    while engine.busy:
        for event in engine.step():
            ...

A step prefills a part of the prompts of new requests, and then makes one decode step for all requests that run.

Host state is updated only after the device's result has been read. If an exception cuts a step short, the next step
makes it again, and no request loses a token. Some work is done for one request alone: a pass over its prompt, its first
token, its random numbers, its text. An error there ends that request, with the error in its completion. The step goes
on for the others. A preempted request computes its prompt again, and then decodes its own tokens again among the
others. These are the same programs on the same numbers, so it goes on as if it had run alone.

A step may also verify drafts of a request's next tokens, in rows that no request needs. A draft is the input of such a
row, at the position behind that of the row before. So the step chooses a token after each draft as well. These tokens
count as long as the drafts before them equal what was chosen. So a step gives a request one token or more, and always
those that it would get without drafts.

In the steady state host and device work at the same time. Before the engine reads the tokens of a step, it submits the
next step, which takes these tokens from the device. A job that ends with the first step ignores its row of the second.
The pool takes its blocks back at once. This is safe because the device runs in order: a new owner's keys and values are
written after the second step.
"""

import time
from dataclasses import dataclass
from typing import Any

import torch

import ttnn
from models.bitnet.tt.checks import shown
from models.bitnet.tt.engine.answers import Answers
from models.bitnet.tt.engine.blocks import BlockPool, prefix_keys
from models.bitnet.tt.engine.metrics import Metrics
from models.bitnet.tt.engine.request import DecodeStep, Event, Job, Request
from models.bitnet.tt.engine.scheduler import Scheduler
from models.bitnet.tt.engine.speculation import Speculation
from models.bitnet.tt.engine.step_plan import StepPlan
from models.bitnet.tt.engine.text import TextStream
from models.bitnet.tt.generation.decode_steps import StepEnd
from models.bitnet.tt.generator import Generator

PREFILL_BUDGET = 256  # prompt tokens a step while others decode


@dataclass(frozen=True)
class _Submitted:
    """A decode step that the device was given, and whose tokens nobody has read."""

    jobs: list[Job]  # in the scheduler's order
    plan: StepPlan
    end: StepEnd
    output: ttnn.Tensor


class Engine:
    """Runs requests on a generator. While requests decode, a step prefills at most `prefill_budget` prompt tokens. This
    bounds the time between two tokens of a request. A decode step verifies at most `speculate` drafts of a request."""

    def __init__(
        self,
        generator: Generator,
        pool: BlockPool,
        tokenizer: Any,
        enable_trace: bool = True,
        prefill_budget: int = PREFILL_BUDGET,
        speculate: int = 0,
    ):
        self.generator, self.pool, self.tokenizer = generator, pool, tokenizer
        self.enable_trace, self.prefill_budget = enable_trace, prefill_budget
        self.metrics = Metrics()
        self.last_step: DecodeStep | None = None  # None if the last step did not decode
        config = generator.config
        self.scheduler = Scheduler(pool, config.max_seq_len)
        self.answers = Answers(self.scheduler, self.metrics, config.model.eos_token_ids)
        self.speculation = Speculation(speculate, config.users, self.scheduler.context)
        # what a block's content depends on besides the tokens
        self._content = f"{config.model} {config.precision} {config.cache_dtype}"
        self._next_id = 0
        self._ahead: _Submitted | None = None  # the step after the last one whose tokens were read

    @property
    def busy(self) -> bool:
        """Whether a request is unfinished, or an event was not taken yet."""
        return self.answers.missing

    def add(self, request: Request) -> int:
        """Queue a request, and return the number that its events carry. A request that can never run on this model ends
        at once, with an error in its event. The engine keeps nothing of a request that it refuses by an exception."""
        if not isinstance(request, Request):
            raise TypeError(f"the request is {shown(request)}, must be a Request")
        number = self._next_id
        job = Job(number, request, TextStream(self.tokenizer, request.stop), time.perf_counter())
        job.completion.error = self._why_never(request)
        if job.completion.error is None and not self.pool.contiguous:
            job.keys = prefix_keys(self._content, request.prompt, self.pool.block_size)
        self._next_id += 1
        self.answers.jobs[number] = job
        if job.completion.error is None:
            self.speculation.begin(job)
            self.scheduler.add(job)
        else:
            self.answers.finish(job, "error")
        return number

    def abort(self, number: int, reason: str = "aborted") -> bool:
        """End a request. Its slot and blocks are free at once. Return False if it has ended already."""
        job = self.answers.jobs.get(number)
        if job is None:
            return False
        self.answers.leave(job, reason)
        return True

    def step(self) -> list[Event]:
        """Make one step. Return all events since the last step."""
        self.last_step = None
        try:
            self.scheduler.admit()
            self._prefill()
            self._decode()
        except BaseException:
            self._ahead = None
            self.generator.inputs.forget()  # it may have been cut short anywhere
            raise
        return self.take_events()

    def take_events(self) -> list[Event]:
        """Return the events that nobody has taken yet."""
        return self.answers.take_events()

    def _why_never(self, request: Request) -> str | None:
        """Return why this model can never run the request, or None if it can."""
        try:
            self.generator.prefill.check(request.prompt, "the prompt")
        except ValueError as error:
            return str(error)
        if len(request.prompt) > self.scheduler.context:
            return (
                f"the prompt has {len(request.prompt)} tokens, more than the {self.scheduler.context} positions of the "
                f"KV cache's {self.pool.blocks} blocks; shorten it or use a larger cache"
            )
        return None

    def _prefill(self) -> None:
        """Compute prompts that are not in the cache yet. While other requests decode, stay within the budget."""
        decoding = any(job.prefilled for job in self.scheduler.running)
        most = budget = self.prefill_budget if decoding else self.generator.config.prefill_chunk
        for job in self.scheduler.running:
            while job.slot is not None and not job.prefilled and budget > 0:
                self.scheduler.share(job)
                start, stop = self.generator.prefill.passes(job.computed, len(job.prompt), budget)[0]
                if stop - start > budget and budget < most:
                    return  # a whole block is more than what is left
                with self.answers.alone(job):
                    self._prefill_pass(job, start, stop)
                budget -= stop - start

    def _prefill_pass(self, job: Job, start: int, stop: int) -> None:
        generator, prompt, blocks = self.generator, torch.tensor(job.prompt), self.pool.row(job.slot)
        is_new = not job.completion.tokens  # else it was preempted, and what follows the prompt is known
        logits = generator.prefill.run(prompt, blocks, start, stop, generator.cache, to_logits=is_new)
        token = None
        if logits is not None:
            token = int(generator.first_token(logits, job.prompt, job.request.sampling, job.draws(stop - 1)))
        job.computed = stop
        self.pool.learn(job.slot, job.keys[: stop // self.pool.block_size])
        if token is not None:
            self.answers.add(job, token)

    def _decode(self) -> None:
        """Take one token for every request whose prompt is in the cache."""
        started, generator = time.perf_counter(), self.generator
        uploaded, downloaded = generator.uploaded_bytes, generator.downloaded_bytes
        step = self._take_ahead() or self._submit()
        if step is None:
            return
        if self._reserve_ahead(step):
            reading = generator.start_reading(step.output)
            output = generator.decode_next(step.end, step.plan.page_table(self.pool.page_table()), self.enable_trace)
            self._ahead = _Submitted(step.jobs, step.plan, step.end, output)
            chosen = generator.finish_reading(reading).tolist()
        else:
            chosen = generator.read_tokens(step.output).tolist()
        jobs = [job for job in step.jobs if job.slot is not None]  # the others have ended since it was submitted
        tokens, accepted = 0, 0
        for job in jobs:
            before, known = job.computed, job.known
            self._read(job, step.plan.drafts[job.id], chosen)
            tokens += job.computed - before
            accepted += max(job.computed - known, 0)
        drafted = step.plan.drafted
        self.last_step = DecodeStep(
            seconds=time.perf_counter() - started,
            users=len(jobs),
            tokens=tokens,
            drafted=drafted,
            accepted=accepted,
            uploaded_bytes=generator.uploaded_bytes - uploaded,
            downloaded_bytes=generator.downloaded_bytes - downloaded,
        )
        self.metrics.decode_steps += 1
        self.metrics.drafted_tokens += drafted
        self.metrics.accepted_tokens += accepted

    def _read(self, job: Job, drafts: list[tuple[int, int]], chosen: list[int]) -> None:
        """Take the tokens that a step chose for a job: in its own row, and in the rows of its drafts as long as the
        drafts are right."""
        self._advance(job, chosen[job.slot])
        for row, draft in drafts:
            if job.slot is None or job.next_input() != draft:
                break
            self._advance(job, chosen[row])

    def _advance(self, job: Job, token: int) -> None:
        """Record that the cache has one more position of a job, and take the token that follows, if it is new."""
        job.computed += 1
        if job.computed == job.known:
            with self.answers.alone(job):
                self.answers.add(job, token)
        else:
            self.metrics.replayed_tokens += 1

    def _take_ahead(self) -> _Submitted | None:
        """Return the step that was submitted ahead, unless all its jobs have ended."""
        step, self._ahead = self._ahead, None
        return step if step is not None and any(job.slot is not None for job in step.jobs) else None

    def _submit(self) -> _Submitted | None:
        """Submit a step for every job whose prompt is in the cache. None if there is no such job."""
        self.metrics.preemptions += len(self.scheduler.grow())
        prefilled = [job for job in self.scheduler.running if job.prefilled]
        plan = StepPlan(self.generator.config.users, prefilled)
        jobs = []
        for job, drafts in zip(prefilled, self.speculation.drafts(prefilled)):
            with self.answers.alone(job):
                plan.add(job, drafts[: self.scheduler.extend(job, len(drafts))])
                jobs.append(job)
        if not jobs:
            return None
        output = self.generator.decode_forward(
            plan.tokens,
            plan.positions,
            plan.page_table(self.pool.page_table()),
            enable_trace=self.enable_trace,
            read_from_device=False,
            sampling_params=plan.params,
            draws=plan.draws,
            texts=plan.texts,
        )
        return _Submitted(jobs, plan, StepEnd.choosing(plan.params), output)

    def _reserve_ahead(self, step: _Submitted) -> bool:
        """Reserve blocks for the step after `step`. Return whether it can be submitted before the tokens of `step` are
        read.

        It cannot if a job surely ends with `step`, if a job decodes known tokens again, if other jobs run now, if a job
        waits for a slot, or if blocks are missing. It should not if drafts of the text so far are worth verifying:
        `step` verifies them, or the step after it will. Without a trace the host launches every program, and runs
        ahead of the device anyway.
        """
        scheduler, pool = self.scheduler, self.pool
        if not self.enable_trace or scheduler.waiting or scheduler.running != step.jobs:
            return False
        for job in step.jobs:
            is_new, count = job.computed + 1 == job.known, len(job.completion.tokens) + 1
            if not is_new or count >= job.request.max_new_tokens or job.computed + 1 >= scheduler.context:
                return False
        if sum(pool.missing(job.slot, job.computed + 2) for job in step.jobs) > pool.free_blocks:
            return False
        if any(self.speculation.drafts(step.jobs)):
            return False
        for job in step.jobs:
            pool.reserve(job.slot, job.computed + 2)
        return True
