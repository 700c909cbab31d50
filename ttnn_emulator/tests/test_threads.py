# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""Several threads on one device: their calls take turns, and a trace is captured by one of them."""

from concurrent.futures import ThreadPoolExecutor

import pytest
import torch

import ttnn
from ttnn_emulator import TraceError


def upload(device, value: torch.Tensor) -> ttnn.Tensor:
    return ttnn.from_torch(value, dtype=ttnn.float32, layout=ttnn.TILE_LAYOUT, device=device)


def test_threads_take_turns(device):
    def sum_up(number: int) -> bool:
        total = upload(device, torch.zeros(32, 32))
        for step in range(50):
            total = ttnn.add(total, upload(device, torch.full((32, 32), float(number))))
            if total.to_torch()[0, 0] != number * (step + 1):
                return False
        return True

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(sum_up, range(1, 9))) == [True] * 8


def test_another_threads_call_stays_out_of_a_capture(device):
    x = upload(device, torch.ones(32, 32))
    ttnn.add(x, x)
    number = ttnn.begin_trace_capture(device, cq_id=0)
    try:
        with ThreadPoolExecutor(1) as pool, pytest.raises(TraceError, match="another thread is capturing a trace"):
            pool.submit(ttnn.add, x, x).result()
        y = ttnn.add(x, x)
    finally:
        ttnn.end_trace_capture(device, number, cq_id=0)
    ttnn.execute_trace(device, number, cq_id=0)
    assert (ttnn.to_torch(y) == 2).all()
    ttnn.release_trace(device, number)
