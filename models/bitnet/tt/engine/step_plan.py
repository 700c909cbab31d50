# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""What each row of a decode step computes: a request's next token, a draft of one, or nothing."""

from collections.abc import Sequence

import torch

from models.bitnet.tt.engine.request import Job
from models.bitnet.tt.generation.decode_inputs import IDLE
from models.bitnet.tt.generation.penalties import NO_TEXT
from models.bitnet.tt.generation.sampling import GREEDY, NO_DRAWS


class StepPlan:
    """The inputs of a decode step. A job's own row is that of its slot. Its drafts take rows that no job uses."""

    def __init__(self, rows: int, jobs: Sequence[Job]):
        self.tokens = torch.zeros(rows, dtype=torch.int32)
        self.positions = torch.full((rows,), IDLE, dtype=torch.int32)
        self.params, self.draws, self.texts = [GREEDY] * rows, [NO_DRAWS] * rows, [NO_TEXT] * rows
        self.drafts: dict[int, list[tuple[int, int]]] = {}  # of a job's number: the row and token of each draft
        self.drafted = 0  # drafts of all jobs, but not the tokens that are known after a preemption
        used = {job.slot for job in jobs}
        self._idle = [row for row in reversed(range(rows)) if row not in used]
        self._slots = list(range(rows))  # whose blocks each row uses

    def add(self, job: Job, drafts: Sequence[int]) -> None:
        """Give a job its own row, and an idle row to each draft of the tokens that follow. If this raises, the job has
        no row."""
        draws = [job.draws(job.computed + place) for place in range(1 + len(drafts))]
        tokens, text = [job.next_input(), *drafts], job.text()
        own = [self._idle.pop() for _ in drafts]
        for place, (row, token) in enumerate(zip([job.slot, *own], tokens)):
            self.tokens[row], self.positions[row] = token, job.computed + place
            self.params[row], self.draws[row], self._slots[row] = job.request.sampling, draws[place], job.slot
        self.texts[job.slot] = text
        self.drafts[job.id] = list(zip(own, drafts))
        self.drafted += max(job.computed + 1 + len(drafts) - job.known, 0)

    def page_table(self, tables: torch.Tensor) -> torch.Tensor:
        """Return the blocks of each row [rows, blocks], from those of each slot [slots, blocks]."""
        slots = torch.tensor(self._slots)
        return tables[torch.where(slots < len(tables), slots, 0)]
