# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""The embedding of tokens: exactly the rows of the table."""

import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import ttnn
from models.bitnet.perf.random_weights import SharedWeights, shape
from models.bitnet.tests.common import LENGTHS, every_precision, tiny_and_full, to_integers, to_rows, whole_tiles
from models.bitnet.tt.embedding import Embedding
from models.bitnet.tt.model_config import ModelConfig


class Case:
    def __init__(self, device, model, precision):
        self.config = ModelConfig(model, device, precision, users=1, max_seq_len=64)
        self.table = torch.randn(model.vocab_size, model.hidden_size).bfloat16()
        self.embedding = Embedding(self.config, SharedWeights(device), self.table)

    def check_prefill(self, tokens):
        padded = torch.zeros(1, whole_tiles(len(tokens)), dtype=torch.int64)
        padded[0, : len(tokens)] = tokens
        self.check(self.embedding.forward_prefill(to_integers(padded, self.config.device, ttnn.uint32)), tokens)

    def check(self, x, tokens):
        assert x.dtype == self.config.activations
        assert torch.equal(to_rows(x, len(tokens)), self.table[tokens].float())


def random_tokens(count: int, vocab: int) -> torch.Tensor:
    """Random tokens, with the first and the last of the vocabulary, and one token twice."""
    tokens = torch.randint(0, vocab, (count,))
    tokens[: min(3, count)] = torch.tensor([vocab - 1, 0, 0])[: min(3, count)]
    return tokens


@every_precision
@tiny_and_full
def test_embedding_prefill(device, reset_seeds, model, precision):
    case = Case(device, model, precision)
    for length in LENGTHS:
        case.check_prefill(random_tokens(length, model.vocab_size))


def test_embedding_prefill_of_the_whole_vocabulary(device, reset_seeds):
    """The table has 128256 rows, so that a token needs more than 16 bits. The rows are narrow to save time."""
    case = Case(device, shape(2, 1, 32, 64, vocab=128256), "performance")
    case.check_prefill(torch.tensor([128255, 65536, 65535, 128009, 1, 0, 32768]))


@settings(max_examples=8, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    heads=st.integers(1, 12),
    vocab=st.integers(32, 640),
    length=st.integers(1, 200),
    precision=st.sampled_from(["accuracy", "performance"]),
)
def test_embedding_prefill_of_any_shape(device, heads, vocab, length, precision):
    torch.manual_seed(heads * length)
    case = Case(device, shape(heads, 1, 32, 64, vocab=vocab), precision)
    case.check_prefill(random_tokens(length, vocab))
