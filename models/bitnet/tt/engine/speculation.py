# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""Decides which drafts a decode step verifies, in rows that no request needs.

A step that verifies drafts gives more tokens, but takes longer. Both are estimated in advance.
"""

from collections.abc import Sequence

from models.bitnet.tt.checks import as_integer, shown
from models.bitnet.tt.engine.drafting import Draft, Drafter
from models.bitnet.tt.engine.request import Job
from models.bitnet.tt.model_config import MAX_USERS
from models.bitnet.tt.precision import FusedPrecision, Precision

DEFAULT_DRAFTS = 4  # of a request in a step

# Times, in steps of one request with a short text on an n150, modelled for the 2B-4T. A p150 has less of both.
_POSITION_COST = 0.065 / 1024  # of a row, for each position whose keys and values it reads
_UPLOAD_COST = 0.05  # of drafts at all: the host reads the tokens before it uploads the drafts


def check_speculate(speculate: int, precision: Precision) -> int:
    """Return the number of drafts as an int. Raise TypeError or ValueError if a step cannot verify so many."""
    drafts = as_integer("speculate", speculate)
    if not 0 <= drafts < MAX_USERS:
        raise ValueError(
            f"speculate is {shown(speculate)}, must be between 0 and {MAX_USERS - 1}: a step has {MAX_USERS} rows"
        )
    if drafts and not can_speculate(precision):
        raise ValueError(
            f"speculate is {drafts}, must be 0 in precision {precision.name}: the library's cache update loses some of "
            "several rows of a block; use precision fused"
        )
    return drafts


def can_speculate(precision: Precision) -> bool:
    """Whether a step keeps the keys and values of several rows of one text. The library's cache update loses some."""
    return isinstance(precision, FusedPrecision)


class Speculation:
    """Chooses the drafts of a step with `rows` rows, at most `most` of a job. No text exceeds `context` positions."""

    def __init__(self, most: int, rows: int, context: int):
        self._most, self._rows, self._context = most, rows, context

    def begin(self, job: Job) -> None:
        """Index the prompt of a job that may speculate. One with penalties does not: a token's penalties depend on all
        tokens before it, of which the device has counted those before the step."""
        if self._most and not job.request.sampling.penalised:
            job.drafter = Drafter(job.prompt)

    def drafts(self, jobs: Sequence[Job]) -> list[list[int]]:
        """Return the drafts of each job that the next step verifies. Without drafts the lists are empty."""
        drafts = [job.drafts(self._most_of(job)) if job.drafter is not None else [] for job in jobs]
        counts = drafts_to_verify(drafts, [job.computed for job in jobs], self._rows - len(jobs))
        return [[draft.token for draft in own[:count]] for own, count in zip(drafts, counts)]

    def _most_of(self, job: Job) -> int:
        """Return how many drafts of a job are of use. The last one is followed by the last token that the job may have,
        and lies in the context."""
        length = len(job.prompt) + job.request.max_new_tokens
        return min(self._most, length - job.computed - 2, self._context - job.computed - 1)


def drafts_to_verify(drafts: Sequence[Sequence[Draft]], positions: Sequence[int], rows: int) -> list[int]:
    """Return how many drafts of each request the next step verifies: of the likeliest ones, as many as make the step
    give the most tokens in its time.

    `drafts` has the drafts of each request, `positions` the position of each request's next token. At most `rows`
    drafts are verified.
    """
    costs = [(position + 1) * _POSITION_COST for position in positions]
    candidates = sorted(((draft.chance, request) for request, own in enumerate(drafts) for draft in own), reverse=True)
    tokens, time = float(len(costs)), 1 + sum(costs)
    fastest, kept = tokens / time, 0
    time += _UPLOAD_COST
    for number, (chance, request) in enumerate(candidates[:rows], 1):
        tokens, time = tokens + chance, time + costs[request]
        if tokens / time > fastest:
            fastest, kept = tokens / time, number
    counts = [0] * len(costs)
    for _, request in candidates[:kept]:
        counts[request] += 1
    return counts
