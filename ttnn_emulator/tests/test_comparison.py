# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""The library's comparison mode compares emulated values, and `--compare` reports them with the program's lines."""

import pytest
import torch

import ttnn
from ttnn_emulator.tests.subprocesses import emulator
from ttnn_emulator.tests.tensors import put, random


@pytest.fixture
def comparison_mode():
    with ttnn.manage_config("enable_comparison_mode", True):
        with ttnn.manage_config("comparison_mode_should_raise_exception", True):
            yield


def test_right_results_pass(device, comparison_mode):
    x, value = put(random((64, 64), 1), device)
    y, other = put(random((64, 64), 2), device)
    assert torch.allclose(ttnn.to_torch(ttnn.matmul(x, y)).double(), value @ other, rtol=0.05, atol=0.5)
    assert torch.equal(ttnn.to_torch(ttnn.neg(x)).double(), -value)


def test_a_wrong_result_is_found(device, comparison_mode):
    @ttnn.register_python_operation(name="ttnn.wrong_square", golden_function=lambda x: x * x)
    def wrong_square(x):
        return ttnn.add(x, x)

    with pytest.raises(RuntimeError, match="wrong_square.*pcc is"):
        wrong_square(put(random((32, 32), 3), device)[0])


def test_nothing_is_read_inside_a_capture(device, comparison_mode):
    x, value = put(random((32, 32), 4), device)
    ttnn.neg(x)
    trace = ttnn.begin_trace_capture(device, cq_id=0)
    result = ttnn.neg(x)
    ttnn.end_trace_capture(device, trace, cq_id=0)
    ttnn.execute_trace(device, trace)
    assert torch.equal(ttnn.to_torch(result).double(), -value)


PROGRAM = """
import torch
import ttnn

device = ttnn.open_device(device_id=0)
values = torch.linspace(-1, 1, 1024).reshape(32, 32)
x = ttnn.from_torch(values, dtype=ttnn.bfloat16, layout=ttnn.TILE_LAYOUT, device=device)
y = ttnn.neg(x)
z = ttnn.typecast(y, ttnn.bfloat4_b)
ttnn.close_device(device)
"""


@pytest.mark.parametrize("pcc, low", [("0.9", []), ("0.9999", ["program.py:9: ttnn.typecast: PCC 0.99"])])
def test_the_command_names_the_line_and_exits_with_one(tmp_path, pcc, low):
    (tmp_path / "program.py").write_text(PROGRAM)
    run = emulator("--compare", pcc, "program.py", cwd=tmp_path)
    *found, summary = run.stderr.splitlines()
    assert run.returncode == len(low) and run.stdout == ""
    assert len(found) == len(low) and all(text in line for text, line in zip(low, found))
    assert summary.endswith(f" compared with golden functions, {len(low)} below {float(pcc)}")
