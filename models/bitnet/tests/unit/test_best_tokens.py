# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""The program that finds the largest logits, against a stable sort: exact, with the first of equal logits first."""

import pytest
import torch

import ttnn
from models.bitnet.tests.common import BATCHES
from models.bitnet.tt.generation.sampling import CANDIDATES
from models.bitnet.tt.kernels.head.best_tokens import BestTokens, best_token, candidates
from models.bitnet.tt.layout import Chip

DTYPES = [ttnn.float32, ttnn.bfloat16]
every_dtype = pytest.mark.parametrize("dtype", DTYPES, ids=["float32", "bfloat16"])
every_batch = pytest.mark.parametrize("rows", BATCHES)
every_width = pytest.mark.parametrize("width", [32, 320, 128256])


def check(device, values: torch.Tensor, dtype: ttnn.DataType) -> None:
    """Both forms on `values` [rows, width]."""
    values = values if dtype == ttnn.float32 else values.bfloat16().float()
    logits = ttnn.from_torch(values[None, None], dtype=dtype, layout=ttnn.TILE_LAYOUT, device=device)
    sorted_values, order = values.sort(dim=-1, descending=True, stable=True)
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
@every_batch
def test_random_rows(device, reset_seeds, rows, width, dtype):
    """Of both signs; in bfloat16 many are equal."""
    check(device, torch.randn(rows, width) * 4, dtype)


@every_dtype
@every_batch
def test_equal_values(device, reset_seeds, rows, dtype):
    """A few different values, so that every place in the order is a tie, in and between cores; one row is all the same,
    and its zeros are of both signs."""
    values = torch.randint(-2, 3, (rows, 4128)).float()
    values[rows // 2] = torch.where(torch.rand(4128) < 0.5, 0.0, -0.0)
    check(device, values, dtype)


@every_dtype
@every_batch
def test_all_negative(device, reset_seeds, rows, dtype):
    check(device, -1 - torch.rand(rows, 4128), dtype)


@every_dtype
@pytest.mark.parametrize("finite", [0, 1, 20])
def test_infinities(device, reset_seeds, finite, dtype):
    """-inf is taken where there are too few others, +inf before all."""
    values = torch.full((7, 320), -torch.inf)
    values[:, 300 - finite : 300] = torch.randn(7, finite)
    values[3, 77] = torch.inf
    check(device, values, dtype)


@every_dtype
def test_rising_and_falling_rows(device, dtype):
    """The best of all on the last core, and on the first."""
    values = torch.linspace(-3, 3, 4128).bfloat16().float()
    check(device, torch.stack([values, values.flip(0)] * 3 + [values]), dtype)


def test_magnitudes_from_the_smallest_to_the_largest(device, reset_seeds):
    """Every exponent that float32 has, without those below the smallest normal number."""
    bits = torch.randint(0x00800000, 0x7F800000, (7, 4128), dtype=torch.int32)
    check(device, bits.view(torch.float32) * torch.randn(7, 4128).sign(), ttnn.float32)


def test_other_logits_in_the_same_program(device, reset_seeds):
    """A program is described once: later calls differ in addresses."""
    program, kept = None, []
    for _ in range(3):
        values = torch.randn(7, 320)
        kept.append(ttnn.from_torch(values[None, None], dtype=ttnn.float32, layout=ttnn.TILE_LAYOUT, device=device))
        program = program or BestTokens.of(kept[-1], 1, Chip.of(device).grid)
        tokens = ttnn.from_torch(torch.zeros(1, 1, 7, dtype=torch.int32), dtype=ttnn.uint32, device=device)
        best_token(kept[-1], tokens, program=program)
        assert torch.equal(ttnn.to_torch(tokens).long()[0, 0], values.argmax(-1))


def test_a_width_that_is_no_whole_tiles(device):
    logits = ttnn.from_torch(torch.zeros(1, 1, 1, 33), dtype=ttnn.float32, layout=ttnn.TILE_LAYOUT, device=device)
    with pytest.raises(ValueError, match="the vocabulary of 33 is no multiple of 32"):
        BestTokens.of(logits, 1, Chip.of(device).grid)
