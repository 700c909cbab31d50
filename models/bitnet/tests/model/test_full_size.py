# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""A model of the 2B-4T's full size loads, prefills and decodes within the memory of a common machine."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from models.bitnet.tests.model import full_size

ROOT = Path(__file__).resolve().parents[4]
MOST_GB = 20


@pytest.mark.slow
@pytest.mark.parametrize("board, chips", [("p150", 1), ("4xp150", 4)])
def test_the_full_size_runs(board: str, chips: int) -> None:
    command = [sys.executable, "-m", full_size.__name__, board, str(chips)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=3600)
    assert done.returncode == 0, done.stderr[-4000:]
    result = json.loads(done.stdout.splitlines()[-1])
    print(result)
    assert len(result["tokens"]) == full_size.STEPS and len(set(result["tokens"])) > 1
    assert result["finite"]
    # decoded or prefilled at once, the same text has the same logits, up to roundings that flip int8 codes
    assert result["pcc"] > 0.99
    assert result["peak_gb"] < MOST_GB
