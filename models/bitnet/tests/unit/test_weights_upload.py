# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""The cache folder of converted weights: it is used, boards may use the same folder, and damaged files are replaced."""

import os
from dataclasses import replace

import pytest
import torch

import ttnn
from models.bitnet.tests.common import SMALL
from models.bitnet.tt.lm_head import StockLMHead
from models.bitnet.tt.model_config import ModelConfig
from models.bitnet.tt.weights.upload import DeviceWeights

WEIGHT = torch.randint(-1, 2, (64, 96), generator=torch.Generator().manual_seed(0)).float()


def load(device, folder, weight=WEIGHT) -> torch.Tensor:
    loaded = DeviceWeights(device, folder).load("q_proj", weight, ttnn.bfloat8_b, ttnn.DRAM_MEMORY_CONFIG)
    return ttnn.to_torch(loaded).float()[0, 0].T


def test_the_second_start_reads_the_first_ones_file(device, tmp_path):
    assert torch.equal(load(device, tmp_path), WEIGHT)
    assert torch.equal(load(device, tmp_path, torch.zeros_like(WEIGHT)), WEIGHT)
    assert len(list(tmp_path.iterdir())) == 1


def test_every_dtype_has_a_file_of_its_own(device, tmp_path):
    dtypes = [ttnn.bfloat16, ttnn.bfloat8_b, ttnn.bfloat4_b]
    for dtype in dtypes:
        loaded = DeviceWeights(device, tmp_path).load("q_proj", WEIGHT, dtype, ttnn.DRAM_MEMORY_CONFIG)
        assert loaded.dtype == dtype
    assert len(list(tmp_path.iterdir())) == len(dtypes)


@pytest.mark.parametrize("damage", ["empty", "cut", "garbage", "text"])
def test_a_damaged_file_is_written_anew(device, tmp_path, damage):
    load(device, tmp_path)
    (file,) = tmp_path.iterdir()
    whole = file.read_bytes()
    file.write_bytes(
        {"empty": b"", "cut": whole[:-1], "garbage": os.urandom(len(whole)), "text": b"text\n" * 99}[damage]
    )
    with pytest.warns(UserWarning, match="is damaged and is written anew"):
        assert torch.equal(load(device, tmp_path), WEIGHT)
    assert file.read_bytes() == whole


def test_processes_of_one_number_write_the_same_matrix_at_once(device, tmp_path, monkeypatch):
    """Two containers may use one folder and have processes with the same id."""
    write, others = ttnn.dump_tensor, []

    def while_another_does(path: str, tensor: ttnn.Tensor) -> None:
        write(path, tensor)
        if not others:
            others.append(path)
            assert torch.equal(load(device, tmp_path), WEIGHT)

    monkeypatch.setattr(ttnn, "dump_tensor", while_another_does)
    assert torch.equal(load(device, tmp_path), WEIGHT)
    assert others and len(list(tmp_path.iterdir())) == 1


def test_boards_that_cut_the_head_differently_share_a_folder(device, tmp_path):
    config = ModelConfig(replace(SMALL, vocab_size=4096), device, "accuracy")
    weight = torch.randn(4096, SMALL.hidden_size).bfloat16()
    widths = []
    for tiles in (1, 64):
        head = StockLMHead(config, DeviceWeights(device, tmp_path), weight, tiles_per_core=tiles)
        pieces = [piece for piece, _ in head.pieces]
        widths.append([piece.shape[-1] for piece in pieces])
        assert torch.equal(torch.cat([ttnn.to_torch(piece)[0, 0].T for piece in pieces]), weight)
    assert len(widths[0]) == 2 and len(widths[1]) == 1
