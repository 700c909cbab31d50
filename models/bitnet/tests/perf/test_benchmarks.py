# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""Benchmarks of modules and whole steps on the device at hand, with the 2B-4T's sizes and two layers.

pytest models/bitnet/tests/perf/test_benchmarks.py --benchmark-columns=min,median

On the emulated device the times are those of the emulation on this machine's CPU, not of a card.
"""

import pytest
import torch

import ttnn
from models.bitnet.perf.random_model import SteppingModel, cheap_state, sizes

pytestmark = pytest.mark.slow  # benchmarks assert nothing

CONTEXT = 128
MODEL = sizes(layers=2, vocabulary=8192)


@pytest.fixture(scope="module")
def models(open_device):
    state, built = cheap_state(MODEL), {}

    def get(precision: str, users: int) -> SteppingModel:
        if (precision, users) not in built:
            built[precision, users] = SteppingModel(open_device, precision, users, MODEL, state)
        return built[precision, users]

    yield get
    for model in built.values():
        model.generator.close()


def run_of(benchmark, device: ttnn.MeshDevice, work, rounds: int = 5) -> None:
    def whole():
        work()
        ttnn.synchronize_device(device)

    benchmark.pedantic(whole, rounds=rounds, warmup_rounds=1)


@pytest.mark.parametrize("precision", ["performance", "accuracy"])
@pytest.mark.parametrize("module", ["attention", "mlp", "layer"])
def test_benchmark_decode_module(benchmark, models, open_device, module, precision):
    model = models(precision, 1)
    model.start(CONTEXT).step()
    held, layer, cache = model.generator.inputs, model.model.layers[0], model.cache[0]
    x, rotation = model.model.decode_look_up(held.tokens, held.positions)
    inputs = rotation, cache, held.page_table, held.positions
    work = {
        "attention": lambda: layer.attention.forward_decode(ttnn.clone(x), *inputs),
        "mlp": lambda: layer.mlp.forward_decode(ttnn.clone(x)),
        "layer": lambda: layer.forward_decode(ttnn.clone(x), *inputs),
    }
    run_of(benchmark, open_device, work[module])


@pytest.mark.parametrize("precision, users", [("performance", 1), ("accuracy", 1), ("performance", 32)])
@pytest.mark.parametrize("trace", [False, True], ids=["untraced", "traced"])
def test_benchmark_decode_step(benchmark, models, open_device, precision, users, trace):
    model = models(precision, users).start(CONTEXT)
    run_of(benchmark, open_device, lambda: model.step(trace=trace))


@pytest.mark.parametrize("precision", ["performance", "accuracy"])
def test_benchmark_prefill(benchmark, models, open_device, precision):
    model = models(precision, 1)
    run_of(benchmark, open_device, lambda: model.prefill(CONTEXT), rounds=2)


def test_benchmark_reading_logits(benchmark, models, open_device):
    model = models("performance", 1).start(CONTEXT)
    tokens = torch.zeros(1, dtype=torch.int32)
    run_of(benchmark, open_device, lambda: model.generator.decode_forward(tokens, model.positions, enable_trace=False))
