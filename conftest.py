# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""Device fixtures with tt-metal's names. Without a card or simulator they open the emulated device."""

import os
import random
import sys
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
# This comes before any other conftest or test module imports ttnn. The board is $TTNN_EMULATOR_BOARD.
ttnn_emulator.install(verbose="-vv" in sys.argv)


def pytest_report_header() -> str:
    board = ttnn_emulator.installed_board()
    return f"ttnn device: {f'emulated {board.name}' if board else ttnn_emulator.hardware()}"


@pytest.fixture
def device_params(request: pytest.FixtureRequest) -> dict:
    """The arguments of `open_device`, set by `@pytest.mark.parametrize("device_params", [...], indirect=True)`."""
    return getattr(request, "param", {})


@pytest.fixture
def device(device_params: dict) -> Iterator:
    """One open device, closed after the test."""
    import ttnn

    opened = ttnn.open_device(device_id=0, **device_params)
    yield opened
    ttnn.close_device(opened)


@pytest.fixture
def mesh_device(request: pytest.FixtureRequest, device_params: dict) -> Iterator:
    """A mesh of the shape given by indirect parametrization (default: every chip in one row)."""
    import ttnn

    shape = getattr(request, "param", None) or (1, ttnn.get_num_devices())
    if shape[0] * shape[1] > ttnn.get_num_devices():
        pytest.skip(f"the mesh {shape} needs more chips than the {ttnn.get_num_devices()} there are")
    opened = ttnn.open_mesh_device(ttnn.MeshShape(*shape), **device_params)
    yield opened
    ttnn.close_mesh_device(opened)


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


@pytest.fixture
def reset_seeds() -> None:
    """Seed all random generators, so that every run has the same random numbers."""
    torch.manual_seed(213919)
    random.seed(213919)
