# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""The logits of lm_head against a float64 product with the output matrix, whole and in pieces."""

from dataclasses import replace

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import ttnn
from models.bitnet.perf.random_weights import FULL, SharedWeights, shape, spread
from models.bitnet.tests.common import (
    BATCHES,
    TINY,
    assert_level,
    every_precision,
    tiny_and_full,
    to_decode,
    to_prefill,
    to_rows,
)
from models.bitnet.tt.generation.likeliest import Likeliest
from models.bitnet.tt.layout import TILE, Chip
from models.bitnet.tt.lm_head import StockLMHead, lm_head
from models.bitnet.tt.model_config import ModelConfig
from models.bitnet.tt.precision import FUSED, HEAD_WEIGHTS


class Case:
    def __init__(self, device, model, precision, users, weight=None, weights=None):
        self.config = ModelConfig(model, device, precision, users, max_seq_len=64)
        self.weight = torch.randn(model.vocab_size, model.hidden_size).bfloat16() if weight is None else weight
        self.head = lm_head(self.config, weights or SharedWeights(device), self.weight)

    def check(self, x, rows):
        """Check the logits of x [rows, hidden]. `rows` is x on the device."""
        logits = to_rows(self.head(rows), len(x))
        assert_level(self.config.precision, "module", (x.double() @ self.weight.double().T).float(), logits)

    def check_prefill(self, x):
        self.check(x, to_prefill(x, self.config))

    def check_decode(self, x):
        self.check(x, to_decode(x, self.config, self.config.residual_memory))


@every_precision
@tiny_and_full
def test_lm_head_prefill(device, reset_seeds, model, precision):
    """The input is the one tile of token rows that prefill keeps, anywhere in DRAM."""
    case = Case(device, model, precision, 1)
    for rows in (1, 31, 32):
        case.check_prefill(torch.randn(rows, model.hidden_size))


@pytest.mark.board
@every_precision
@tiny_and_full
def test_lm_head_decode(device, reset_seeds, model, precision):
    weight, weights = torch.randn(model.vocab_size, model.hidden_size).bfloat16(), SharedWeights(device)
    for users in BATCHES:
        Case(device, model, precision, users, weight, weights).check_decode(torch.randn(users, model.hidden_size))


@every_precision
def test_lm_head_prefill_and_decode_of_badly_scaled_words(device, reset_seeds, precision):
    """The rows of the output matrix have sizes from 1e-3 to 1e3.

    In `accuracy` the logits of every token are accurate relative to the size of its row. In `performance` 16
    neighbouring tokens have one exponent, so the size changes every 16 tokens.
    """
    sizes = spread(TINY.vocab_size, 1) if precision == "accuracy" else spread(TINY.vocab_size // 16, 1)
    sizes = sizes.repeat_interleave(TINY.vocab_size // len(sizes), dim=0)
    case = Case(device, TINY, precision, 7, (torch.randn(TINY.vocab_size, TINY.hidden_size) * sizes).bfloat16())
    x = torch.randn(7, TINY.hidden_size)
    golden = (x @ case.weight.float().T) / sizes.T
    for rows in (to_prefill(x, case.config), to_decode(x, case.config, case.config.residual_memory)):
        assert_level(precision, "module", golden, to_rows(case.head(rows), 7) / sizes.T)


@every_precision
@pytest.mark.parametrize("vocabulary", [162, 9631])
def test_the_likeliest_tokens_of_a_vocabulary_that_is_no_multiple_of_a_tile(device, reset_seeds, precision, vocabulary):
    """All logits of tokens are negative, and those of padding are 0. No padding is among the likeliest tokens."""
    model = replace(TINY, vocab_size=vocabulary)
    weight = -torch.rand(vocabulary, model.hidden_size).bfloat16() - 1
    case, x = Case(device, model, precision, 7, weight), torch.rand(7, model.hidden_size) + 1
    logits = case.head(to_decode(x, case.config, case.config.residual_memory))
    golden = to_rows(logits, 7)
    tokens, values = (to_rows(found, 7) for found in Likeliest(case.config.chip.grid).candidates(logits))
    assert golden.shape == (7, vocabulary) and golden.max() < 0
    assert torch.equal(values, golden.topk(TILE).values)
    assert torch.equal(golden.gather(1, tokens.long()), values)


@pytest.mark.board
@pytest.mark.parametrize("precision", ["accuracy", "performance"])
def test_lm_head_prefill_and_decode_in_pieces(device, reset_seeds, precision):
    """The vocabulary has several pieces, of which the last is narrower and ends inside a tile. Every column is in its
    place."""
    tiles = Chip.of(device).cores * 2 + 5
    case = Case(device, shape(4, 2, 32, 64, vocab=32 * tiles - 7), precision, 7)
    case.head = StockLMHead(case.config, SharedWeights(device), case.weight, tiles_per_core=1)
    assert len(case.head.pieces) == 3
    case.check_prefill(torch.randn(32, 128))
    case.check_decode(torch.randn(7, 128))


@pytest.mark.board
@pytest.mark.parametrize("model", [TINY, pytest.param(FULL, marks=pytest.mark.slow)], ids=["tiny", "2b"])
def test_lm_head_decode_of_the_whole_vocabulary(device, reset_seeds, model):
    """All 128256 tokens of the 2B-4T, in as many pieces as the chip needs."""
    model = replace(model, vocab_size=128256)
    words = torch.randn(64, model.hidden_size).bfloat16()
    case = Case(device, model, "performance", 32, words.repeat(2004, 1))
    x = torch.randn(32, model.hidden_size)
    logits = to_rows(case.head(to_decode(x, case.config, case.config.residual_memory)), 32)
    assert_level("performance", "module", (x @ words.float().T).repeat(1, 2004), logits)


@pytest.mark.board
@settings(max_examples=8, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    heads=st.integers(1, 12),
    vocab=st.integers(32, 4800),
    users=st.integers(1, 32),
    precision=st.sampled_from(["accuracy", "performance", "fused"]),
    seed=st.integers(0, 1000),
)
def test_lm_head_prefill_and_decode_of_any_shape(device, heads, vocab, users, precision, seed):
    torch.manual_seed(seed)
    case = Case(device, shape(heads, 1, 32, 64, vocab=vocab), precision, users)
    case.check_prefill(torch.randn(32, 32 * heads))
    case.check_decode(torch.randn(users, 32 * heads))


@pytest.mark.parametrize("held_as", HEAD_WEIGHTS, ids=lambda dtype: dtype.name.lower())
def test_fused_lm_head_prefill_and_decode_in_every_weight_dtype(device, reset_seeds, held_as):
    """The logits are those of a product with the weight rounded to its dtype."""
    case = Case(device, TINY, FUSED.with_matmul("lm_head", weight=held_as), 7)
    assert case.head.weight.dtype == held_as
    columns = ttnn.from_torch(case.weight.float().T.contiguous(), dtype=held_as, layout=ttnn.TILE_LAYOUT)
    case.weight = ttnn.to_torch(columns).T
    case.check_prefill(torch.randn(32, 128))
    case.check_decode(torch.randn(7, 128))
