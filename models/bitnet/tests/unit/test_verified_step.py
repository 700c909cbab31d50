# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""A decode step in which several rows belong to one text, by its programs' own kernels.

Such a step verifies drafts. It must compute what as many steps of one row compute, bit for bit.
"""

from dataclasses import replace

import pytest
import torch

import ttnn
from models.bitnet.perf.random_model import SteppingModel
from models.bitnet.perf.random_weights import random_state, shape
from models.bitnet.tt.config import BitNetConfig
from models.bitnet.tt.generator import IDLE
from models.bitnet.tt.kv_cache import LayerCache

MODEL = shape(4, 2, 32, 224)
OTHER_FAMILIES = {
    "no sub-norms": replace(shape(2, 1, 64, 224), sub_norms=False, hidden_act="silu"),
    "silu": replace(shape(2, 2, 96, 224, vocab=333), hidden_act="silu"),
}
CONTEXT = 64
TOKENS = torch.tensor([9, 40, 3, 77])


class Case:
    """A model of one layer, whose rows all have the blocks of one text. The text's past is random."""

    def __init__(self, device, rows: int, model: BitNetConfig = MODEL):
        self.device, self.rows = device, rows
        self.model = SteppingModel(device, "fused", rows, model, random_state(model), CONTEXT)
        _, kv_heads, block_size, width = self.model.cache[0].keys.shape
        self.past = [torch.randn(self.model.paging.max_num_blocks, kv_heads, block_size, width) for _ in "kv"]

    def fill(self) -> None:
        """Write the text's past into the cache."""
        shape = self.model.cache[0].keys.shape
        pools = [torch.nn.functional.pad(p, (0, 0, 0, 0, 0, 0, 0, shape[0] - len(p))) for p in self.past]
        self.model.cache[:] = [
            LayerCache(
                *(ttnn.from_torch(p, dtype=ttnn.bfloat16, layout=ttnn.TILE_LAYOUT, device=self.device) for p in pools)
            )
        ]

    def logits(self, places: dict[int, int], first: int) -> dict[int, torch.Tensor]:
        """Run one step. `places` has the place of each row's token, and `first` the position of the first token.
        Returns the logits behind each token, by its place."""
        tokens, positions = torch.zeros(self.rows), torch.full((self.rows,), IDLE)
        for row, place in places.items():
            tokens[row], positions[row] = TOKENS[place], first + place
        result = self.model.generator.decode_forward(tokens, positions, self.model.page_table, enable_trace=False)
        return {place: result[row, 0] for row, place in places.items()}

    def pools(self) -> list[torch.Tensor]:
        return [ttnn.to_torch(pool) for pool in (self.model.cache[0].keys, self.model.cache[0].values)]


@pytest.mark.parametrize(
    "rows, places, first",
    [
        pytest.param(2, {0: 0, 1: 1}, 20, id="two rows of one block"),
        pytest.param(5, {2: 0, 0: 1, 4: 2, 1: 3}, 30, id="four rows of two blocks", marks=pytest.mark.slow),
    ],
)
def test_rows_of_one_text_are_steps_one_after_the_other(device, reset_seeds, rows, places, first):
    """The step of all rows comes first, because the first run of a program is the one that is sanitized."""
    check(Case(device, rows), places, first)


@pytest.mark.board
@pytest.mark.parametrize("model", OTHER_FAMILIES.values(), ids=OTHER_FAMILIES)
def test_other_families(device, reset_seeds, model):
    check(Case(device, 3, model), {0: 0, 2: 1, 1: 2}, 31)


def check(case, places, first):
    case.fill()
    at_once, pools, one_by_one = case.logits(places, first), case.pools(), {}
    case.fill()
    for row, place in sorted(places.items(), key=lambda item: item[1]):
        one_by_one |= case.logits({row: place}, first)
    assert all(torch.equal(one_by_one[place], at_once[place]) for place in places.values())
    assert all(map(torch.equal, pools, case.pools()))
    assert len({int(row.argmax()) for row in at_once.values()}) > 1, "all rows compute the same"
