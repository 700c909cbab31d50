# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""Who runs, who waits, and who makes room. Knows slots and blocks, nothing of the device."""

import bisect

from models.bitnet.tt.engine.blocks import BlockPool
from models.bitnet.tt.engine.request import Job


class Scheduler:
    """Jobs by priority, then by arrival. One that is preempted waits again in its old place."""

    def __init__(self, pool: BlockPool, slots: int, context: int):
        self.pool = pool
        # of a request: no page table is longer
        self.context = min(context, pool.blocks_per_user * pool.block_size)
        self.waiting: list[Job] = []
        self.slots: list[Job | None] = [None] * slots

    @property
    def running(self) -> list[Job]:
        """Who comes first, first."""
        return sorted((job for job in self.slots if job is not None), key=lambda job: job.order)

    def add(self, job: Job) -> None:
        bisect.insort(self.waiting, job, key=lambda waiting: waiting.order)

    def remove(self, job: Job) -> None:
        """Whether it waits or runs; its blocks are free at once."""
        if job.slot is None:
            self.waiting.remove(job)
            return
        self.pool.release(job.slot)
        self.slots[job.slot] = None
        job.slot = None

    def admit(self) -> None:
        """Give free slots to those that wait, in order, as long as there are blocks for all that is known of them.

        While others run, as many blocks stay free as there are runners, each of which will want another: a newcomer
        that takes the last ones would be the next to be preempted.
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
        """Before it computes more of its prompt: what others have computed of it since it was admitted."""
        blocks, first = self._known_blocks(job), job.computed // self.pool.block_size
        gained = len(blocks) * self.pool.block_size - job.computed
        if gained > 0:
            self.pool.exchange(job.slot, first, blocks[first:])
            job.computed += gained
            job.completion.shared_tokens += gained

    def grow(self) -> list[Job]:
        """Blocks for the position that each job writes next. Where there is none the last in order is preempted, be it
        the one that asks. Returns who was preempted."""
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

    def _known_blocks(self, job: Job) -> list[int]:
        """Of its prompt. The last token is computed in any case: its logits are wanted."""
        return self.pool.find(job.keys[: (len(job.prompt) - 1) // self.pool.block_size])
