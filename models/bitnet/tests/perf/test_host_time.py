# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""The cost of a decode step on the host: the time inside ttnn, the program cache, and a single call for a trace.

The times are those of ttnn's functions on this machine, without the card or the emulation. To run as a benchmark:
pytest models/bitnet/tests/perf/test_host_time.py --benchmark-columns=min,median
"""

from dataclasses import replace

import pytest

import ttnn
from models.bitnet.perf.host_time import library_time
from models.bitnet.perf.plain_layer import PlainLayer
from models.bitnet.perf.programs import capture
from models.bitnet.perf.random_model import SteppingModel, cheap_state, sizes
from models.bitnet.tests.common import SMALL, every_precision
from models.bitnet.tt.config import BitNetConfig

WIDE = sizes(layers=2, vocabulary=8192)  # for times
NARROW = replace(SMALL, num_hidden_layers=2)  # for counts, which do not depend on widths


def new_model(device: ttnn.MeshDevice, model: BitNetConfig, precision: str = "performance", users: int = 1):
    return SteppingModel(device, precision, users, model, cheap_state(model))


@pytest.fixture(scope="module")
def model(open_device):
    built = new_model(open_device, NARROW)
    yield built
    built.generator.close()


@pytest.fixture(scope="module")
def wide(open_device):
    built = new_model(open_device, WIDE)
    yield built
    built.generator.close()


@every_precision
def test_every_program_comes_from_the_cache_after_the_first_step(open_device, precision):
    model = new_model(open_device, NARROW, precision, users=2)
    model.start(30).step()
    built = open_device.num_program_cache_entries()
    for _ in range(4):  # the steps cross the edge of a tile and of a page
        assert all(program.cached for program in capture(model.step))
        assert open_device.num_program_cache_entries() == built


def test_a_traced_step_is_one_call(model, monkeypatch):
    model.start(40).step(trace=True)
    model.step(trace=True)
    replays = []
    execute = ttnn.execute_trace
    monkeypatch.setattr(ttnn, "execute_trace", lambda *args, **kwargs: replays.append(execute(*args, **kwargs)))
    uploaded = model.generator.uploaded_bytes
    with library_time() as timer:
        model.step(trace=True)
    assert len(replays) == 1
    assert timer.calls <= 1  # reading the tokens
    assert model.generator.uploaded_bytes == uploaded


def _layer_inputs(model):
    inputs = model.generator.inputs
    model.start(40).step()
    x, rotation = model.model.decode_look_up(inputs.tokens, inputs.positions)
    return x, rotation, model.cache[0], inputs.page_table, inputs.positions


def _our_layer(model):
    x, rotation, *rest = _layer_inputs(model)
    return lambda: model.model.layers[0].forward_decode(ttnn.clone(x), rotation, *rest)


def _plain_layer(model):
    x, _, *rest = _layer_inputs(model)
    plain = PlainLayer(model.config, model.model.layers[0], model.model.rope)
    return lambda: plain.forward_decode(ttnn.clone(x), *rest)


def test_fewer_programs_than_a_plain_layer(model):
    ours, plain = (len(capture(layer(model))) - 1 for layer in (_our_layer, _plain_layer))  # without the copy of x
    print(f"programs a layer: ours {ours}, plain {plain}")
    assert ours <= 18 and plain >= 28


@pytest.mark.slow
@pytest.mark.parametrize("layer", [_our_layer, _plain_layer], ids=["ours", "plain"])
def test_benchmark_layer_host_time(benchmark, wide, layer):
    """Benchmark the time inside ttnn only: the clock of the benchmark runs only while ttnn's functions run."""
    run = layer(wide)
    run()
    _benchmark_library(benchmark, run)


@pytest.mark.slow
def test_benchmark_step_host_time(benchmark, wide):
    """Benchmark an untraced decode step of two layers."""
    wide.start(40).step()
    _benchmark_library(benchmark, wide.step)


def _benchmark_library(benchmark, run):
    times = []

    def timed():
        with library_time() as timer:
            run()
        times.append(timer.milliseconds)

    benchmark.pedantic(timed, rounds=10, warmup_rounds=1)
    benchmark.extra_info["library_ms"] = round(min(times), 3)
    print(f"library: {min(times):.2f} ms")
