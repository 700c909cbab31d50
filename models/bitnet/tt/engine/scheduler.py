# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""Chooses which jobs run, wait or are preempted. It knows slots and blocks, and nothing of the device."""

import bisect

from models.bitnet.tt.engine.blocks import BlockPool
from models.bitnet.tt.engine.request import Job


class Scheduler:
    """Orders jobs by priority, then by arrival. A preempted job waits again in its old place."""

    def __init__(self, pool: BlockPool, context: int):
        self.pool = pool
        # of a request: no page table is longer
        self.context = min(context, pool.blocks_per_user * pool.block_size)
        self.waiting: list[Job] = []
        self.slots: list[Job | None] = [None] * pool.users

    @property
    def running(self) -> list[Job]:
        """The running jobs in order."""
        return sorted((job for job in self.slots if job is not None), key=lambda job: job.order)

    def add(self, job: Job) -> None:
        bisect.insort(self.waiting, job, key=lambda waiting: waiting.order)

    def remove(self, job: Job) -> None:
        """Remove a waiting or running job. Its blocks are free at once."""
        if job.slot is None:
            self.waiting.remove(job)
            return
        self.pool.release(job.slot)
        self.slots[job.slot] = None
        job.slot = None

    def admit(self) -> None:
        """Give free slots to waiting jobs, in order, as long as there are blocks for all their known tokens.

        One block stays free for each running job, which will need another one. A new job that took these blocks would
        be the next to be preempted.
        """
        while self.waiting and None in self.slots:
            job, slot = self.waiting[0], self.slots.index(None)
            shared = self._known_blocks(job)
            positions = min(job.known + 1, self.context)
            kept = sum(block in self.pool.kept for block in shared)  # free until this job shares them
            wanted = self.pool.missing(slot, positions) - len(shared) + kept
            if wanted and wanted + len(self.running) > self.pool.free_blocks:
                break
            self.waiting.pop(0)
            if shared:  # never so in a contiguous pool
                self.pool.share(slot, shared)
            self.pool.reserve(slot, positions)
            job.slot, self.slots[slot] = slot, job
            job.computed = len(shared) * self.pool.block_size
            job.completion.shared_tokens = job.computed

    def share(self, job: Job) -> None:
        """Give a job the blocks of its prompt that others have computed since it was admitted."""
        blocks, first = self._known_blocks(job), job.computed // self.pool.block_size
        gained = len(blocks) * self.pool.block_size - job.computed
        if gained > 0:
            self.pool.exchange(job.slot, first, blocks[first:])
            job.computed += gained
            job.completion.shared_tokens += gained

    def grow(self) -> list[Job]:
        """Reserve the block of the position that each job writes next. If there is none, preempt the last job in order,
        even if it is the one that needs the block. Return the preempted jobs."""
        preempted = []
        for job in self.running:
            while job.slot is not None and self.pool.missing(job.slot, job.computed + 1) > self.pool.free_blocks:
                last = self.running[-1]
                self.remove(last)
                last.computed = 0
                self.add(last)
                preempted.append(last)
            if job.slot is not None:
                self.pool.reserve(job.slot, job.computed + 1)
        return preempted

    def extend(self, job: Job, positions: int) -> int:
        """Reserve blocks for up to `positions` positions behind the one that the job writes next. Return for how many
        it has blocks now. Drafts take no block that another job needs before this job would need it itself."""
        first, pool = job.computed + 1, self.pool
        spare = 0 if self.waiting else pool.free_blocks - len(self.running)
        while positions and pool.missing(job.slot, first + positions) > max(spare, 0):
            positions -= 1
        pool.reserve(job.slot, first + positions)
        return positions

    def _known_blocks(self, job: Job) -> list[int]:
        """Return the blocks of the prompt's known beginning. The last token is always computed, for its logits."""
        return self.pool.find(job.keys[: (len(job.prompt) - 1) // self.pool.block_size])
