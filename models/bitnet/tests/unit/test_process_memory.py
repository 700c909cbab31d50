# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""The memory of the process that runs the unit tests."""

import resource
from pathlib import Path

import torch


def resident_bytes() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


def test_freed_weights_go_back_to_the_system():
    """Otherwise the memory of a process that runs many tests would only grow."""
    before = resident_bytes()
    weights = [torch.ones(32 << 20, dtype=torch.uint8) for _ in range(6)]
    assert resident_bytes() - before > 150 << 20
    del weights
    assert resident_bytes() - before < 32 << 20
