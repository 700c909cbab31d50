# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""Prefill has few programs a layer, no transfers with the host inside, and a cost that is linear in the prompt."""

import functools

import pytest
import torch

import ttnn
from models.bitnet.perf.prefill_profile import profile_prefill
from models.bitnet.perf.programs import Program
from models.bitnet.perf.random_model import SteppingModel, cheap_state, sizes
from models.bitnet.tests.common import SMALL, to_integers

ONE_LAYER = sizes(layers=1, vocabulary=8192)
PRECISIONS = ("performance", "accuracy", "fused")
MOST_PROGRAMS = {"performance": 24, "accuracy": 48, "fused": 21}
LENGTHS = (128, 512, 2048)


@pytest.fixture(scope="module")
def models(open_device):
    state = cheap_state(ONE_LAYER)
    return {precision: SteppingModel(open_device, precision, 1, ONE_LAYER, state) for precision in PRECISIONS}


@functools.cache
def layer_programs(model: SteppingModel, length: int) -> list[Program]:
    """The programs that the layer adds to the prefill of a prompt: those with the layer without those without it."""
    return profile_prefill(model, length).layer


@pytest.mark.parametrize("precision", PRECISIONS)
def test_programs_a_layer(models, precision):
    model = models[precision]
    added = layer_programs(model, 128)
    print(f"{precision}: {len(added)} programs a layer")
    assert len(added) <= MOST_PROGRAMS[precision]


@pytest.mark.parametrize("precision", ["performance", "accuracy"])
def test_stock_products_use_the_whole_grid(models, precision):
    matmuls = [program for program in layer_programs(models[precision], 128) if program.name == "Matmul"]
    assert {program.fidelity for program in matmuls} == {"LoFi"}
    assert {program.kernel for program in matmuls} == {"MatmulMultiCoreReuseMcast2D"}


def test_fused_products_move_less_than_stock_ones_of_the_same_arithmetic(models):
    """Fused programs do the same operations with half the bytes, and with less than half the bytes of weights."""
    own, stock = (layer_programs(models[precision], 128) for precision in ("fused", "accuracy"))

    def total(programs: list[Program], *figures: str) -> int:
        return sum(getattr(program, figure) for program in programs for figure in figures)

    moved = [total(programs, "dram_read", "dram_written") for programs in (own, stock)]
    print(f"MB of a layer of 128 rows: fused {moved[0] / 1e6:.1f}, accuracy {moved[1] / 1e6:.1f}")
    assert total(own, "weight_bytes") < total(stock, "weight_bytes") / 2
    assert moved[0] < moved[1] / 2
    assert total(own, "flops") == pytest.approx(total(stock, "flops"), rel=1e-3)


@pytest.mark.board
@pytest.mark.parametrize("length", [32, 704, 1024])
def test_codes_stay_in_l1_between_two_fused_programs(models, length):
    """Each of the four projections has two programs. The library refuses one whose buffers lie over a tensor in L1."""
    programs = layer_programs(models["fused"], length)
    pairs = [pair for pair in zip(programs, programs[1:]) if pair[0].name == "prefill_codes"]
    assert [product.name for _, product in pairs] == 4 * ["prefill_product"]
    for codes, product in pairs:
        results = (*codes.inputs[2:], *codes.outputs)  # the graph has the first of two results among the inputs
        assert (
            [tensor.in_dram for tensor in results] == [tensor.in_dram for tensor in product.inputs[:2]] == 2 * [False]
        )


def test_no_host_traffic_inside(models, monkeypatch):
    """The inputs of a chunk are uploaded before. The layers then make no transfers with the host."""
    model = models["performance"]
    rows, blocks, device = 128, model.page_table[:1], model.config.device
    inputs = (
        to_integers(torch.zeros(1, rows), device, ttnn.uint32),
        to_integers(blocks, device),
        to_integers(blocks[:, : rows // 32], device),
    )

    def refuse(*args, **kwargs):
        raise AssertionError("host traffic inside prefill")

    for name in ("from_torch", "to_torch", "to_device", "from_device", "copy_host_to_device_tensor", "as_tensor"):
        monkeypatch.setattr(ttnn, name, refuse)
    model.model.forward_prefill(inputs[0], model.cache, inputs[1], inputs[2], 0, rows - 1)


@pytest.mark.parametrize("shape", [SMALL, pytest.param(ONE_LAYER, marks=pytest.mark.slow)], ids=["small", "2b"])
def test_cost_is_linear_in_the_prompt(open_device, shape):
    """A prompt four times as long has at most four times the programs and bytes, and exactly four times the matmuls."""
    model = SteppingModel(open_device, "performance", 1, shape, cheap_state(shape))
    costs = {length: layer_programs(model, length) for length in LENGTHS}

    def total(length: int, figure: str, matmuls: bool = False) -> int:
        return sum(getattr(p, figure) for p in costs[length] if p.name == "Matmul" or not matmuls)

    for short, long in zip(LENGTHS, LENGTHS[1:]):
        ratio = long // short
        chunks = -(-long // model.config.prefill_chunk)
        assert len(costs[long]) == chunks * len(costs[LENGTHS[0]])
        for figure in ("dram_read", "dram_written"):
            assert total(long, figure) <= ratio * total(short, figure)
        assert total(long, "flops", matmuls=True) == ratio * total(short, "flops", matmuls=True)
    for length in LENGTHS:
        moved = total(length, "dram_read") + total(length, "dram_written")
        print(
            f"{length} tokens: {len(costs[length])} programs, {moved / 1e6:.1f} MB, "
            f"{total(length, 'flops') / 1e9:.1f} GFLOP"
        )
