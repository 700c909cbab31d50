# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""How fast the emulation itself is, on this CPU: `python -m pytest ttnn_emulator/tests/perf/bench_emulator.py`.

Benchmarks, not tests: nothing here fails for being slow, and the suite does not collect this file by itself. None of
it is a time on a card. Compare within a group: an operation with its torch computation.
"""

import statistics
import time
from collections.abc import Callable
from dataclasses import replace

import pytest
import torch

import ttnn
from ttnn_emulator.device.registry import VALUES
from ttnn_emulator.install import emulated_device
from ttnn_emulator.tests.subprocesses import emulator

TILE = ttnn.TILE_LAYOUT


@pytest.fixture
def device_params():
    return {"trace_region_size": 8 << 20}


def upload(device, value, dtype=ttnn.bfloat16):
    return ttnn.from_torch(value, dtype=dtype, layout=TILE, device=device)


@pytest.mark.benchmark(group="cached operation, 32x32")
@pytest.mark.parametrize("name", ["add", "relu", "matmul"])
def test_operation(benchmark, device, name):
    x = upload(device, torch.randn(32, 32))
    operation, count = getattr(ttnn, name), 1 if name == "relu" else 2
    operation(*[x] * count)  # compiles
    benchmark(lambda: operation(*[x] * count))


@pytest.mark.parametrize("name", ["add", "relu", "matmul"])
def test_parts_of_an_operation(device, capsys, monkeypatch, name):
    x = upload(device, torch.randn(32, 32))
    operation, operands = getattr(ttnn, name), [x] * (1 if name == "relu" else 2)
    spent = {"library": 0.0, "value function": 0.0}

    def timed(part: str, function: Callable) -> Callable:
        def call(*args, **kwargs):
            started = time.perf_counter()
            try:
                return function(*args, **kwargs)
            finally:
                spent[part] += time.perf_counter() - started

        return call

    emulated, row = emulated_device(), VALUES[f"ttnn.{name}"]
    monkeypatch.setattr(emulated, "library_call", timed("library", emulated.library_call))
    monkeypatch.setitem(VALUES, f"ttnn.{name}", replace(row, function=timed("value function", row.function)))
    calls = []
    for _ in range(2000):
        spent.update(dict.fromkeys(spent, 0.0))
        started = time.perf_counter()
        operation(*operands)
        whole = time.perf_counter() - started
        calls.append((*spent.values(), whole - sum(spent.values())))
    with capsys.disabled():
        library, value, rest = (statistics.median(part) * 1e6 for part in zip(*calls))
        print(f"\n{name}: library {library:.0f} us, value function {value:.0f} us, the emulator's rest {rest:.0f} us")


@pytest.mark.benchmark(group="cached operation, 32x32")
@pytest.mark.parametrize("name", ["add", "relu", "matmul"])
def test_operation_in_torch(benchmark, name):
    from ttnn_emulator.arithmetic.formats import round_to_bfloat16

    x = torch.randn(32, 32).to(torch.bfloat16)
    operation, count = getattr(torch, name), 1 if name == "relu" else 2
    benchmark(lambda: round_to_bfloat16(operation(*[x.float()] * count)))


@pytest.mark.benchmark(group="20 additions, 32x32")
@pytest.mark.parametrize("way", ["calls", "trace"])
def test_trace(benchmark, device, way):
    x = upload(device, torch.randn(32, 32))

    def run():
        y = x
        for _ in range(20):
            y = ttnn.add(y, x)
        return y

    run()
    if way == "calls":
        benchmark(run)
        return
    trace = ttnn.begin_trace_capture(device, cq_id=0)
    kept = run()
    ttnn.end_trace_capture(device, trace, cq_id=0)
    benchmark(lambda: ttnn.execute_trace(device, trace, cq_id=0, blocking=True))
    assert kept.is_allocated()


@pytest.mark.benchmark(group="ternary matrix of 2560x6912, one row")
@pytest.mark.parametrize("way", ["emulated int8", "emulated bfloat16", "torch"])
def test_ternary_matmul(benchmark, device, way):
    weight = torch.randint(-1, 2, (2560, 6912)).to(torch.bfloat16)
    row = torch.randint(-127, 128, (1, 2560)).to(torch.bfloat16)
    if way == "emulated bfloat16":
        row = row * 0.7
    if way == "torch":
        transposed = weight.T.contiguous()
        benchmark(lambda: torch.nn.functional.linear(row, transposed))
        return
    x, w = upload(device, row), upload(device, weight, ttnn.bfloat4_b)
    compute = ttnn.init_device_compute_kernel_config(
        device.arch(), math_fidelity=ttnn.MathFidelity.LoFi, fp32_dest_acc_en=True
    )

    def run():
        return ttnn.linear(x, w, dtype=ttnn.bfloat16, compute_kernel_config=compute)

    run()
    benchmark(run)


@pytest.mark.benchmark(group="start")
def test_start_up(benchmark):
    """Time the way from nothing to an open device, `import ttnn` included."""
    code = "import ttnn; ttnn.close_device(ttnn.open_device(device_id=0))"
    benchmark.pedantic(lambda: emulator("-c", code).check_returncode(), rounds=3)


@pytest.mark.benchmark(group="upload of 2560x6912")
@pytest.mark.parametrize("dtype", [ttnn.bfloat16, ttnn.bfloat8_b, ttnn.bfloat4_b], ids=["bf16", "bfp8", "bfp4"])
def test_upload(benchmark, device, dtype):
    value = torch.randn(2560, 6912)
    benchmark.pedantic(lambda: upload(device, value, dtype), rounds=3)
