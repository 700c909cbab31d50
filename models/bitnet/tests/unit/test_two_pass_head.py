# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""The head in two passes: the likeliest tokens and their logits are those of a bfloat16 head, in float64."""

from dataclasses import replace

import pytest
import torch

import ttnn
from models.bitnet.perf.random_weights import SharedWeights, shape
from models.bitnet.tests.common import BATCHES, to_decode, to_integers
from models.bitnet.tt.generation.sampling import CANDIDATES
from models.bitnet.tt.kernels.head.best_tokens import NO_TOKEN
from models.bitnet.tt.model_config import ModelConfig
from models.bitnet.tt.precision import FUSED
from models.bitnet.tt.two_pass_head import TwoPassHead

pytestmark = pytest.mark.board

TWO_PASS = replace(FUSED, head="two-pass")


class Case:
    """A head of a vocabulary, and rows before it."""

    def __init__(self, device, users, vocabulary=4128):
        self.config = ModelConfig(shape(4, 2, 32, 64, vocab=vocabulary), device, TWO_PASS, users, max_seq_len=64)
        self.weight = torch.randn(vocabulary, self.config.model.hidden_size).bfloat16()
        self.x = torch.randn(users, self.config.model.hidden_size)

    def run(self) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """The best token of each row, and its candidates with their logits."""
        weights = SharedWeights(self.config.device)
        table = weights.load_table("table", self.weight, ttnn.bfloat16)
        head = TwoPassHead(self.config, weights, self.weight, table)
        tokens = to_integers(torch.zeros(1, 1, len(self.x)), self.config.device, ttnn.uint32)
        head.best(self._rows(), tokens)
        likeliest, values = head.candidates(self._rows())
        return ttnn.to_torch(tokens)[0, 0].long(), ttnn.to_torch(likeliest)[0, 0].long(), ttnn.to_torch(values)[0, 0]

    def check(self) -> None:
        best, likeliest, values = self.run()
        expected, order = (self.x.double() @ self.weight.double().T).sort(dim=1, descending=True, stable=True)
        assert torch.equal(best, order[:, 0])
        assert torch.equal(likeliest, order[:, :CANDIDATES])
        torch.testing.assert_close(values.double(), expected[:, :CANDIDATES], rtol=1e-5, atol=1e-5)

    def _rows(self) -> ttnn.Tensor:
        return to_decode(self.x, self.config, self.config.residual_memory)


@pytest.mark.parametrize("users", BATCHES)
def test_random_rows(device, reset_seeds, users):
    Case(device, users).check()


@pytest.mark.parametrize("vocabulary", [32, 96])
def test_a_vocabulary_smaller_than_the_shortlist(device, reset_seeds, vocabulary):
    """All tokens are in the shortlist."""
    Case(device, 7, vocabulary).check()


def test_the_second_pass_decides(device, reset_seeds):
    """Twenty tokens are so alike that the first pass has them in another order."""
    case = Case(device, 1)
    places = torch.arange(20) * 200
    case.weight[places] = (case.x[0] * (1 + torch.randperm(20)[:, None] * 2.0**-6)).bfloat16()
    rounded = ttnn.from_torch(case.weight.T, dtype=ttnn.bfloat4_b, layout=ttnn.TILE_LAYOUT, device=device)
    first = (case.x @ ttnn.to_torch(rounded).float())[0, places].argsort()
    assert not torch.equal(first, (case.x @ case.weight.float().T)[0, places].argsort())
    case.check()


def test_a_row_without_a_best_token(device, reset_seeds):
    case = Case(device, 7)
    case.x[3, 5] = torch.nan
    best, likeliest, _ = case.run()
    assert best[3] == NO_TOKEN and (likeliest[3] == NO_TOKEN).all()
    others = [0, 1, 2, 4, 5, 6]
    assert torch.equal(best[others], (case.x[others].double() @ case.weight.double().T).argmax(1))
