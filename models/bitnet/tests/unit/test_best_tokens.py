# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""The fused program that finds the largest logits, against a stable sort: exact, the first of equal logits first."""

import pytest
import torch

import ttnn
from models.bitnet.tests.common import BATCHES
from models.bitnet.tests.ternary import to_device
from models.bitnet.tt.generation.sampling import CANDIDATES
from models.bitnet.tt.kernels.head.best_tokens import NO_TOKEN, BestTokens, best_token, candidates
from models.bitnet.tt.layout import Chip

MOST = torch.tensor(1e30).item()
DTYPES = [ttnn.float32, ttnn.bfloat16]
every_dtype = pytest.mark.parametrize("dtype", DTYPES, ids=["float32", "bfloat16"])
every_batch = pytest.mark.parametrize("rows", BATCHES)
every_width = pytest.mark.parametrize("width", [32, 320, 4128])


def check(device, values: torch.Tensor, dtype: ttnn.DataType, padding: float = 0.0) -> None:
    """Check the greedy choice and the candidates for logits `values` [rows, width]. `padding` fills the last tile."""
    if dtype == ttnn.bfloat16:
        # the upper half of the bits where torch would give every NaN the same ones
        nan_bits = (values.view(torch.int32) >> 16 << 16).view(torch.float32)
        values = torch.where(values.isnan(), nan_bits, values.bfloat16().float())
    logits = to_device(values[None, None], device, dtype, pad_value=padding)
    sorted_values, order = values.sort(dim=-1, descending=True, stable=True)
    for row, numbers in enumerate(values.tolist()):
        if not all(number <= MOST for number in numbers):
            order[row], sorted_values[row] = NO_TOKEN, MOST
    grid, rows = Chip.of(device).grid, len(values)

    tokens = ttnn.from_torch(torch.full((1, 1, rows), 7, dtype=torch.int32), dtype=ttnn.uint32, device=device)
    result = best_token(logits, tokens, program=BestTokens.of(logits, 1, grid))
    assert torch.equal(ttnn.to_torch(tokens).long(), order[None, None, :, 0])
    assert result.buffer_address() == tokens.buffer_address()

    tokens, kept = candidates(logits, program=BestTokens.of(logits, CANDIDATES, grid))
    for tensor, expected in ((tokens, order), (kept, sorted_values)):
        assert tensor.dtype == ttnn.float32 and list(tensor.shape) == [1, 1, rows, CANDIDATES]
        assert torch.equal(ttnn.to_torch(tensor)[0, 0], expected[:, :CANDIDATES].float())


@every_dtype
@every_width
@pytest.mark.parametrize("rows", [pytest.param(rows, marks=pytest.mark.board) if rows != 7 else 7 for rows in BATCHES])
def test_random_rows(device, reset_seeds, rows, width, dtype):
    """Random logits of both signs. Many logits in bfloat16 are equal."""
    check(device, torch.randn(rows, width) * 4, dtype)


@pytest.mark.board
@pytest.mark.parametrize("rows, dtype", [(1, ttnn.bfloat16), (32, ttnn.float32)], ids=["1 row", "32 rows"])
def test_the_vocabulary_of_the_2b(device, reset_seeds, rows, dtype):
    check(device, torch.randn(rows, 128256) * 4, dtype)


