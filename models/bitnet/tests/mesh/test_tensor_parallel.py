# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""Tensor parallel: sharded weights and their cache files, the choice of a token over a sharded vocabulary, refusals."""

import math
from dataclasses import replace

import pytest
import torch

import ttnn
from models.bitnet.perf.random_weights import FULL, shape
from models.bitnet.tests.mesh.rows import row_of
from models.bitnet.tt.generation.likeliest import likeliest_of
from models.bitnet.tt.kernels.head.best_tokens import NO_TOKEN
from models.bitnet.tt.lm_head import StockLMHead
from models.bitnet.tt.model_config import ModelConfig, default_precision
from models.bitnet.tt.precision import ACCURACY, FUSED
from models.bitnet.tt.weights.upload import DeviceWeights

MODEL = shape(4, 2, 32, 256, vocab=4096)


def test_each_chip_loads_its_shard_and_the_file_name_has_the_sharding(tmp_path):
    weight = torch.randint(-1, 2, (256, 128), generator=torch.Generator().manual_seed(0)).float()
    for chips in (1, 2, 4, 2):
        with row_of(chips) as device:
            config = ModelConfig(MODEL, device, "accuracy")
            weights, sharding = DeviceWeights(device, tmp_path), config.parallelism.column_sharding
            loaded = weights.load("gate", weight, ttnn.bfloat4_b, config.programs.gate.weight_memory, sharding)
            assert loaded.shape[-1] == 256 // chips
            parts = [ttnn.to_torch(part).float()[0, 0].T for part in ttnn.get_device_tensors(loaded)]
            assert torch.equal(torch.cat(parts), weight)
    assert sorted(file.name.split(".")[1] for file in tmp_path.iterdir()) == ["bfloat4_b", "columns2", "columns4"]


@pytest.mark.parametrize("chips", [2, 4])
def test_the_likeliest_of_a_sharded_vocabulary(chips):
    """The first of several equal logits is chosen, also where they lie on different chips.

    A row with NaN or infinity on any chip has no best token, and its candidates' logits are finite.
    """
    torch.manual_seed(3)
    logits = torch.randn(1, 1, 7, 4096)
    logits[..., 5::512] = 9.0
    logits[:, :, 1] = 1.0
    bad = {2: math.nan, 4: math.inf}
    logits[0, 0, 2, 40], logits[0, 0, 4, 3000] = bad.values()  # on the first chip, on the last but one or the last
    with row_of(chips) as device:
        config = ModelConfig(MODEL, device, "accuracy")
        likeliest = likeliest_of(config)

        def upload():
            mapper = config.parallelism.column_sharding.mapper
            return ttnn.from_torch(
                logits, dtype=ttnn.float32, layout=ttnn.TILE_LAYOUT, device=device, mesh_mapper=mapper
            )

        tokens, values = map(config.parallelism.read_replicated, likeliest.candidates(upload()))
        best = ttnn.from_torch(torch.zeros(1, 1, 7).int(), dtype=ttnn.uint32, device=device)
        likeliest.best(upload(), best)
        for row in range(7):
            if row in bad:
                assert (tokens[0, 0, row] >= NO_TOKEN).all() and values[0, 0, row].isfinite().all()
                assert all(int(ttnn.to_torch(chip)[0, 0, row]) >= NO_TOKEN for chip in ttnn.get_device_tensors(best))
                continue
            order = sorted(range(4096), key=lambda token: (-logits[0, 0, row, token].item(), token))[:32]
            assert tokens[0, 0, row].tolist() == order
            assert torch.equal(values[0, 0, row], logits[0, 0, row, order])
            assert all(int(ttnn.to_torch(chip)[0, 0, row]) == order[0] for chip in ttnn.get_device_tensors(best))


def test_the_head_in_pieces():
    """If lm_head computes each chip's shard of the vocabulary in pieces, the logits are still in order."""
    torch.manual_seed(4)
    weight, x = torch.randn(16384, 128).bfloat16(), torch.randn(1, 1, 32, 128).bfloat16()
    with row_of(2) as device:
        config = ModelConfig(replace(MODEL, vocab_size=16384), device, "accuracy")
        head = StockLMHead(config, DeviceWeights(device), weight, tiles_per_core=1)
        assert len(head.pieces) > 1
        rows = ttnn.from_torch(x, dtype=config.activations, layout=ttnn.TILE_LAYOUT, device=device)
        logits = config.parallelism.read_sharded(head(rows))
    torch.testing.assert_close(logits[0, 0], x[0, 0].float() @ weight.float().T, atol=0.3, rtol=0.02)


@pytest.mark.parametrize(
    "chips,rows,model,precision,problem",
    [
        (2, 1, MODEL, "fused", "fused runs on one chip, there are 2; use precision accuracy"),
        (4, 1, replace(FULL, vocab_size=320), "accuracy", "vocab_size 320 does not divide into whole tiles on 4 chips"),
        (2, 1, shape(4, 2, 32, 224), "accuracy", "intermediate_size 224 does not divide into whole tiles on 2 chips"),
        (2, 2, MODEL, "accuracy", "a mesh of 2 x 2 chips: one model is sharded over one row of chips; give each row"),
    ],
)
def test_refusals(chips, rows, model, precision, problem):
    with row_of(chips, rows) as device, pytest.raises(ValueError, match=problem) as error:
        ModelConfig(model, device, precision)
    assert "\n" not in str(error.value)


def test_the_default_precision_is_fused_on_one_chip_only():
    for chips, precision in ((1, FUSED), (2, ACCURACY), (4, ACCURACY)):
        with row_of(chips) as device:
            assert default_precision(MODEL, device, users=1) is precision
