# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""The table for tt-perf-report, against figures worked out by hand."""

import csv
import io

import pytest
import torch

import ttnn
import ttnn_emulator
from ttnn_emulator.report.perf_csv import MODELLED, perf_csv
from ttnn_emulator.tests.subprocesses import emulator


def upload(device, *shape, dtype=ttnn.bfloat16):
    return ttnn.from_torch(torch.ones(shape), dtype=dtype, layout=ttnn.TILE_LAYOUT, device=device)


def rows_of(record):
    return list(csv.DictReader(io.StringIO(perf_csv(record))))


def test_a_product_and_a_small_program(device):
    x, w = upload(device, 2, 3, 50, 2560), upload(device, 2560, 1024, dtype=ttnn.bfloat8_b)
    compute = ttnn.init_device_compute_kernel_config(device.arch(), math_fidelity=ttnn.MathFidelity.HiFi4)
    with ttnn_emulator.without_values(), ttnn_emulator.record() as record:
        ttnn.matmul(x, w, compute_kernel_config=compute)
        ttnn.relu(upload(device, 32, 32))
    signpost, product, relu = rows_of(record)
    assert (signpost["OP CODE"], signpost["OP TYPE"]) == (MODELLED, "signpost") and "not measured" in MODELLED
    assert {row["TIMES"] for row in (product, relu)} == {MODELLED}
    assert "Matmul" in product["OP CODE"] and product["MATH FIDELITY"] == "HiFi4"
    assert (product["DEVICE ARCH"], product["AVAILABLE WORKER CORE COUNT"]) == ("wormhole_b0", "64")
    cores = int(product["CORE COUNT"])
    tiles = 6 * 2 * 80 * 32  # products of two tiles, rows padded to 64
    flops = 2 * 6 * 50 * 2560 * 1024  # counted without the padding
    assert 0 < cores <= 64 and flops < tiles * 2 * 32**3
    most = max(
        1e3 * flops / 2**16 * 64 / cores, 1e9 * (6 * 160 * 2048 + 80 * 32 * 1088 + 6 * 64 * 2048) / 253e9 * 1e3
    )
    assert float(product["DEVICE KERNEL DURATION [ns]"]) * 1e3 == pytest.approx(most, rel=0.02)
    assert int(relu["DEVICE KERNEL DURATION [ns]"]) < int(relu["OP TO OP LATENCY [ns]"]) == 1000
    assert int(relu["HOST START TS"]) > int(product["HOST START TS"]) > int(signpost["HOST START TS"])
    assert [product[f"INPUT_0_{axis}_PAD[LOGICAL]"] for axis in "WZYX"] == ["2[2]", "3[3]", "64[50]", "2560[2560]"]
    assert [product[f"INPUT_1_{axis}_PAD[LOGICAL]"] for axis in "WZYX"] == ["1[1]", "1[1]", "2560[2560]", "1024[1024]"]
    assert (product["INPUT_1_DATATYPE"], product["INPUT_1_MEMORY"]) == ("BFLOAT8_B", "DEV_0_DRAM_INTERLEAVED")
    assert relu["INPUT_1_MEMORY"] == "" and relu["OUTPUT_0_X_PAD[LOGICAL]"] == "32[32]"
    assert __file__ in product["SOURCE LINE"]


def test_the_command_writes_it(tmp_path):
    program = """
import torch, ttnn
device = ttnn.open_device(device_id=0)
ttnn.relu(ttnn.from_torch(torch.ones(32, 32), dtype=ttnn.bfloat16, layout=ttnn.TILE_LAYOUT, device=device))
"""
    run = emulator("--report", "ops.csv", "-c", program, cwd=tmp_path)
    assert (run.returncode, run.stderr) == (0, "")
    rows = list(csv.DictReader((tmp_path / "ops.csv").open()))
    assert [row["OP CODE"] for row in rows] == [MODELLED, "UnaryDeviceOperation"]
