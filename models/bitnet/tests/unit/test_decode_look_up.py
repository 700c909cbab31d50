# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""The look-up of a decode step: exactly the rows of the embedding, and the angles, of each user."""

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import ttnn
from models.bitnet.perf.random_weights import SharedWeights, shape
from models.bitnet.tests.common import BATCHES, every_precision, tiny_and_full, to_integers, to_rows
from models.bitnet.tests.unit.test_embedding import random_tokens
from models.bitnet.tt.config import BitNetConfig
from models.bitnet.tt.embedding import DecodeLookUp, Embedding
from models.bitnet.tt.kernels.head.best_tokens import NO_TOKEN
from models.bitnet.tt.model_config import ModelConfig
from models.bitnet.tt.rope import RotaryEmbedding

pytestmark = pytest.mark.board

CONTEXT = 1024


class Case:
    def __init__(self, device: ttnn.MeshDevice, model: BitNetConfig, precision: str, users: int):
        self.config = ModelConfig(model, device, precision, users, max_seq_len=CONTEXT)
        self.table = torch.randn(model.vocab_size, model.hidden_size).bfloat16()
        embedding = Embedding(self.config, SharedWeights(device), self.table)
        self.look_up = DecodeLookUp(self.config, embedding.table, RotaryEmbedding(self.config))

    def check(self, tokens: torch.Tensor, positions: torch.Tensor) -> None:
        config, device, users = self.config, self.config.device, len(tokens)
        x, rotation = self.look_up(to_integers(tokens[None, None], device, ttnn.uint32), to_integers(positions, device))
        assert x.memory_config() == config.residual_memory and x.dtype == config.activations
        assert list(x.shape) == [1, 1, users, config.model.hidden_size]
        assert torch.equal(to_rows(x, users), self.table[tokens].float())
        frequencies = config.model.rope_theta ** (
            -torch.arange(0, config.model.head_dim, 2, dtype=torch.float64) / config.model.head_dim
        )
        angles = (positions.clamp_min(0).double()[:, None] * frequencies).repeat_interleave(2, dim=1)
        active = positions >= 0
        width = config.model.head_dim
        # the stock rotation takes the angles of all users' queries, then of their keys
        shape = [1, 1, users, width] if config.precision.name == "fused" else [1, 2 * users, 1, width]
        for tensor, golden, memory in zip(
            (rotation.cos, rotation.sin), (angles.cos(), angles.sin()), config.programs.angles_memory
        ):
            assert tensor.memory_config() == memory and list(tensor.shape) == shape
            for of_users in ttnn.to_torch(tensor).reshape(-1, users, width):
                assert torch.equal(of_users[active], golden[active].float().bfloat16())


def edges_and_random(users: int) -> torch.Tensor:
    edges = torch.tensor([31, 32, CONTEXT - 1, 0, 127, 128, 33])
    return torch.cat([edges, torch.randint(0, CONTEXT, (25,))])[:users]


@every_precision
@tiny_and_full
@pytest.mark.parametrize("users", BATCHES)
def test_look_up(device, reset_seeds, model, precision, users):
    Case(device, model, precision, users).check(random_tokens(users, model.vocab_size), edges_and_random(users))


def test_look_up_in_the_whole_vocabulary(device, reset_seeds):
    """The table has 128256 rows, so that a token needs more than 16 bits. The rows are narrow to save time."""
    case = Case(device, shape(2, 1, 32, 64, vocab=128256), "performance", 7)
    case.check(torch.tensor([128255, 65536, 65535, 128009, 1, 0, 32768]), edges_and_random(7))


def test_look_up_of_a_row_without_a_best_token(device, reset_seeds):
    """The step before gave NO_TOKEN. The look-up then reads the first row of the table, and nothing past its end."""
    case = Case(device, shape(4, 2, 32, 224), "accuracy", 4)
    tokens, positions = torch.tensor([5, NO_TOKEN, 319, 320]), torch.tensor([5, 6, 77, 8])
    x, _ = case.look_up(to_integers(tokens[None, None], device, ttnn.uint32), to_integers(positions, device))
    assert torch.equal(to_rows(x, 4), case.table[[5, 0, 319, 0]].float())


def test_look_up_with_idle_users(device, reset_seeds):
    """An idle user (position -1) gets any angle. The other users get theirs."""
    case = Case(device, shape(4, 2, 32, 224), "accuracy", 4)
    case.check(torch.tensor([5, 0, 319, 0]), torch.tensor([5, -1, 77, -1]))


def test_look_up_again(device, reset_seeds):
    """A program is described once. Later calls differ in addresses."""
    case, kept = Case(device, shape(4, 2, 32, 224), "fused", 7), []
    for _ in range(3):
        kept.append(ttnn.empty((1, 1, 32, 32), ttnn.float32, ttnn.TILE_LAYOUT, device, ttnn.DRAM_MEMORY_CONFIG))
        case.check(torch.randint(0, 320, (7,)), torch.randint(0, CONTEXT, (7,)))


@settings(max_examples=8, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    heads=st.integers(1, 12),
    head_dim=st.sampled_from([32, 64, 96, 128]),
    vocab=st.integers(1, 20),
    users=st.integers(1, 32),
    precision=st.sampled_from(["accuracy", "performance", "fused"]),
)
def test_look_up_of_any_shape(device, heads, head_dim, vocab, users, precision):
    torch.manual_seed(heads * users)
    case = Case(device, shape(heads, 1, head_dim, 64, vocab=32 * vocab), precision, users)
    case.check(random_tokens(users, 32 * vocab), torch.randint(0, CONTEXT, (users,)))
