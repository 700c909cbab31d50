# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""How fast the port's decode steps are beside transformers' on the same machine.

python -m pytest -s models/bitnet/tests/perf/bench_against_transformers.py

These are benchmarks, which assert nothing, and the suite does not collect this file by itself. On the emulated device
both sides compute on the CPU. None of it is a time on a card.
"""

import statistics
import time
from collections.abc import Callable

import pytest
import torch

from models.bitnet.perf.random_model import cheap_state
from models.bitnet.tests import shipped
from models.bitnet.tests.perf.test_against_transformers import MODEL, ROUNDS, STEPS, our_step, packed, transformers_step


@pytest.fixture
def device_params() -> dict:
    return {"trace_region_size": shipped.TRACE_REGION}


def speeds_in_turns(steps: dict[str, Callable[[], object]]) -> dict[str, float]:
    """Return median tokens/s. Other load on the machine affects all steps, because they take turns."""
    times: dict[str, list[float]] = {name: [] for name in steps}
    for round_ in range(ROUNDS + 2):
        for name, step in steps.items():
            started = time.perf_counter()
            step()
            if round_ >= 2:  # the first two rounds compile and capture
                times[name].append(time.perf_counter() - started)
    return {name: 1 / statistics.median(seconds) for name, seconds in times.items()}


def test_shipped_model_against_transformers(device, capsys):
    """Decode steps of the shipped model for one user, in turns with transformers' own BitLinear on the same weights."""
    config, weights = shipped.config(), shipped.state()
    tied = {"lm_head.weight": weights["model.embed_tokens.weight"]} if config.tie_word_embeddings else {}
    with torch.no_grad(), torch.compiler.set_stance("force_eager"):
        steps = {"transformers": transformers_step(packed(config, weights | tied, torch.float32))}
        for precision in ("fused", "accuracy", "performance"):
            steps[f"emulated, {precision}"] = our_step(device, config, weights, precision)
        show(speeds_in_turns(steps), "transformers", capsys)


def test_four_full_width_layers_against_transformers(device, capsys):
    """Decode steps of four layers of the 2B-4T's width with random weights, in turns with each form of transformers."""
    weights = cheap_state(MODEL)
    with torch.no_grad(), torch.compiler.set_stance("force_eager"):
        steps = {name: make(device, weights) for name, make in STEPS.items()}
        show(speeds_in_turns(steps), "transformers, dense bfloat16", capsys)


def show(speeds: dict[str, float], unit: str, capsys: pytest.CaptureFixture) -> None:
    """Print speeds, and each as a multiple of the speed of `unit`."""
    with capsys.disabled():
        print()
        for name, speed in speeds.items():
            print(f"{name:<32}{speed:8.1f} tokens/s  {speed / speeds[unit]:6.2f}")
