# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""The shipped model's logits after a prompt and some decode steps equal those of a simulator of the real kernels.

They are equal bit for bit. `<prefix of a simulator> .venv/bin/python -m
models.bitnet.tests.model.test_simulated_logits` records the simulator's logits again.
"""

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

import ttnn
from models.bitnet.tests import shipped

pytestmark = pytest.mark.board

_RECORD = Path(__file__).with_name("simulated_logits.safetensors")
_PRECISIONS = ["accuracy", "performance"]  # the precisions with stock operations
_LENGTH, _STEPS = 40, 4


def _logits(device: ttnn.MeshDevice, precision: str) -> torch.Tensor:
    """The logits [1 + steps, vocabulary] after the prompt and after each step."""
    text = sum(shipped.prompts(), [])
    with shipped.load(device, precision=precision, max_seq_len=64, enable_trace=False) as model:
        rows = [shipped.prefill(model, {0: text[:_LENGTH]})[0][0]]
        model.pool.reserve(0, _LENGTH + _STEPS)
        for place in range(_LENGTH, _LENGTH + _STEPS):
            step = torch.tensor([text[place]]), torch.tensor([place]), model.pool.page_table()
            rows.append(model.generator.decode_forward(*step, enable_trace=False)[0, 0])
    return torch.stack(rows)


@pytest.mark.parametrize("precision", _PRECISIONS)
def test_every_bit_is_the_kernels(open_device, precision):
    assert torch.equal(_logits(open_device, precision), load_file(_RECORD)[precision])


if __name__ == "__main__":
    opened = ttnn.open_device(device_id=0)
    save_file({precision: _logits(opened, precision) for precision in _PRECISIONS}, _RECORD)
    ttnn.close_device(opened)
