# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""What is said of an operation's values, and the mode that refuses those which nothing shows."""

import json

import pytest

from ttnn_emulator.device.registry import VALUES
from ttnn_emulator.ledger import evidence, measure
from ttnn_emulator.ledger.evidence import Kind, describe, kind_of
from ttnn_emulator.tests.subprocesses import emulator

PROGRAM = """
import torch
import ttnn

device = ttnn.open_device(device_id=0)
x = ttnn.from_torch(torch.full((32, 32), 0.25), dtype=ttnn.bfloat16, layout=ttnn.TILE_LAYOUT, device=device)
print(float(ttnn.to_torch(ttnn.add(ttnn.transpose(x, 0, 1), x))[0, 0]), flush=True)
ttnn.logit(x)
"""


def test_strict_mode_refuses_what_nothing_shows(tmp_path):
    (tmp_path / "program.py").write_text(PROGRAM)
    run = emulator("program.py", cwd=tmp_path, TTNN_EMULATOR_STRICT="1")
    assert (run.returncode, run.stdout) == (1, "0.5\n")
    assert run.stderr.startswith("program.py:8: ttnn_emulator: ttnn.logit: its values are torch's")
    assert emulator("program.py", cwd=tmp_path, TTNN_EMULATOR_STRICT="0").returncode == 0


@pytest.mark.parametrize(
    "name, kind, words",
    [
        ("ttnn.matmul", Kind.LEDGER, "all bits"),
        ("ttnn.multiply_", Kind.LEDGER, "all bits"),
        ("ttnn.gelu", Kind.LEDGER, "within ulps=1"),
        ("ttnn.squeeze", Kind.DEFINITION, "by definition"),
        ("ttnn.rand", Kind.TORCH, "no record"),
    ],
)
def test_what_is_said_of_an_operation(name, kind, words):
    module = VALUES[name].function.__module__
    assert kind_of(name, module) is kind and words in describe(name, module)


def test_every_name_is_an_operation():
    assert not evidence._DEFINED - VALUES.keys()
    assert not json.loads(evidence.FILE.read_text()).keys() - VALUES.keys()


@pytest.mark.slow
@pytest.mark.parametrize("device_params", [{"l1_small_size": 1 << 14}], indirect=True)
def test_the_table_is_what_the_cases_call(device):
    assert measure.measure(device) == json.loads(evidence.FILE.read_text())
