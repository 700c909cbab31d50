# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""The shipped model's logits after a prompt and some decode steps equal those of a simulator of the real kernels.

They are equal bit for bit, in `fused` by the kernels of its programs. `<prefix of a simulator> .venv/bin/python -m
models.bitnet.tests.model.test_simulated_logits [PRECISION...]` records the logits of its chip again.
"""

import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

import ttnn
from models.bitnet.tests import shipped

pytestmark = pytest.mark.board

_RECORD = Path(__file__).with_name("simulated_logits.safetensors")
_PRECISIONS = ["accuracy", "performance", "fused"]
_LENGTH, _STEPS = 40, 4


def logits_of(device: ttnn.MeshDevice, precision: str) -> torch.Tensor:
    """The logits [1 + steps, vocabulary] after the prompt and after each step."""
    text = sum(shipped.prompts(), [])
    with shipped.load(device, precision=precision, max_seq_len=64, enable_trace=False) as model:
        rows = [shipped.prefill(model, {0: text[:_LENGTH]})[0][0]]
        model.pool.reserve(0, _LENGTH + _STEPS)
        for place in range(_LENGTH, _LENGTH + _STEPS):
            step = torch.tensor([text[place]]), torch.tensor([place]), model.pool.page_table()
            rows.append(model.generator.decode_forward(*step, enable_trace=False)[0, 0])
    return torch.stack(rows)


def _name(precision: str) -> str:
    """The name in the record. Stock operations give the same bits on both chips, fused programs do not."""
    return f"fused on {ttnn.get_arch_name()}" if precision == "fused" else precision


def recorded(precision: str) -> torch.Tensor:
    return load_file(_RECORD)[_name(precision)]


@pytest.mark.parametrize("precision", _PRECISIONS)
def test_every_bit_is_the_kernels(open_device, precision):
    assert torch.equal(logits_of(open_device, precision), recorded(precision))


if __name__ == "__main__":
    opened = ttnn.open_device(device_id=0)
    new = {_name(precision): logits_of(opened, precision) for precision in sys.argv[1:] or _PRECISIONS}
    save_file(load_file(_RECORD) | new, _RECORD)
    ttnn.close_device(opened)
