# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""What the tests of this repository share, beside the plugin of the emulated device."""

import os
from collections.abc import Iterator

import hypothesis
import pytest
import torch

import ttnn_emulator

torch.set_num_threads(1)  # the test suite runs one process on each core


class TorchRandom:
    """A wrapper of torch's random generator, so that hypothesis seeds the generator before each example."""

    seed, getstate, setstate = map(staticmethod, (torch.manual_seed, torch.get_rng_state, torch.set_rng_state))


hypothesis.register_random(TorchRandom)
# Every run has the same examples. The bars of inexact kernels are measured, and chance must not decide a test.
hypothesis.settings.register_profile("suite", derandomize=True, deadline=None)
hypothesis.settings.load_profile("suite")

# The tests of fused programs. On the emulated device the kernels give their results: they are compiled for this CPU and
# run. $TTNN_EMULATOR_KERNELS chooses otherwise. In the tests of a program the golden function must agree. The first run
# with tensors of the same shapes is sanitized: on the n150, in 5 orders of events, or with $TTNN_EMULATOR_SEEDS on any
# board, in that number of orders. In the tests that compare with simulated chips the kernels run once.
PROGRAM_TESTS = {
    f"test_{name}"
    for name in (
        "best_tokens",
        "decode_look_up",
        "decode_product",
        "fused_programs",
        "head_product",
        "prefill_programs",
        "rotate_and_cache",
        "second_pass",
        "verified_step",
    )
}
SIMULATED_TESTS = {"test_simulated_logits", "test_simulated_programs"}

# The tests that count programs and bytes. On the emulated device they compute nothing.
COUNTING_TESTS = {"test_counted", "test_prefill_cost", "test_recorded_figures"}


@pytest.fixture(autouse=True, scope="module")
def counting(request: pytest.FixtureRequest) -> Iterator[None]:
    if ttnn_emulator.installed_board() is None or request.path.stem not in COUNTING_TESTS:
        yield
        return
    with ttnn_emulator.without_values():
        yield


@pytest.fixture(autouse=True)
def kernels(request: pytest.FixtureRequest) -> Iterator[None]:
    name, is_emulated = request.path.stem, ttnn_emulator.installed_board() is not None
    if is_emulated and "TTNN_EMULATOR_KERNELS" not in os.environ and name in PROGRAM_TESTS | SIMULATED_TESTS:
        with ttnn_emulator.kernel_results(*_results_of(name), once=True):
            yield
    else:
        yield


def _results_of(test: str) -> tuple[str, int]:
    """What gives the results in a file of tests, and how many orders of events are tried."""
    if test in SIMULATED_TESTS:
        return "run", 1
    default = "5" if ttnn_emulator.installed_board().name == "n150" else ""
    seeds = os.environ.get("TTNN_EMULATOR_SEEDS", default)
    return ("sanitize", int(seeds)) if seeds else ("check", 1)
