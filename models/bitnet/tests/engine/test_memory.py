# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""The process does not grow with the requests that it has served."""

import os
from pathlib import Path

import pytest

from models.bitnet.tests import shipped
from models.bitnet.tt.engine.request import Request

LATER_MB = 50  # than after 500 requests


@pytest.fixture
def device_params():
    return {"trace_region_size": shipped.TRACE_REGION}


def resident_mb() -> float:
    """Memory that the process has of the machine's."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def serve(engine, count: int) -> None:
    """`count` short requests, always twice as many at once as there are rows."""
    added = done = 0
    while done < count:
        while added < count and added - done < 2 * len(engine.scheduler.slots):
            engine.add(Request(tuple(range(5, 9 + added % 8)), max_new_tokens=4))
            added += 1
        done += sum(event.completion is not None for event in engine.step())


@pytest.mark.slow
def test_memory_stays_over_5000_requests(device):
    with shipped.load(device, precision="fused", max_batch=8) as model:
        serve(model.engine, 500)
        before = resident_mb()
        serve(model.engine, 4500)
        assert resident_mb() - before < LATER_MB
