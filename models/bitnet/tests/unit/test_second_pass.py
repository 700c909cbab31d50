# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""The fused program of the head's second pass, against float64 products and a sort of them."""

import pytest
import torch

import ttnn
from models.bitnet.tests.common import BATCHES
from models.bitnet.tests.ternary import to_device
from models.bitnet.tt.generation.sampling import CANDIDATES
from models.bitnet.tt.kernels.head.best_tokens import NO_TOKEN
from models.bitnet.tt.kernels.head.second_pass import SecondPass, best_of_shortlist, candidates_of_shortlist
from models.bitnet.tt.layout import TILE, Chip, columns, free_l1_bytes

pytestmark = pytest.mark.board

MOST = torch.tensor(1e30).item()
every_batch = pytest.mark.parametrize("rows", BATCHES)


class Case:
    """Rows of `inner` tiles, a table of `tokens` rows, and a shortlist of `length` tokens for each row."""

    def __init__(self, device, rows, inner, tokens=640, length=TILE):
        self.device, self.tokens, self.length = device, tokens, length
        self.x = torch.randn(rows, inner * TILE)
        self.table = torch.randn(tokens, inner * TILE).bfloat16()
        self.shortlist = torch.stack([torch.randperm(tokens)[:length] for _ in range(rows)])

    def logits(self) -> torch.Tensor:
        """The logits of the shortlists in float64."""
        return (self.table.double()[self.shortlist] @ self.x.double()[:, :, None])[..., 0]

    def run(self, sharded: bool = True) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """The best token of each row, and its candidates with their logits. The rows are in L1 if `sharded`."""
        rows, width = self.x.shape
        chip = Chip.of(self.device)
        memory = columns(width, chip).memory_config() if sharded else ttnn.DRAM_MEMORY_CONFIG
        x = to_device(self.x[None, None], self.device, ttnn.float32, memory)
        shortlist = to_device(self.shortlist.float()[None, None], self.device, ttnn.float32)
        table = ttnn.from_torch(self.table, dtype=ttnn.bfloat16, device=self.device)

        def program(count: int) -> SecondPass:
            return SecondPass(rows, width // TILE, self.length, self.tokens, count, chip.grid)

        tokens = ttnn.from_torch(torch.full((1, 1, rows), 7).int(), dtype=ttnn.uint32, device=self.device)
        result = best_of_shortlist(x, shortlist, table, tokens, program=program(1))
        assert result.buffer_address() == tokens.buffer_address()
        found = candidates_of_shortlist(x, shortlist, table, program=program(CANDIDATES))
        assert all(part.dtype == ttnn.float32 and list(part.shape) == [1, 1, rows, CANDIDATES] for part in found)
        likeliest, values = (ttnn.to_torch(part)[0, 0] for part in found)
        return ttnn.to_torch(tokens)[0, 0].long(), likeliest.long(), values

    def expected(self) -> tuple[torch.Tensor, torch.Tensor]:
        """The candidates and their logits. Of equal logits the first token comes first."""
        tokens, by_token = self.shortlist.sort()
        logits, order = self.logits().gather(1, by_token).sort(dim=1, descending=True, stable=True)
        return tokens.gather(1, order)[:, :CANDIDATES], logits[:, :CANDIDATES]

    def check(self, sharded: bool = True) -> None:
        """Tokens are exact, logits within a few units in the last place of the largest product."""
        best, likeliest, values = self.run(sharded)
        tokens, logits = self.expected()
        assert torch.equal(likeliest, tokens)
        assert torch.equal(best, tokens[:, 0])
        products = (self.table.double()[likeliest] * self.x.double()[:, None]).abs()
        assert ((values - logits).abs() <= 2.0**-23 * products.sum(-1)).all()


@every_batch
@pytest.mark.parametrize("length", [32, 128])
@pytest.mark.parametrize("inner", [1, 32, 33])
def test_random_rows(device, reset_seeds, rows, inner, length):
    """Rows of a part of a tile, of a tile, and of a little more."""
    Case(device, rows, inner, length=length).check()


@pytest.mark.parametrize("rows, length", [(1, 256), (7, 128), pytest.param(32, 128, marks=pytest.mark.slow)])
def test_the_width_of_the_2b(device, reset_seeds, rows, length):
    Case(device, rows, 80, length=length).check()


def test_rows_in_dram(device, reset_seeds):
    Case(device, 7, 3).check(sharded=False)


def test_no_order_of_events_changes_a_bit(device, reset_seeds):
    """Integers give exact logits."""
    case = Case(device, 3, 2, length=64)
    case.x, case.table = torch.randint(-9, 10, case.x.shape).float(), torch.randint(-9, 10, case.table.shape).bfloat16()
    best, likeliest, values = case.run()
    tokens, logits = case.expected()
    assert torch.equal(likeliest, tokens) and torch.equal(best, tokens[:, 0])
    assert torch.equal(values, logits.float())


@every_batch
def test_equal_logits(device, reset_seeds, rows):
    """Logits with five different values. The first of equal tokens comes first, wherever it is in the shortlist."""
    case = Case(device, rows, 2, length=64)
    case.x[:] = 0
    case.x[:, 40] = 1
    case.table[:, 40] = torch.randint(-2, 3, (case.tokens,)).bfloat16()
    case.check()


def test_float32_rows_keep_all_their_bits(device):
    """Two tokens differ in the last bit of a value, and the others are far behind."""
    case = Case(device, 1, 1)
    case.x[:] = 0
    case.x[0, 3], case.x[0, 4] = 1 + 2.0**-23, 1
    case.table[:] = -1
    first, second = case.shortlist[0, 30], case.shortlist[0, 2]
    case.table[first, 3:5] = torch.tensor([1.0, 0.0])
    case.table[second, 3:5] = torch.tensor([0.0, 1.0])
    best, _, values = case.run()
    assert best.tolist() == [first]
    assert values[0, :2].tolist() == [1 + 2.0**-23, 1.0]


@pytest.mark.parametrize("missing", [1, 32])
def test_a_shortlist_without_tokens_has_no_best(device, reset_seeds, missing):
    """The first pass gives NO_TOKEN to a row that has no best token. All other rows have theirs."""
    case = Case(device, 7, 3)
    case.shortlist[2, 32 - missing :] = NO_TOKEN
    best, likeliest, values = case.run()
    assert best[2] == NO_TOKEN and (likeliest[2] == NO_TOKEN).all() and (values[2] == MOST).all()
    case.shortlist[2] = torch.arange(32)
    tokens, _ = case.expected()
    others = [0, 1, 3, 4, 5, 6]
    assert torch.equal(best[others], tokens[others, 0]) and torch.equal(likeliest[others], tokens[others])


@pytest.mark.parametrize("value", [torch.inf, -torch.inf, torch.nan, 1e31])
def test_an_unsound_logit_has_no_best(device, reset_seeds, value):
    """A row with NaN, infinity or too large a logit has no best token. A logit of minus infinity comes last."""
    case = Case(device, 7, 2)
    case.x[:] = 0
    case.x[:, 5] = 1
    token = case.shortlist[4, 9]
    case.table[:, 5] = torch.randn(case.tokens).bfloat16()
    case.shortlist[[0, 1, 2, 3, 5, 6]] = torch.arange(case.tokens)[torch.arange(case.tokens) != token][:32]
    case.table[token, 5] = value
    best, likeliest, values = case.run()
    tokens, _ = case.expected()
    if value == -torch.inf:
        assert torch.equal(likeliest, tokens) and likeliest[4, -1] == token and values[4, -1] == value
    else:
        assert best[4] == NO_TOKEN and (likeliest[4] == NO_TOKEN).all() and (values[4] == MOST).all()
    others = [0, 1, 2, 3, 5, 6]
    assert torch.equal(best[others], tokens[others, 0]) and torch.equal(likeliest[others], tokens[others])


def test_the_buffers_take_little_of_l1(device):
    """The width is that of BitNet b1.58 2B4T."""
    assert SecondPass(32, 80, 256, 128256, 32, (8, 7)).l1_bytes < free_l1_bytes(device) / 10
