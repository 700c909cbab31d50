# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""Decides which drafts a decode step verifies, in rows that no request needs.

A step that verifies drafts gives more tokens, but takes longer. Both are estimated in advance.
"""

from collections.abc import Sequence

from models.bitnet.tt.checks import as_integer, shown
from models.bitnet.tt.engine.drafting import Draft
from models.bitnet.tt.model_config import MAX_USERS
from models.bitnet.tt.precision import FusedPrecision, Precision

DEFAULT_DRAFTS = 4  # of a request in a step

# Times, in steps of one request with a short text on an n150, modelled for the 2B-4T. A p150 has less of both.
_POSITION_COST = 0.05 / 1024  # of a row, for each position whose keys and values it reads
_UPLOAD_COST = 0.05  # of drafts at all: the host reads the tokens before it uploads the drafts


def check_speculate(speculate: int) -> int:
    """Return the number of drafts as an int. Raise TypeError or ValueError if no model can verify so many."""
    drafts = as_integer("speculate", speculate)
    if not 0 <= drafts < MAX_USERS:
        raise ValueError(
            f"speculate is {shown(speculate)}, must be between 0 and {MAX_USERS - 1}: a step has {MAX_USERS} rows"
        )
    return drafts


def can_speculate(precision: Precision) -> bool:
    """Whether a step keeps the keys and values of several rows of one text. The library's cache update loses some."""
    return isinstance(precision, FusedPrecision)


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