@every_batch
@pytest.mark.parametrize("width, count", [(64, 64), (320, 256), (4128, 128)])
def test_more_candidates_than_a_tile_has_columns(device, reset_seeds, rows, width, count):
    """Each tile column of the candidates has the best of a group of columns. So all of them hold the best of all.

    The groups divide the vocabulary. One row has equal logits, and one has no best token in one group.
    """
    values = torch.randn(rows, width) * 4
    values[0] = torch.randint(-2, 3, (width,))
    values[rows // 2, width // 2] = torch.nan
    logits = ttnn.from_torch(values[None, None], dtype=ttnn.float32, layout=ttnn.TILE_LAYOUT, device=device)
    program = BestTokens.of(logits, count, Chip.of(device).grid)
    assert torch.equal(torch.cat(program.columns_of_groups).sort().values, torch.arange(width))
    results = [ttnn.to_torch(part)[0, 0] for part in candidates(logits, program=program)]
    assert [list(part.shape) for part in results] == [[rows, count]] * 2
    tokens, kept = (part.split(CANDIDATES, dim=1) for part in results)
    assert len(tokens) == len(program.columns_of_groups)
    for columns, of_group, logits_of_group in zip(program.columns_of_groups, tokens, kept):
        ordered, order = values[:, columns].sort(dim=1, descending=True, stable=True)
        expected, ordered = columns[order][:, :CANDIDATES], ordered[:, :CANDIDATES]
        unsound = values[:, columns].isnan().any(1)
        expected[unsound], ordered[unsound] = NO_TOKEN, MOST
        assert torch.equal(of_group.long(), expected) and torch.equal(logits_of_group, ordered)
    for row in set(range(rows)) - {rows // 2}:
        best = values[row].sort(descending=True, stable=True).indices[:CANDIDATES]
        assert set(best.tolist()) <= set(results[0][row].long().tolist())


@every_dtype
@every_batch
def test_equal_values(device, reset_seeds, rows, dtype):
    """Logits with five different values: every rank is a tie, within a core and between cores.

    One row has zeros of both signs.
    """
    values = torch.randint(-2, 3, (rows, 4128)).float()
    values[rows // 2] = torch.where(torch.rand(4128) < 0.5, 0.0, -0.0)
    check(device, values, dtype)


@every_dtype
@every_batch
def test_all_negative(device, reset_seeds, rows, dtype):
    check(device, -1 - torch.rand(rows, 4128), dtype)


@every_dtype
@pytest.mark.parametrize("finite", [0, 1, 20])
def test_minus_infinity(device, reset_seeds, finite, dtype):
    """A logit of -inf is a candidate if there are too few other logits."""
    values = torch.full((7, 320), -torch.inf)
    values[:, 300 - finite : 300] = torch.randn(7, finite)
    check(device, values, dtype)


@every_dtype
@pytest.mark.parametrize("place", [0, 31, 32, 4127])
@pytest.mark.parametrize("bits", [0x7FC00000, 0xFFC00000, 0x7F810000, 0xFF810000, 0x7FFFFFFF, 0xFFFFFFFF, 0x7F800000])
def test_a_row_with_nan_or_infinity_has_no_best_token(device, reset_seeds, bits, place, dtype):
    """A row with NaN or +inf at any place has no best token. All other rows have theirs.

    NaN has both signs, and is quiet or signalling. The largest accepted logit is still a logit.
    """
    values = torch.randn(7, 4128)
    values.view(torch.int32)[[1, 3], place] = torch.tensor(bits).to(torch.int32)
    values[3] = torch.where(values[3].isfinite(), -torch.inf, values[3])
    values[5].view(torch.int32)[:] = torch.tensor(bits).to(torch.int32)
    values[6, place] = 1e30 if dtype == ttnn.float32 else 9e29
    check(device, values, dtype)


def test_a_logit_that_is_too_large(device):
    """The next number after the largest accepted logit counts as infinity."""
    values = torch.zeros(2, 64)
    values[0, 9], values[1, 9] = 1e30, torch.tensor(1e30).nextafter(torch.tensor(torch.inf))
    check(device, values, ttnn.float32)


@every_dtype
def test_rising_and_falling_rows(device, dtype):
    """The best logit lies on the last core, or on the first."""
    values = torch.linspace(-3, 3, 4128).bfloat16().float()
    check(device, torch.stack([values, values.flip(0)] * 3 + [values]), dtype)


def test_magnitudes_from_the_smallest_to_the_largest(device, reset_seeds):
    """Every exponent that a logit has, without those below the smallest normal number."""
    bits = torch.randint(0x00800000, 0x71000000, (7, 4128), dtype=torch.int32)
    check(device, bits.view(torch.float32) * torch.randn(7, 4128).sign(), ttnn.float32)


def test_other_logits_in_the_same_program(device, reset_seeds):
    """A program is described once. Later calls differ in addresses."""
    program, kept = None, []
    for _ in range(3):
        values = torch.randn(7, 320)
        kept.append(ttnn.from_torch(values[None, None], dtype=ttnn.float32, layout=ttnn.TILE_LAYOUT, device=device))
        program = program or BestTokens.of(kept[-1], 1, Chip.of(device).grid)
        tokens = ttnn.from_torch(torch.zeros(1, 1, 7, dtype=torch.int32), dtype=ttnn.uint32, device=device)
        best_token(kept[-1], tokens, program=program)
        assert torch.equal(ttnn.to_torch(tokens).long()[0, 0], values.argmax(-1))


@every_dtype
@pytest.mark.parametrize("padding", [1e20, torch.inf, torch.nan])
@pytest.mark.parametrize("width", [33, 47, 4097])
def test_padding_is_never_chosen(device, reset_seeds, width, padding, dtype):
    """A vocabulary need not fill its last tile. What lies behind it is no logit."""
    check(device, -1 - torch.rand(7, width), dtype, padding)


def test_groups_of_a_width_that_is_no_whole_tiles(device, reset_seeds):
    values = -1 - torch.rand(7, 32002)
    logits = to_device(values[None, None], device, pad_value=torch.inf)
    program = BestTokens.of(logits, 256, Chip.of(device).grid)
    assert torch.equal(torch.cat(program.columns_of_groups).sort().values, torch.arange(32002))
    tokens, _ = candidates(logits, program=program)
    best = values.topk(CANDIDATES).indices
    for row, chosen in enumerate(ttnn.to_torch(tokens)[0, 0].long().tolist()):
        assert set(best[row].tolist()) <= set(chosen) and max(chosen) < 32002


def test_more_candidates_than_tokens(device):
    logits = ttnn.from_torch(torch.zeros(1, 1, 1, 64), dtype=ttnn.float32, layout=ttnn.TILE_LAYOUT, device=device)
    with pytest.raises(ValueError, match="128 candidates are more than the vocabulary of 64"):
        BestTokens.of(logits, 128, Chip.of(device).grid)
